"""Candidate boxes of one key frame -> its actors.

Legend: N candidates, D detections, K classes, H and W of the source frame.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vadsdk.boxes import nms
from vadsdk.decoding.finite import require_finite
from vadsdk.structures import BoxDecodingSpec, Detections
from vadsdk.structures.detections import NO_TRACK

SMALLEST_SIDE = 0.01
"""In pixels; a thinner box might lose its area to float32 where boxes are interpolated."""


def decode_boxes(
    boxes_xyxy01: NDArray[np.float32],
    objectness: NDArray[np.float32],
    class_scores: NDArray[np.float32],
    *,
    height: int,
    width: int,
    spec: BoxDecodingSpec,
) -> Detections:
    """Turn the candidates of one key frame into actors, as YOWO does (section 3.2, release).

    A candidate's score for a class is its objectness times the class score, for every class. Those
    whose best score is too low go; of the rest, those that repeat one of higher objectness. What is
    left is cut to the frame, and gone if it lies outside.

    Args:
        boxes_xyxy01: (N, 4) in shares of the frame, not clipped.
        objectness: (N,) in [0, 1].
        class_scores: (N, K) in [0, 1], of an actor if there is one.
        height: H of the source frame.
        width: W of the source frame.
        spec: thresholds.

    Returns:
        At most `spec.max_detections`, by falling objectness; no masks, no track ids yet.

    Raises:
        ModelFileError: the network gave NaN or infinity.
    """
    _check_shapes(boxes_xyxy01, objectness, class_scores)
    require_finite(boxes_xyxy01, objectness, class_scores)
    scores = objectness[:, None] * class_scores  # (N, K)
    sure = np.flatnonzero(scores.max(axis=1, initial=0.0) >= spec.min_score)
    size = np.array([width, height, width, height], np.float32)
    pixels = np.clip(boxes_xyxy01[sure] * size, 0, size)
    # Boxes that lie outside go first: they remove nobody.
    inside = (pixels[:, 2:] - pixels[:, :2] >= SMALLEST_SIDE).all(axis=1)
    sure, pixels = sure[inside], pixels[inside]
    groups = np.zeros(len(sure), np.int64)
    if not spec.class_agnostic_nms:
        groups = class_scores[sure].argmax(axis=1)
    kept = _suppress(boxes_xyxy01[sure], objectness[sure], groups, spec)
    return Detections(
        boxes_xyxy=pixels[kept].astype(np.float32),
        class_scores=scores[sure[kept]].astype(np.float32),
        track_ids=np.full(len(kept), NO_TRACK, np.int64),
    )


def _check_shapes(
    boxes_xyxy01: NDArray[np.float32],
    objectness: NDArray[np.float32],
    class_scores: NDArray[np.float32],
) -> None:
    fits = objectness.ndim == 1 and class_scores.ndim == 2
    if not fits or not len(objectness) == len(class_scores) == len(boxes_xyxy01):
        raise ValueError(
            "one key frame has boxes_xyxy01 (N, 4), objectness (N,) and class_scores (N, K), not "
            f"{boxes_xyxy01.shape}, {objectness.shape} and {class_scores.shape}"
        )


def _suppress(
    boxes_xyxy: NDArray[np.float32],
    objectness: NDArray[np.float32],
    groups: NDArray[np.int64],
    spec: BoxDecodingSpec,
) -> NDArray[np.int64]:
    """Return the rows left, by falling objectness; only boxes of one group repeat each other."""
    most = spec.max_detections
    kept = [np.zeros(0, np.int64)]
    for group in np.unique(groups):
        rows = np.flatnonzero(groups == group)
        left = nms(boxes_xyxy[rows], objectness[rows], spec.nms_iou_threshold, max_kept=most)
        kept.append(rows[left])
    all_kept = np.sort(np.concatenate(kept))
    return all_kept[np.argsort(-objectness[all_kept], kind="stable")[:most]]
