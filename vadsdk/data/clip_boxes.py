"""The boxes of annotated actors in clips, as a batch wants them.

Legend: B clips, T frames, M boxes of the frame with most, K classes.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from vadsdk.data.batches import NO_CLASS
from vadsdk.data.records import VideoRecord


def clip_boxes(
    records: Sequence[VideoRecord],
    frame_indices: Sequence[NDArray[np.int64]],
    labels: Sequence[str],
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return boxes (B, T, M, 4) in [0, 1] of the frame and their classes (B, T, M).

    Args:
        records: B videos; those without annotation have no boxes.
        frame_indices: B arrays (T,) of the clips' frames; they may repeat.
        labels: names of the K classes.
    """
    rows = [
        _boxes_of_clip(record, frames, labels)
        for record, frames in zip(records, frame_indices, strict=True)
    ]
    most = max((len(frame) for clip in rows for frame in clip), default=0)
    shape = (len(rows), max((len(clip) for clip in rows), default=0), most)
    boxes = np.zeros((*shape, 4), np.float32)
    classes = np.full(shape, NO_CLASS, np.int64)
    for row, clip in enumerate(rows):
        for frame, entries in enumerate(clip):
            for position, (class_index, box) in enumerate(entries):
                boxes[row, frame, position] = box
                classes[row, frame, position] = class_index
    return boxes, classes


def _boxes_of_clip(
    record: VideoRecord, frame_indices: NDArray[np.int64], labels: Sequence[str]
) -> list[list[tuple[int, NDArray[np.float32]]]]:
    """Return the (class, box) pairs of each frame."""
    found: list[list[tuple[int, NDArray[np.float32]]]] = [[] for _ in frame_indices]
    scale = np.array([record.width, record.height] * 2, np.float32)
    for tube in record.tubes:
        class_index = labels.index(tube.label)
        places = np.searchsorted(tube.frame_indices, frame_indices)
        for frame, place in enumerate(places.tolist()):
            if place < len(tube) and tube.frame_indices[place] == frame_indices[frame]:
                box = (tube.boxes_xyxy[place] / scale).clip(0, 1)
                if (box[2:] > box[:2]).all():
                    found[frame].append((class_index, box))
    return found
