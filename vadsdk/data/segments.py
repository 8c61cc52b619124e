"""A part of a long video file, without decoding what comes before it.

file     K.....K.....K.....K.....      K: a picture that can be decoded alone
read                     xxxx          seek to the K before, decode from there
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from vadsdk.errors import VideoError
from vadsdk.video.address import Address, file_address
from vadsdk.video.decoder import Picture, check_size, upright_size
from vadsdk.video.opening import open_video, reason
from vadsdk.video.orientation import orientation_of
from vadsdk.video.pixels import RgbConverter


def read_segment(
    path: Path, start_seconds: float, num_frames: int, size: tuple[int, int]
) -> NDArray[np.uint8]:
    """Decode frames from a time on, (F, h, w, 3) RGB, upright; fewer where the file ends.

    Args:
        path: a video file.
        start_seconds: from the beginning of the file, to about a frame where the frame rate varies.
        num_frames: F.
        size: h and w to stretch every frame to.

    Raises:
        VideoError: the file is missing, no video, broken there, or ends before.
    """
    address = file_address(path)
    converter = RgbConverter()
    pictures = islice(_pictures_from(address, start_seconds), num_frames)
    try:
        frames = [converter.convert(picture, size) for picture in pictures]
    except av.FFmpegError as error:
        raise VideoError(
            f"{path} is damaged near {start_seconds:.1f} s: {reason(error)}; copy it again"
        ) from error
    if not frames:
        raise VideoError(f"{path} ends before {start_seconds:.1f} s; copy it again")
    return np.stack(frames)


def _pictures_from(address: Address, start_seconds: float) -> Iterator[Picture]:
    with open_video(address) as (container, stream):
        stream.thread_type = "AUTO"
        base, origin = stream.time_base, stream.start_time or 0
        if base:
            container.seek(origin + round(start_seconds / base), stream=stream)
        half_a_frame = 0.5 / float(stream.average_rate or 25)
        expected_size: tuple[int, int] | None = None
        for index, stored in enumerate(container.decode(stream)):
            seconds = start_seconds
            if stored.pts is not None and base:
                seconds = float((stored.pts - origin) * base)
            picture = Picture(
                index=index, pts_seconds=seconds, stored=stored, orientation=orientation_of(stored)
            )
            expected_size = expected_size or upright_size(picture)
            check_size(address.name, picture, expected_size)
            if seconds >= start_seconds - half_a_frame:
                yield picture
