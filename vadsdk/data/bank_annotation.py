"""The annotation of a bank's videos, as plain JSON and arrays, and back.

Legend: V videos, U tubes of all videos, X boxes of all tubes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vadsdk.data.records import VideoRecord
from vadsdk.structures import Tube

_PLAIN = (*("name", "split", "num_frames", "width", "height", "fps", "labelled"), "video_label")


def annotation_arrays(records: Sequence[VideoRecord]) -> dict[str, NDArray[Any]]:
    """Return the tubes of V videos: whose they are (U,), where they end (U,), and boxes (X, 4)."""
    tubes = [(index, tube) for index, record in enumerate(records) for tube in record.tubes]
    frames = [np.zeros(0, np.int64), *(tube.frame_indices for _, tube in tubes)]
    boxes = [np.zeros((0, 4), np.float32), *(tube.boxes_xyxy for _, tube in tubes)]
    return {
        "tube_videos": np.array([index for index, _ in tubes], np.int64),
        "tube_ids": np.array([tube.id for _, tube in tubes], np.int64),
        "tube_ends": np.cumsum([len(tube) for _, tube in tubes], dtype=np.int64),
        "tube_seconds": np.array(
            [(tube.start_seconds, tube.end_seconds) for _, tube in tubes], np.float64
        ).reshape(-1, 2),
        "box_frames": np.concatenate(frames).astype(np.int64),
        "boxes_xyxy": np.concatenate(boxes).astype(np.float32),
    }


def record_json(record: VideoRecord) -> dict[str, Any]:
    """Return what the arrays do not hold of a video."""
    plain = {name: getattr(record, name) for name in _PLAIN}
    known = record.annotated_frames
    return plain | {
        "path": str(record.path),
        "tube_labels": [tube.label for tube in record.tubes],
        "annotated_frames": None if known is None else list(known),
    }


def read_records(
    videos: Sequence[Mapping[str, Any]], arrays: Mapping[str, NDArray[Any]]
) -> tuple[VideoRecord, ...]:
    """Return the videos whose JSON and arrays are given; what is impossible is a ValueError."""
    records = tuple(_bare_record(video) for video in videos)
    labels = iter([label for video in videos for label in video["tube_labels"]])
    tubes: list[list[Tube]] = [[] for _ in records]
    first = 0
    for index, id, end, seconds in zip(
        *(arrays[f"tube_{name}"].tolist() for name in ("videos", "ids", "ends", "seconds")),
        strict=True,
    ):
        tube = Tube(
            id=id,
            label=next(labels),
            score=1.0,
            frame_indices=arrays["box_frames"][first:end],
            boxes_xyxy=arrays["boxes_xyxy"][first:end],
            start_seconds=seconds[0],
            end_seconds=seconds[1],
        )
        tubes[index].append(tube)
        first = end
    return tuple(
        replace(record, tubes=tuple(own)) for record, own in zip(records, tubes, strict=True)
    )


def _bare_record(video: Mapping[str, Any]) -> VideoRecord:
    known = video["annotated_frames"]
    return VideoRecord(
        path=Path(video["path"]),
        annotated_frames=None if known is None else tuple(known),
        **{name: video[name] for name in _PLAIN},
    )
