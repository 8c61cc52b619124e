"""What an annotation does not tell of a video, from the video, and whether the two agree."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from vadsdk.data.problems import Problem
from vadsdk.data.records import VideoRecord, has_boxes, has_frames_of
from vadsdk.errors import DatasetError, VideoError
from vadsdk.video import FrameReader, VideoInfo, probe, read_frames
from vadsdk.video.declared_size import missing_bytes

_TINY = (8, 8)
"""Height and width of frames that are decoded for their number alone."""


def measured(record: VideoRecord) -> VideoRecord:
    """Return the record with its frames, size and rate; what is still unknown is 0.

    Where neither the annotation nor the container counts the frames, they are estimated from
    duration and rate.

    Raises:
        VideoError: the file, which must be asked, is missing or no video.
    """
    if record.num_frames and record.fps and record.width and record.height:
        return record
    info = probe(record.path)
    fps = record.fps or info.fps or 0.0
    estimate = round((info.duration_seconds or 0.0) * fps)
    return replace(
        record,
        num_frames=record.num_frames or info.num_frames or estimate,
        width=record.width or info.width,
        height=record.height or info.height,
        fps=fps,
    )


def measured_as(record: VideoRecord, other: VideoRecord) -> VideoRecord:
    """Return the record with what is unknown of it taken from another of the same video."""
    return replace(
        record,
        num_frames=record.num_frames or other.num_frames,
        width=record.width or other.width,
        height=record.height or other.height,
        fps=record.fps or other.fps,
    )


def measured_if_readable(
    records: Sequence[VideoRecord],
    *,
    num_workers: int = 2,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[VideoRecord, ...]:
    """Return the records as `measured` does; those whose file cannot be read stay as they are.

    Args:
        records: in any order.
        num_workers: threads that open files.
        progress: called with done and total.
    """
    pool = ThreadPoolExecutor(num_workers, thread_name_prefix="measure")
    found = []
    try:
        for done, record in enumerate(pool.map(_try_to_measure, records), start=1):
            found.append(record)
            if progress:
                progress(done, len(records))
    finally:
        pool.shutdown(cancel_futures=True)
    return tuple(found)


def fitted(record: VideoRecord) -> VideoRecord:
    """Open a video and return its record with the frames, size and rate that the video has.

    The first frame is decoded, and the last where boxes belong to frames: a file that was cut off
    is found, one that breaks midway and keeps its length is not.

    Raises:
        VideoError: the file is missing, empty, no video, or cut off.
        DatasetError: its boxes are for other frames than the video has, or another size.
    """
    if not has_boxes(record):
        _require_whole(record)
        return measured(replace(record, num_frames=0, width=0, height=0))
    info = probe(record.path)
    reader = FrameReader(record.path)
    num_frames = reader.num_indexed or (info.num_frames or 0)
    if num_frames == record.num_frames:
        reader.read([num_frames - 1], _TINY)
    else:  # only decoding tells: some containers do not count, or count what is not shown
        num_frames = len(read_frames(record.path, size=_TINY))
    fatal = [problem for problem in extent_problems(record, num_frames, info) if problem.fatal]
    if fatal:
        raise DatasetError(str(fatal[0]))
    return replace(measured(record), num_frames=num_frames)


def extent_problems(record: VideoRecord, num_frames: int, info: VideoInfo) -> list[Problem]:
    """Compare a video with what its record tells; only where boxes belong to frames is it fatal.

    Args:
        record: what is told.
        num_frames: that the video decodes to.
        info: of the video.
    """
    file, is_framed = str(record.path), has_boxes(record)
    problems = []
    if record.num_frames and num_frames != record.num_frames:
        message = f"the video has {num_frames} frames, its annotation is for {record.num_frames}"
        is_fatal = not has_frames_of(record, num_frames)
        problems.append(Problem(file, "num_frames", f"{message}; correct the wrong one", is_fatal))
    size = (record.width, record.height)
    if all(size) and (info.width, info.height) != size:
        message = (
            f"the video is {info.width} x {info.height}, its annotation for "
            f"{size[0]} x {size[1]}; scale the boxes or replace the video"
        )
        problems.append(Problem(file, "width, height", message, is_framed))
    return problems


def _require_whole(record: VideoRecord) -> None:
    probe(record.path)
    missing = missing_bytes(record.path) if record.path.is_file() else 0
    if missing:
        raise VideoError(
            f"{record.path} is cut off, its last {missing} bytes are missing; copy it again"
        )


def _try_to_measure(record: VideoRecord) -> VideoRecord:
    try:
        return measured(record)
    except VideoError:
        return record
