"""Frames of a camera or a network stream: connect, read, reconnect, and never fall behind.

    connection 1  |xxxxxx|              no answer, or closed by the other side
    waiting              |.|..|....|    0.5, 1, 2, ... seconds, as long as `max_outage_seconds`
    connection 2                   |xxxxxxxx

An x is a picture, a dot an attempt to connect.
"""

from __future__ import annotations

from collections.abc import Iterator

from av.container import InputContainer

from vadsdk.structures import Frame
from vadsdk.video.address import Address
from vadsdk.video.decoder import Picture, check_size, upright_size
from vadsdk.video.live_reader import LiveReader, LiveSettings
from vadsdk.video.opening import video_stream
from vadsdk.video.orientation import orientation_of
from vadsdk.video.pixels import RgbConverter
from vadsdk.video.presentation import DEFAULT_FPS, frame_rate


class LiveSource:
    """The frames of a camera or stream, the newest if the consumer is slow.

    Times count from the first frame, and go on by the wall clock over an outage. Frames are
    numbered as they are given out. Interruptions and dropped frames are logged as warnings.

    Args:
        address: of the camera.
        settings: how patient to be.
        container: the open connection to begin with; closed with the source.
    """

    is_live = True
    num_frames = None

    def __init__(self, address: Address, settings: LiveSettings, container: InputContainer) -> None:
        self.name = address.name
        self.fps = frame_rate(container, video_stream(container, address))
        self._reader = LiveReader(address, settings, container, 1 / (self.fps or DEFAULT_FPS))

    def __iter__(self) -> Iterator[Frame]:
        """Yield frames until the consumer stops; VideoError if the camera stays away."""
        converter = RgbConverter()
        size: tuple[int, int] | None = None
        self._reader.start()
        try:
            for picture in self._pictures():
                size = size or upright_size(picture)
                check_size(self.name, picture, size)
                yield Frame(
                    index=picture.index,
                    pts_seconds=picture.pts_seconds,
                    image=converter.convert(picture),
                )
        finally:
            self._reader.stop()
        if self._reader.failure:
            raise self._reader.failure

    def stop(self) -> None:
        """Let the stream end after the frames that wait, even in an outage.

        Any thread may ask for it, and a signal's handler.
        """
        self._reader.queue.close()

    @property
    def num_dropped(self) -> int:
        """Frames that the consumer was too slow for."""
        return self._reader.queue.num_dropped

    def _pictures(self) -> Iterator[Picture]:
        for index, (seconds, stored) in enumerate(self._reader.queue):
            yield Picture(
                index=index,
                pts_seconds=seconds,
                stored=stored,
                orientation=orientation_of(stored),
            )
