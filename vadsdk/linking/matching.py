"""Who is who: overlap, class agreement and the best assignment of actors to detections.

Legend: M actors, N detections, K classes.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from vadsdk.boxes import box_iou
from vadsdk.linking.spec import LinkingSpec

FloatArray = NDArray[np.float32] | NDArray[np.float64]


def iou_matrix(boxes_xyxy: FloatArray, others_xyxy: FloatArray) -> NDArray[np.float64]:
    """Return the (M, N) intersection over union of (M, 4) and (N, 4) boxes, max edge exclusive."""
    return box_iou(boxes_xyxy[:, None], others_xyxy[None])


def class_agreement(scores: FloatArray, others: FloatArray) -> NDArray[np.float64]:
    """Return the (M, N) histogram intersection of (M, K) and (N, K) class scores, in [0, 1].

    Each row is scaled to sum 1 first (a row of zeros counts as uniform), so that only the
    proportions count: 1 for the same proportions, 0 for no class in common.
    """
    common = np.minimum(_proportions(scores)[:, None], _proportions(others)[None])  # (M, N, K)
    agreement: NDArray[np.float64] = common.sum(axis=2)
    return agreement


def assign(
    affinity: NDArray[np.float64], allowed: NDArray[np.bool_]
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the pairs (rows, columns) of largest total affinity (the Hungarian method).

    Args:
        affinity: (M, N), 0 or more.
        allowed: (M, N); a pair that is not allowed is never made, and costs others nothing.
    """
    # With forbidden pairs worth 0, the best complete assignment contains the best allowed one.
    rows, columns = linear_sum_assignment(np.where(allowed, affinity, 0.0), maximize=True)
    keep = allowed[rows, columns]
    return rows[keep], columns[keep]


def match_scored_boxes(
    boxes_xyxy: FloatArray,
    scores: FloatArray,
    others_xyxy: FloatArray,
    other_scores: FloatArray,
    spec: LinkingSpec,
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the pairs (rows, columns) of actors and detections that are the same by `spec`.

    Args:
        boxes_xyxy: (M, 4).
        scores: (M, K).
        others_xyxy: (N, 4).
        other_scores: (N, K).
        spec: which overlap is enough, and what class agreement counts.
    """
    overlap = iou_matrix(boxes_xyxy, others_xyxy)
    agreement = class_agreement(scores, other_scores)
    # A link without overlap is none, even at a threshold of 0.
    allowed = (overlap >= spec.iou_threshold) & (overlap > 0)
    return assign((1 - spec.class_weight) * overlap + spec.class_weight * agreement, allowed)


def _proportions(scores: FloatArray) -> NDArray[np.float64]:
    values = scores.astype(np.float64)
    sums = values.sum(axis=1, keepdims=True)
    proportions: NDArray[np.float64] = np.full_like(values, 1.0 / values.shape[1])
    np.divide(values, sums, out=proportions, where=sums > 0)
    return proportions
