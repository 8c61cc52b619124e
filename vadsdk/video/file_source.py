"""Frames of a video file, local or at a URL that ends."""

from __future__ import annotations

from collections.abc import Iterator

from vadsdk.structures import Frame
from vadsdk.video.address import Address
from vadsdk.video.decoder import OnError, decoded_pictures
from vadsdk.video.info import describe
from vadsdk.video.pixels import RgbConverter


class FileSource:
    """The frames of a video file that can be decoded, upright.

    Args:
        address: of the file; it is opened at once, to fail early.
        on_error: for a file that breaks midway; see `decoded_pictures`.

    Raises:
        VideoError: the file is missing, or no video, or none of its frames decodes.
    """

    is_live = False

    def __init__(self, address: Address, *, on_error: OnError = "raise") -> None:
        info = describe(address)
        self.name = address.name
        self.fps = info.fps
        self.num_frames = info.num_frames
        self._address = address
        self._on_error = on_error

    def __iter__(self) -> Iterator[Frame]:
        """Yield the frames; each time from the first."""
        converter = RgbConverter()
        for picture in decoded_pictures(self._address, on_error=self._on_error):
            yield Frame(
                index=picture.index,
                pts_seconds=picture.pts_seconds,
                image=converter.convert(picture),
            )
