"""How far tubes agree in space and time.

Legend: P predicted tubes, G annotated tubes.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from vadsdk.boxes import box_iou
from vadsdk.evaluation.conventions import OUR_TUBES, TubeRules
from vadsdk.structures import Tube


def tube_iou(tube: Tube, other: Tube, rules: TubeRules = OUR_TUBES) -> float:
    """Return the spatio-temporal IoU: mean box IoU over the common frames times the temporal IoU.

    The measure of ACT, YOWO and MOC; the temporal IoU is common frames over frames of either:

        frames   0 1 2 3 4 5 6 7
        tube     x x x x x x        common 4, either 8: temporal IoU 0.5
        other        x x x x x x

    Args:
        tube: the predicted one, where `rules` treat predictions apart.
        other: the annotated one.
        rules: what counts how; ours unless given.
    """
    common, rows, other_rows = np.intersect1d(
        tube.frame_indices, other.frame_indices, assume_unique=True, return_indices=True
    )
    if len(common) < (1 if rules.one_common_frame_counts else 2):
        return 0.0
    boxes = tube.boxes_xyxy[rows] + np.array(rules.predicted_offset)
    others = other.boxes_xyxy[other_rows]
    spatial = float(box_iou(boxes, others, inclusive=rules.inclusive_pixels).mean())
    if rules.temporal_iou == "frames":
        return spatial * len(common) / (len(tube) + len(other) - len(common))
    either = max(tube.end_frame, other.end_frame) - 1 - min(tube.start_frame, other.start_frame)
    return spatial * int(common[-1] - common[0]) / either if either else 0.0


def tube_ious(
    tubes: Sequence[Tube], others: Sequence[Tube], rules: TubeRules = OUR_TUBES
) -> NDArray[np.float64]:
    """Return the (P, G) spatio-temporal IoU of all pairs; see `tube_iou`."""
    ious = np.zeros((len(tubes), len(others)))
    for row, tube in enumerate(tubes):
        ious[row] = [tube_iou(tube, other, rules) for other in others]
    return ious
