"""The slow, plain form of both average precisions: loops over answers, one ground truth at a time.

Written from the definition alone, with no array operation shared with `vadsdk.evaluation`.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass

from vadsdk.structures import Tube

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Answer:
    place: Hashable
    score: float
    shape: object


def naive_box_iou(box: Box, other: Box) -> float:
    width = max(0.0, min(box[2], other[2]) - max(box[0], other[0]))
    height = max(0.0, min(box[3], other[3]) - max(box[1], other[1]))
    union = area(box) + area(other) - width * height
    return width * height / union


def area(box: Box) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])


def naive_tube_iou(tube: Tube, other: Tube) -> float:
    boxes = dict(zip(tube.frame_indices.tolist(), tube.boxes_xyxy.tolist(), strict=True))
    others = dict(zip(other.frame_indices.tolist(), other.boxes_xyxy.tolist(), strict=True))
    common = [frame for frame in boxes if frame in others]
    if not common:
        return 0.0
    spatial = sum(naive_box_iou(boxes[f], others[f]) for f in common) / len(common)
    return spatial * len(common) / len(set(boxes) | set(others))


def naive_average_precision(
    answers: Sequence[Answer],
    truths: dict[Hashable, list[object]],
    iou: Callable[[object, object], float],
    iou_threshold: float,
) -> float:
    """Return the AP of one class; the scores must be distinct."""
    left = {place: list(shapes) for place, shapes in truths.items()}
    num_truths = sum(len(shapes) for shapes in truths.values())
    curve = []  # (recall, precision) after each answer
    num_right = 0
    for count, answer in enumerate(sorted(answers, key=lambda one: -one.score), start=1):
        shapes = left.get(answer.place, [])
        best = max(shapes, key=lambda shape: iou(answer.shape, shape), default=None)
        if best is not None and iou(answer.shape, best) >= iou_threshold:
            num_right += 1
            shapes.remove(best)
        curve.append((num_right / num_truths, num_right / count))
    area_under, last_recall = 0.0, 0.0
    for position, (recall, _) in enumerate(curve):
        envelope = max(precision for _, precision in curve[position:])
        area_under += (recall - last_recall) * envelope
        last_recall = recall
    return area_under
