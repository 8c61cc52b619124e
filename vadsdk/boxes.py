"""Overlap of boxes, and suppression of those that repeat a better one: NMS, and ACT's soft form.

Legend: N boxes or tubelets, M boxes, F boxes of a tubelet.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def box_iou(
    boxes_xyxy: NDArray[np.floating], others_xyxy: NDArray[np.floating], *, inclusive: bool = False
) -> NDArray[np.float64]:
    """Return the intersection over union of boxes, (...), for (..., 4) inputs that broadcast.

    For all pairs of (N, 4) and (M, 4): `box_iou(boxes[:, None], others[None])` is (N, M).

    Args:
        boxes_xyxy: (..., 4).
        others_xyxy: (..., 4).
        inclusive: a box spans x2 - x1 + 1 pixels, as where the max edge names its last one. Without
            it max edges are exclusive, and a pair of empty boxes has 0.
    """
    boxes, others = boxes_xyxy.astype(np.float64), others_xyxy.astype(np.float64)
    last = 1.0 if inclusive else 0.0
    low = np.maximum(boxes[..., :2], others[..., :2])
    high = np.minimum(boxes[..., 2:], others[..., 2:])
    intersections = (high - low + last).clip(0).prod(axis=-1)
    areas = (boxes[..., 2:] - boxes[..., :2] + last).clip(0).prod(axis=-1)
    other_areas = (others[..., 2:] - others[..., :2] + last).clip(0).prod(axis=-1)
    unions = areas + other_areas - intersections
    ious: NDArray[np.float64] = intersections / np.where(unions > 0, unions, 1)
    return ious


def nms(
    boxes_xyxy: NDArray[np.floating],
    scores: NDArray[np.floating],
    iou_threshold: float,
    *,
    max_kept: int | None = None,
    inclusive: bool = False,
) -> NDArray[np.int64]:
    """Return the indices of the boxes that repeat no better one, by falling score.

    The best box is kept and removes all that overlap it by more than the threshold; then the best
    that is left is, and so on. Of equal scores the first goes first.

    Args:
        boxes_xyxy: (N, 4).
        scores: (N,).
        iou_threshold: an IoU above this removes a box; in [0, 1].
        max_kept: how many to return at most; None for all.
        inclusive: the max edge is a box's last pixel, as in `box_iou`.

    Raises:
        ValueError: shapes that do not fit, values that are not finite, a threshold out of range, or
            a negative `max_kept`.
    """
    _check(boxes_xyxy, scores, iou_threshold, max_kept, ndim=2)
    kept: list[np.int64] = []
    left = np.argsort(-scores, kind="stable")
    while len(left) and len(kept) != max_kept:
        best, left = left[0], left[1:]
        kept.append(best)
        # A row at a time: most boxes are gone before their overlaps are asked for.
        overlaps = box_iou(boxes_xyxy[best], boxes_xyxy[left], inclusive=inclusive)
        left = left[overlaps <= iou_threshold]
    return np.array(kept, np.int64)


def soft_nms(
    boxes_xyxy: NDArray[np.floating],
    scores: NDArray[np.floating],
    iou_threshold: float,
    *,
    max_kept: int | None = None,
    inclusive: bool = True,
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Lower the score of what repeats a better box, as ACT, MOC and MultiSports do before linking.

    As in `nms`, but a box that would go stays with its score times one less the overlap. It takes
    no further part: it lowers nobody else's score, and its own falls no further. The overlap of two
    tubelets is the *sum* of their F IoUs, held against F times the threshold; as in those codes one
    less that sum is taken, so that a repeated tubelet may come to score below 0.

    Args:
        boxes_xyxy: (N, 4) boxes, or (N, F, 4) tubelets.
        scores: (N,).
        iou_threshold: an overlap above this lowers the score; in [0, 1].
        max_kept: how many to return, the best by their new scores; None for all.
        inclusive: the max edge is a box's last pixel, as in `box_iou`.

    Returns:
        The indices by falling new score, and those new scores.

    Raises:
        ValueError: shapes that do not fit, values that are not finite, a threshold out of range, or
            a negative `max_kept`.
    """
    _check(boxes_xyxy, scores, iou_threshold, max_kept, ndim=boxes_xyxy.ndim)
    overlaps = box_iou(boxes_xyxy[:, None], boxes_xyxy[None], inclusive=inclusive)
    overlaps = overlaps.sum(axis=-1) if overlaps.ndim == 3 else overlaps  # (N, N)
    highest = iou_threshold * (boxes_xyxy.shape[1] if boxes_xyxy.ndim == 3 else 1)
    lowered = scores.astype(np.float64)
    left = np.argsort(-scores, kind="stable")
    while len(left):
        best, left = left[0], left[1:]
        repeats = overlaps[best, left] > highest
        lowered[left[repeats]] *= 1 - overlaps[best, left[repeats]]
        left = left[~repeats]
    order = np.argsort(-lowered, kind="stable")[:max_kept]
    return order, lowered[order]


def _check(
    boxes_xyxy: NDArray[np.floating],
    scores: NDArray[np.floating],
    iou_threshold: float,
    max_kept: int | None,
    *,
    ndim: int,
) -> None:
    count = len(scores)
    fits = boxes_xyxy.ndim == ndim in (2, 3) and boxes_xyxy.shape[-1] == 4
    if not fits or len(boxes_xyxy) != count or scores.ndim != 1:
        raise ValueError(
            f"boxes_xyxy is (N, 4), tubelets are (N, F, 4) for soft NMS alone, and scores (N,), "
            f"not {boxes_xyxy.shape} and {scores.shape}"
        )
    if not 0.0 <= iou_threshold <= 1.0:
        raise ValueError(f"iou_threshold must lie in [0, 1], not {iou_threshold}")
    if not np.isfinite(boxes_xyxy).all() or not np.isfinite(scores).all():
        raise ValueError("boxes and scores must be finite")
    if max_kept is not None and max_kept < 0:
        raise ValueError(f"max_kept must be 0 or more, or None for all, not {max_kept}")
