from __future__ import annotations

import numpy as np
import pytest

from vadsdk.decoding import decode_boxes
from vadsdk.errors import ModelFileError
from vadsdk.structures import BoxDecodingSpec, Detections

LEFT, NEAR_LEFT, RIGHT = (0.1, 0.2, 0.4, 0.8), (0.12, 0.2, 0.42, 0.8), (0.6, 0.2, 0.9, 0.8)


def decoded(
    boxes: list[tuple[float, ...]],
    objectness: list[float],
    class_scores: list[list[float]] | None = None,
    **options: float,
) -> Detections:
    scores = [[0.75, 0.25]] * len(boxes) if class_scores is None else class_scores
    return decode_boxes(
        np.array(boxes, np.float32).reshape(-1, 4),
        np.array(objectness, np.float32),
        np.array(scores, np.float32).reshape(-1, 2),
        height=100,
        width=200,
        spec=BoxDecodingSpec(**options),  # type: ignore[arg-type]
    )


def test_a_candidate_becomes_a_box_in_pixels_with_a_score_for_every_class():
    found = decoded([LEFT], [0.8])
    np.testing.assert_allclose(found.boxes_xyxy, [[20, 20, 80, 80]], rtol=1e-6)
    np.testing.assert_allclose(found.class_scores, [[0.6, 0.2]], rtol=1e-6)
    assert found.masks is None
    assert found.track_ids.tolist() == [-1]


def test_repetitions_go_and_the_rest_comes_by_falling_objectness():
    found = decoded([NEAR_LEFT, RIGHT, LEFT], [0.5, 0.7, 0.6])
    np.testing.assert_allclose(found.boxes_xyxy[:, 0], [120, 20], rtol=1e-6)


def test_objectness_decides_who_repeats_whom_not_the_class_score():
    scores = [[0.3, 0.2], [1.0, 0.0]]
    found = decoded([LEFT, NEAR_LEFT], [0.9, 0.8], scores)
    np.testing.assert_allclose(found.scores, [0.27], rtol=1e-6)


def test_boxes_of_different_classes_repeat_each_other_unless_told_otherwise():
    arguments = ([LEFT, NEAR_LEFT], [0.9, 0.8], [[1.0, 0.0], [0.0, 1.0]])
    assert len(decoded(*arguments)) == 1
    found = decoded(*arguments, class_agnostic_nms=False)
    assert found.labels.tolist() == [0, 1]
    same = ([LEFT, NEAR_LEFT], [0.9, 0.8], [[1.0, 0.0], [1.0, 0.0]])
    assert len(decoded(*same, class_agnostic_nms=False)) == 1


def test_the_overlap_that_counts_as_a_repetition_is_the_spec_s():
    half = [(0.0, 0.0, 0.4, 0.4), (0.0, 0.0, 0.4, 0.2)]  # IoU 0.5
    assert len(decoded(half, [0.9, 0.8], nms_iou_threshold=0.45)) == 1
    assert len(decoded(half, [0.9, 0.8], nms_iou_threshold=0.55)) == 2


def test_the_best_class_times_the_objectness_decides_whether_a_candidate_counts():
    found = decoded([LEFT, RIGHT], [0.5, 0.9], [[0.9, 0.1], [0.3, 0.2]], min_score=0.4)
    np.testing.assert_allclose(found.boxes_xyxy[:, 0], [20], rtol=1e-6)


def test_boxes_are_cut_to_the_frame_and_those_outside_or_without_area_go():
    found = decoded(
        [(-0.5, -0.5, 0.25, 2.0), (1.1, 0.0, 1.5, 1.0), (0.5, 0.5, 0.5, 0.9), (0.9, 0.9, 0.8, 1.0)],
        [0.5, 0.9, 0.9, 0.9],
    )
    assert found.boxes_xyxy.tolist() == [[0, 0, 50, 100]]


def test_what_lies_outside_removes_nobody():
    found = decoded([(0.9, 0.0, 0.9, 1.0), (0.8, 0.0, 1.0, 1.0)], [0.9, 0.5])
    assert len(found) == 1


def test_at_most_so_many_of_the_highest_objectness_come_out():
    boxes = [(0.1 * i, 0.0, 0.1 * i + 0.05, 1.0) for i in range(8)]
    found = decoded(boxes, [0.1 * (i + 1) for i in range(8)], max_detections=3)
    np.testing.assert_allclose(found.boxes_xyxy[:, 0], [140, 120, 100], rtol=1e-5)


def test_the_limit_is_of_all_classes_together():
    scores = [[1.0, 0.0], [0.0, 1.0]]
    found = decoded([LEFT, RIGHT], [0.8, 0.9], scores, max_detections=1, class_agnostic_nms=False)
    assert found.labels.tolist() == [1]


def test_no_candidate_gives_no_detection_but_keeps_the_classes():
    assert decoded([LEFT], [0.01]).class_scores.shape == (0, 2)
    assert decoded([], []).class_scores.shape == (0, 2)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("place", [0, 1, 2])
def test_values_that_are_no_numbers_are_an_error(bad: float, place: int):
    values = [np.ones((3, 4), np.float32), np.ones(3, np.float32), np.ones((3, 2), np.float32)]
    values[place] = values[place] * np.float32(bad)
    with pytest.raises(ModelFileError, match="NaN or infinite"):
        decode_boxes(*values, height=4, width=4, spec=BoxDecodingSpec())


def test_wrong_shapes_are_named():
    boxes, objectness, scores = np.ones((3, 4)), np.ones(2), np.ones((3, 2))
    with pytest.raises(ValueError, match=r"not \(3, 4\), \(2,\) and \(3, 2\)"):
        decode_boxes(boxes, objectness, scores, height=4, width=4, spec=BoxDecodingSpec())


def test_every_candidate_that_went_is_weak_or_repeats_a_kept_one():
    generator = np.random.default_rng(0)
    for _ in range(50):
        corners = generator.uniform(-0.04, 0.9, (40, 2))
        boxes = np.hstack([corners, corners + generator.uniform(0.05, 0.5, (40, 2))])
        objectness = generator.permutation(40) / 40
        scores = generator.dirichlet([0.5, 0.5], 40)
        found = decoded(boxes.tolist(), objectness.tolist(), scores.tolist(), max_detections=40)
        size = np.array([200, 100, 200, 100])
        kept = [
            int(np.abs(np.clip(boxes * size, 0, size) - box).sum(axis=1).argmin())
            for box in found.boxes_xyxy
        ]
        for i in range(40):
            weak = objectness[i] * scores[i].max() < 0.05
            repeats = any(
                objectness[k] > objectness[i] and plain_iou(boxes[k], boxes[i]) > 0.4 for k in kept
            )
            assert (weak or repeats) == (i not in kept)


def plain_iou(box: np.ndarray, other: np.ndarray) -> float:
    width = max(0.0, min(box[2], other[2]) - max(box[0], other[0]))
    height = max(0.0, min(box[3], other[3]) - max(box[1], other[1]))
    areas = [(b[2] - b[0]) * (b[3] - b[1]) for b in (box, other)]
    return float(width * height / (sum(areas) - width * height))
