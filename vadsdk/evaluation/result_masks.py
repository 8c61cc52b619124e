"""Masks of a detector's result against those of the ground truth, for the recall protocol.

Legend: F frames of a tube, H and W of the source frame.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from vadsdk.evaluation.recall_protocol import MaskOverlap, measure_masks
from vadsdk.structures import FrameResult, Tube, VideoResult

TrueMasks = Callable[[str, NDArray[np.int64]], NDArray[np.bool_]]
"""(name of a video, frame indices (F,)) -> (F, H, W): the pixels of all its actors."""


def measure_result(
    name: str, tubes: Sequence[Tube], result: VideoResult, true_masks: TrueMasks | None
) -> list[MaskOverlap]:
    """Compare the masks of one video's result with its actors.

    With `true_masks` all actors are one mask under the label of the first tube; else each tube is a
    filled box, with the weight that the released script's draw gives it. Nothing comes back for a
    video without actions or a result without masks.
    """
    masks = {frame.index: frame.detections.masks for frame in result.frames}
    size = next((found.shape[1:] for found in masks.values() if found is not None), None)
    if size is None or not tubes:
        return []
    if true_masks is not None:
        indices = np.unique(np.concatenate([tube.frame_indices for tube in tubes]))
        predicted = _predicted_masks(result.frames, indices, size)
        return [measure_masks(tubes[0].label, predicted, true_masks(name, indices))]
    return [
        measure_masks(
            tube.label,
            _predicted_masks(result.frames, tube.frame_indices, size),
            fill_boxes(tube.boxes_xyxy, size),
            weight=1 / len(tubes),
        )
        for tube in tubes
    ]


def fill_boxes(boxes_xyxy: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.bool_]:
    """Return (F, H, W) masks of (F, 4) boxes, their edges rounded to whole pixels."""
    x1, y1, x2, y2 = np.rint(boxes_xyxy).T[:, :, None]  # each (F, 1)
    rows, columns = np.arange(size[0]), np.arange(size[1])
    inside_rows = (rows >= y1) & (rows < y2)  # (F, H)
    inside_columns = (columns >= x1) & (columns < x2)  # (F, W)
    masks: NDArray[np.bool_] = inside_rows[:, :, None] & inside_columns[:, None, :]
    return masks


def _predicted_masks(
    frames: Iterable[FrameResult], indices: NDArray[np.int64], size: tuple[int, ...]
) -> NDArray[np.bool_]:
    """Return (F, H, W): the pixels of all detections of each frame."""
    rows = {int(index): row for row, index in enumerate(indices)}
    predicted = np.zeros((len(indices), *size), np.bool_)
    for frame in frames:
        row, masks = rows.get(frame.index), frame.detections.masks
        if row is not None and masks is not None:
            predicted[row] = np.bitwise_or.reduce(masks, axis=0)
    return predicted
