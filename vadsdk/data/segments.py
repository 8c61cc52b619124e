"""Some frames from a time on of a video file, without decoding or even listing all before.

file     K.....K.....K.....K.....      K: a picture that can be decoded alone
read                     x.x.x         seek to the K before, decode from there

Nothing of the file is read but that stretch, however long it is. Where time stamps are regular the
frames are those of a decode from the start; where not, the time is kept and the count is not (an
AVI with B-frames: up to their delay).

Legend: T frames asked for, h and w of the frames returned.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import chain, dropwhile
from pathlib import Path

import av
import numpy as np
from av.container import InputContainer
from av.video.stream import VideoStream
from numpy.typing import NDArray

from vadsdk.errors import VideoError
from vadsdk.video.address import Address, file_address
from vadsdk.video.decoder import Picture, check_size, upright_size
from vadsdk.video.opening import open_video, reason
from vadsdk.video.orientation import orientation_of
from vadsdk.video.pixels import RgbConverter

_LEADS_SECONDS = (0.0, 2.0, 10.0, 60.0)
"""How far before the time to seek, in turn, until what is decoded begins before it."""


def read_segment(
    path: Path, start_seconds: float, offsets: Sequence[int], size: tuple[int, int]
) -> NDArray[np.uint8]:
    """Decode frames from a time on, (T, h, w, 3) RGB, upright.

    Where the file ends before, its last frame is repeated.

    Args:
        path: a video file.
        start_seconds: from the beginning of the file.
        offsets: (T,) frames to return, counted from the one at that time; in any order.
        size: h and w to stretch every frame to.

    Raises:
        VideoError: the file is missing, no video, broken there, or ends before.
    """
    address = file_address(path)
    converter = RgbConverter()
    found: dict[int, NDArray[np.uint8]] = {}
    latest: Picture | None = None
    try:
        pictures = _pictures_from(address, start_seconds)
        for position, picture in zip(range(max(offsets) + 1), pictures, strict=False):
            latest = picture
            if position in offsets:
                found[position] = converter.convert(picture, size)
    except av.FFmpegError as error:
        raise VideoError(
            f"{path} is damaged near {start_seconds:.1f} s: {reason(error)}; copy it again"
        ) from error
    if latest is None:
        raise VideoError(f"{path} ends before {start_seconds:.1f} s; copy it again")
    beyond = set(offsets) - found.keys()
    if beyond:
        found |= dict.fromkeys(beyond, converter.convert(latest, size))
    return np.stack([found[offset] for offset in offsets])


def _pictures_from(address: Address, start_seconds: float) -> Iterator[Picture]:
    """Yield pictures from a time on; without an index in the file, a seek may lead too far."""
    for lead in _LEADS_SECONDS:
        from_start = start_seconds <= lead
        with open_video(address) as (container, stream):
            stream.thread_type = "SLICE"  # frames in flight would be decoded for nothing
            half_a_frame = 0.5 / float(stream.average_rate or 25)
            if not from_start and stream.time_base:
                place = round((start_seconds - lead) / stream.time_base)
                container.seek((stream.start_time or 0) + place, stream=stream)
            pictures = _checked_pictures(address, container, stream, start_seconds - half_a_frame)
            first = next(pictures, None)
            is_too_far = first is None or first.pts_seconds > start_seconds + half_a_frame
            if is_too_far and not from_start and lead != _LEADS_SECONDS[-1]:
                continue
            earliest = start_seconds - half_a_frame
            found = () if first is None else chain([first], pictures)
            yield from dropwhile(partial(_is_before, earliest), found)
            return


def _is_before(seconds: float, picture: Picture) -> bool:
    return picture.pts_seconds < seconds


def _checked_pictures(
    address: Address, container: InputContainer, stream: VideoStream, needed_seconds: float
) -> Iterator[Picture]:
    """Yield pictures from where the container stands; all of them from a time on."""
    expected_size: tuple[int, int] | None = None
    for index, stored in enumerate(_decoded(container, stream, needed_seconds)):
        picture = Picture(
            index=index,
            pts_seconds=_seconds(stored.dts if stored.pts is None else stored.pts, stream),
            stored=stored,
            orientation=orientation_of(stored),
        )
        expected_size = expected_size or upright_size(picture)
        check_size(address.name, picture, expected_size)
        yield picture


def _decoded(
    container: InputContainer, stream: VideoStream, needed_seconds: float
) -> Iterator[av.VideoFrame]:
    for packet in container.demux(stream):
        is_needed = packet.pts is None or _seconds(packet.pts, stream) >= needed_seconds
        # Pictures that no other refers to need not be decoded before.
        stream.codec_context.skip_frame = "DEFAULT" if is_needed else "NONREF"
        yield from packet.decode()


def _seconds(stamp: int | None, stream: VideoStream) -> float:
    return float(((stamp or 0) - (stream.start_time or 0)) * (stream.time_base or 0))
