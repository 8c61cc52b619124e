"""How far boxes and tubes agree in space and time.

Legend: N boxes, M boxes, P predicted tubes, G annotated tubes.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from vadsdk.structures import Tube


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


def tube_iou(tube: Tube, other: Tube) -> float:
    """Return the spatio-temporal IoU: mean box IoU over the common frames times the temporal IoU.

    The measure of ACT, YOWO and MOC; the temporal IoU is common frames over frames of either:

        frames   0 1 2 3 4 5 6 7
        tube     x x x x x x        common 4, either 8: temporal IoU 0.5
        other        x x x x x x
    """
    common, rows, other_rows = np.intersect1d(
        tube.frame_indices, other.frame_indices, assume_unique=True, return_indices=True
    )
    if not len(common):
        return 0.0
    spatial = box_iou(tube.boxes_xyxy[rows], other.boxes_xyxy[other_rows]).mean()
    return float(spatial) * len(common) / (len(tube) + len(other) - len(common))


def tube_ious(tubes: Sequence[Tube], others: Sequence[Tube]) -> NDArray[np.float64]:
    """Return the (P, G) spatio-temporal IoU of all pairs."""
    ious = np.zeros((len(tubes), len(others)))
    for row, tube in enumerate(tubes):
        ious[row] = [tube_iou(tube, other) for other in others]
    return ious
