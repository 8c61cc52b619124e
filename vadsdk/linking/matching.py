"""Who is who: overlap, class agreement and the best assignment of actors to detections.

Legend: M actors, N detections, K classes.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

FloatArray = NDArray[np.float32] | NDArray[np.float64]


def iou_matrix(boxes_xyxy: FloatArray, others_xyxy: FloatArray) -> NDArray[np.float64]:
    """Return the (M, N) intersection over union of (M, 4) and (N, 4) boxes, max edge exclusive."""
    first, second = boxes_xyxy.astype(np.float64), others_xyxy.astype(np.float64)
    top_left = np.maximum(first[:, None, :2], second[None, :, :2])  # (M, N, 2)
    bottom_right = np.minimum(first[:, None, 2:], second[None, :, 2:])
    # Both sides are clamped: two negative ones would multiply to a positive area.
    intersection = (bottom_right - top_left).clip(min=0).prod(axis=2)
    areas = (first[:, 2:] - first[:, :2]).prod(axis=1)
    other_areas = (second[:, 2:] - second[:, :2]).prod(axis=1)
    union = areas[:, None] + other_areas[None, :] - intersection
    iou: NDArray[np.float64] = np.zeros_like(union)
    np.divide(intersection, union, out=iou, where=union > 0)
    return iou


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


def _proportions(scores: FloatArray) -> NDArray[np.float64]:
    values = scores.astype(np.float64)
    sums = values.sum(axis=1, keepdims=True)
    proportions: NDArray[np.float64] = np.full_like(values, 1.0 / values.shape[1])
    np.divide(values, sums, out=proportions, where=sums > 0)
    return proportions
