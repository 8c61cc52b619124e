"""What an annotation does not tell of a video, from the video."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from vadsdk.data.records import VideoRecord
from vadsdk.errors import VideoError
from vadsdk.video import probe


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


def _try_to_measure(record: VideoRecord) -> VideoRecord:
    try:
        return measured(record)
    except VideoError:
        return record
