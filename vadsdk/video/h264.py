"""Encoding RGB images into an H.264 stream of a container."""

from __future__ import annotations

import contextlib
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.video.reformatter import Interpolation, VideoReformatter
from numpy.typing import NDArray

from vadsdk.whole_file import is_written_into

TICKS_PER_SECOND = 360_000
"""Of the time stamps: a multiple of the 90000 of broadcast clocks and of 24, 25, 30, 50 and 60
frames a second and their 1000/1001, so that all of these are exact."""

_INDEX_FIRST = "+faststart"
# The moov box comes with the first fragment, when it is known from when on that is shown.
_FRAGMENTS = "+frag_keyframe+delay_moov+default_base_moof"
_KEYFRAME_SECONDS = 2  # a player can jump to each
_BT709 = 1  # of the matrix, the primaries and the transfer alike
_LIMITED_RANGE = 1
_CONVERSION = int(
    Interpolation.BILINEAR | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INP
)


class H264Encoder:
    """An open file that frames of one size go into.

    Args:
        path: of the file; its suffix chooses the container. A pipe gets an mp4 in fragments, as one
            cannot go back in it to write the index.
        image_size: (height, width) of the images; what is odd grows by a pixel.
        fps: expected frames a second.
        crf: x264's quality.

    Raises:
        OSError, av.FFmpegError: the file cannot be opened.
    """

    def __init__(self, path: Path, image_size: tuple[int, int], *, fps: Fraction, crf: int) -> None:
        self.image_size = image_size
        height, width = (side + side % 2 for side in image_size)
        self._reformatter = VideoReformatter()
        layout = _FRAGMENTS if is_written_into(path) else _INDEX_FIRST
        self._container = av.open(f"file:{path}", "w", options={"movflags": layout})
        self._stream = self._container.add_stream(
            "libx264", rate=fps, options={"crf": str(crf), "preset": "veryfast"}
        )
        self._stream.width, self._stream.height = width, height
        self._stream.pix_fmt = "yuv420p"
        codec = self._stream.codec_context
        codec.time_base = Fraction(1, TICKS_PER_SECOND)
        codec.gop_size = max(1, round(_KEYFRAME_SECONDS * fps))
        codec.colorspace = codec.color_primaries = codec.color_trc = _BT709
        codec.color_range = _LIMITED_RANGE

    def encode(self, image: NDArray[np.uint8], tick: int) -> None:
        """Append an (H, W, 3) RGB image, shown from `tick` on."""
        height, width = self.image_size
        if height % 2 or width % 2:
            image = np.pad(image, ((0, height % 2), (0, width % 2), (0, 0)), "edge")
        rgb = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
        picture = self._reformatter.reformat(
            rgb,
            format="yuv420p",
            dst_colorspace=_BT709,
            dst_color_range=_LIMITED_RANGE,
            interpolation=_CONVERSION,
        )
        picture.pts = tick
        picture.time_base = Fraction(1, TICKS_PER_SECOND)
        self._mux(picture)

    def finish(self) -> None:
        """Write what the encoder still holds and the index, and close the file."""
        self._mux(None)
        self._container.close()

    def abandon(self) -> None:
        """Close a file that will be removed; what cannot be written any more does not matter."""
        with contextlib.suppress(av.FFmpegError, OSError):
            self._container.close()

    def _mux(self, picture: av.VideoFrame | None) -> None:
        self._container.mux(self._stream.encode(picture))
