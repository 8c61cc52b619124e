"""Plain footage: folders of videos of which nothing is known, and the frames of one record.

A long file is not read whole: it becomes a few records, segments spread evenly over it.

    file      |------------------------------------------------|
    segments  |xxxx|      |xxxx|      |xxxx|      |xxxx|

Legend: F frames of a record, h and w of the stored frame.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from vadsdk.data.decode_worker import DecodeRequest
from vadsdk.data.records import VideoRecord
from vadsdk.errors import DatasetError, VideoError
from vadsdk.video import probe
from vadsdk.video.folders import VIDEO_SUFFIXES

UNLABELLED_SPLIT = "train"


@dataclass(frozen=True, kw_only=True, slots=True)
class SegmentSpec:
    """What is read of a long file."""

    max_frames: int = 3000
    """Longer files are cut."""
    num_segments: int = 10
    """Segments that are kept of such a file."""
    segment_frames: int = 300
    """Frames of each."""


def unlabelled_records(
    folders: Sequence[Path], *, segments: SegmentSpec | None = None
) -> tuple[VideoRecord, ...]:
    """Return a record for each video in some folders and the folders below them, by name.

    A file that cannot be opened is a record all the same; decoding it counts and reports it.

    Args:
        folders: to search; a single video file is taken as it is.
        segments: what is read of long files.

    Raises:
        DatasetError: a folder does not exist or has no video in it.
    """
    segments = segments or SegmentSpec()
    records: list[VideoRecord] = []
    for folder in folders:
        for path in _video_files(Path(folder)):
            records += cut(_footage_record(path), segments)
    return tuple(records)


def cut(record: VideoRecord, segments: SegmentSpec) -> list[VideoRecord]:
    """Return the record, or if it is long the segments that stand for it."""
    if record.num_frames <= segments.max_frames or not record.fps:
        return [record]
    last_start = record.num_frames - segments.segment_frames
    starts = np.linspace(0, last_start, segments.num_segments).astype(int).tolist()
    return [
        replace(
            record,
            name=f"{record.name}#{start}",
            first_frame=start,
            is_segment=True,
            num_frames=segments.segment_frames,
        )
        for start in starts
    ]


def record_request(record: VideoRecord, size: tuple[int, int]) -> DecodeRequest:
    """Return what to ask a decoder for to get all frames of a record, (F, h, w, 3)."""
    segment = None
    if record.is_segment:
        segment = (record.first_frame / record.fps, record.num_frames)
    return DecodeRequest(path=str(record.path), size=size, segment=segment)


def _video_files(folder: Path) -> list[Path]:
    if folder.is_file():
        return [folder]
    if not folder.is_dir():
        raise DatasetError(f"{folder} does not exist; give a folder of videos")
    paths = sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in VIDEO_SUFFIXES and not path.name.startswith(".")
    )
    if not paths:
        known = ", ".join(sorted(VIDEO_SUFFIXES))
        raise DatasetError(f"{folder} has no video in it; expected files such as {known}")
    return paths


def _footage_record(path: Path) -> VideoRecord:
    record = VideoRecord(
        name=path.as_posix(),
        path=path,
        split=UNLABELLED_SPLIT,
        num_frames=0,
        width=0,
        height=0,
        fps=0.0,
        labelled=False,
    )
    try:
        info = probe(path)
    except VideoError:
        return record
    num_frames = info.num_frames or round((info.duration_seconds or 0) * (info.fps or 0))
    return replace(
        record, num_frames=num_frames, width=info.width, height=info.height, fps=info.fps or 0.0
    )
