"""Decoding a file from its first picture to its last, or to where it breaks.

    packets -> stored pictures -> times and orientation -> one size throughout

The caller converts to RGB, as it alone knows which pictures it wants and how large.
"""

from __future__ import annotations

import logging
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import Literal

import av
from av.container import InputContainer
from av.video.stream import VideoStream

from vadsdk.errors import VideoError
from vadsdk.video.address import Address
from vadsdk.video.declared_size import missing_bytes
from vadsdk.video.opening import open_video, reason
from vadsdk.video.orientation import Orientation, orientation_of
from vadsdk.video.presentation import StreamClock

OnError = Literal["raise", "stop"]
"""What a file that breaks midway does after its last good frame."""

# Where a file breaks, threads that decode a frame each lose the good frames that others still hold,
# and for small pictures they gain nothing (1280x720 on two cores: 2.1 ms a frame, without 1.9 ms).
_LARGE_HEIGHT = 1080

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Picture:
    """A decoded picture, not yet converted."""

    index: int
    """Position in the file, from 0."""
    pts_seconds: float
    """Presentation time from the beginning of the file."""
    stored: av.VideoFrame
    """As the codec has it: its own pixel format, perhaps lying on its side."""
    orientation: Orientation
    """How to turn it upright."""


def decoded_pictures(
    address: Address, *, on_error: OnError = "raise"
) -> Generator[Picture, None, None]:
    """Yield every picture of a file that decodes, in order of presentation.

    Args:
        address: of the file.
        on_error: what to do where the file breaks midway: "raise", or "stop" there with a logged
            warning. A file without any picture, and a new frame size, always raise.

    Raises:
        VideoError: the file is no video or breaks midway, or its frame size changes.
    """
    num_pictures = 0
    expected_size: tuple[int, int] | None = None
    with open_video(address) as (container, stream):
        stream.thread_type = "AUTO" if stream.height >= _LARGE_HEIGHT else "SLICE"
        clock = StreamClock(container, stream)
        packets = _Packets(container, stream, clock)
        for stored in packets.pictures():
            picture = Picture(
                index=num_pictures,
                pts_seconds=clock.present(stored),
                stored=stored,
                orientation=orientation_of(stored),
            )
            expected_size = expected_size or upright_size(picture)
            check_size(address.name, picture, expected_size)
            yield picture
            num_pictures += 1
    _check_whole(address, num_pictures, packets.failure, on_error)


def upright_size(picture: Picture) -> tuple[int, int]:
    """Return (height, width) of a picture once it stands upright."""
    return picture.orientation.upright_size(picture.stored.height, picture.stored.width)


def check_size(name: str, picture: Picture, expected: tuple[int, int]) -> None:
    """Raise VideoError unless a picture has the (height, width) of the first one."""
    height, width = upright_size(picture)
    if (height, width) != expected:
        raise size_changed(name, picture.index, expected, (height, width))


def size_changed(
    name: str, index: int, expected: tuple[int, int], found: tuple[int, int]
) -> VideoError:
    """Return the error for a frame of another (height, width) than those before it."""
    return VideoError(
        f"{name}: frame {index} is {found[1]}x{found[0]}, but the frames before it are "
        f"{expected[1]}x{expected[0]}; one video has one frame size, so split it there or "
        "scale it to one size"
    )


class _Packets:
    """The pictures of a container's packets; where it breaks, `failure` says why."""

    def __init__(self, container: InputContainer, stream: VideoStream, clock: StreamClock) -> None:
        self._container = container
        self._stream = stream
        self._clock = clock
        self.failure: Exception | None = None

    def pictures(self) -> Iterator[av.VideoFrame]:
        try:
            for packet in self._container.demux(self._stream):
                pictures = packet.decode()
                self._clock.note(packet)
                yield from pictures
        except av.FFmpegError as error:
            self.failure = error
            yield from self._still_in_decoder()

    def _still_in_decoder(self) -> Iterator[av.VideoFrame]:
        """Yield what came before the break and was waiting for its turn to be shown."""
        try:
            yield from self._stream.codec_context.decode(None)
        except av.FFmpegError:
            return


def _check_whole(
    address: Address, num_pictures: int, failure: Exception | None, on_error: OnError
) -> None:
    missing = missing_bytes(address.path) if address.path else 0
    if not num_pictures:
        detail = f" ({reason(failure)})" if failure else ""
        raise VideoError(
            f"{address.name} has no frame that can be decoded{detail}; "
            "record or copy it again, or leave it out"
        )
    if missing:
        why = f"it is cut off, its last {missing} bytes are missing"
    elif failure:
        why = reason(failure)
    else:
        return
    message = f"{address.name} breaks at frame {num_pictures}: {why}"
    if on_error == "raise":
        raise VideoError(
            f"{message}. Copy it again, or take the frames before that: predict --accept-broken, "
            'or open_source(..., on_error="stop")'
        )
    logger.warning("%s; stopping there", message)
