"""The slow, plain form of average precision under any convention: one answer, one overlap a step.

Written from the conventions' definitions, with no array operation shared with `vadsdk.evaluation`.
It takes answers of equal score in the order they come.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence

from naive_average_precision import Answer

from vadsdk.evaluation import FrameRules, TubeRules
from vadsdk.structures import Tube

Box = tuple[float, float, float, float]


def naive_overlap_of_boxes(predicted: Box, true: Box, rules: FrameRules) -> float:
    x1, y1, x2, y2 = (a + b for a, b in zip(predicted, rules.predicted_offset, strict=True))
    more = 1 if rules.inclusive_pixels else 0
    width = max(0.0, min(x2, true[2]) - max(x1, true[0]) + more)
    height = max(0.0, min(y2, true[3]) - max(y1, true[1]) + more)
    area = (x2 - x1 + more) * (y2 - y1 + more)
    true_area = (true[2] - true[0] + more) * (true[3] - true[1] + more)
    return width * height / (area + true_area - width * height)


def naive_overlap_of_tubes(predicted: Tube, true: Tube, rules: TubeRules) -> float:
    boxes = dict(zip(predicted.frame_indices.tolist(), predicted.boxes_xyxy.tolist(), strict=True))
    trues = dict(zip(true.frame_indices.tolist(), true.boxes_xyxy.tolist(), strict=True))
    common = sorted(set(boxes) & set(trues))
    if not common or (len(common) == 1 and not rules.one_common_frame_counts):
        return 0.0
    ious = [naive_overlap_of_boxes(boxes[f], trues[f], rules) for f in common]
    either = sorted(set(boxes) | set(trues))
    if rules.temporal_iou == "frames":
        return sum(ious) / len(ious) * len(common) / len(either)
    if either[-1] == either[0]:
        return 0.0
    return sum(ious) / len(ious) * (common[-1] - common[0]) / (either[-1] - either[0])


def naive_average(
    answers: Sequence[Answer],
    truths: dict[Hashable, list[object]],
    overlap: Callable[[object, object, FrameRules], float],
    iou_threshold: float,
    rules: FrameRules,
) -> float:
    num_truths = sum(len(shapes) for shapes in truths.values())
    taken: set[tuple[Hashable, int]] = set()
    points = []  # (recall, precision) after each answer
    for count, answer in enumerate(sorted(answers, key=lambda one: -one.score), start=1):
        best, best_overlap = None, 0.0
        for number, shape in enumerate(truths.get(answer.place, [])):
            if rules.rematch and (answer.place, number) in taken:
                continue
            value = overlap(answer.shape, shape, rules)
            if best is None or value > best_overlap:
                best, best_overlap = number, value
        enough = best_overlap >= iou_threshold
        if rules.strict_threshold:
            enough = best_overlap > iou_threshold
        if best is not None and enough:
            taken.add((answer.place, best))  # if it was taken before, nothing more is found
        points.append((len(taken) / (num_truths + rules.recall_epsilon), len(taken) / count))
    return area_under(points, rules)


def area_under(points: list[tuple[float, float]], rules: FrameRules) -> float:
    total, last_recall, last_precision = 0.0, 0.0, 1.0
    for position, (recall, precision) in enumerate(points):
        if rules.area == "trapezoid":
            total += (recall - last_recall) * (precision + last_precision) / 2
        else:
            total += (recall - last_recall) * max(value for _, value in points[position:])
        last_recall, last_precision = recall, precision
    return total
