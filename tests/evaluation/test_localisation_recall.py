from __future__ import annotations

import numpy as np
import pytest
from boxes_and_tubes import scored_boxes, still

from vadsdk.errors import ConfigError, DatasetError
from vadsdk.evaluation.localisation_recall import LocalisationRecall, localisation_recall

LABELS = ("jump", "wave")
BOX = (0, 0, 10, 10)
HALF = (0, 0, 10, 20)  # IoU with BOX exactly 0.5
JUMP, WAVE = (0.9, 0.1), (0.1, 0.9)


def recall(*rows: tuple, num_frames: int = 4, **settings: float) -> LocalisationRecall:
    """Measure boxes of one video whose actor jumps in all of its frames."""
    truth = {"v": [still("jump", BOX, range(num_frames))]}
    return localisation_recall(truth, {"v": scored_boxes(*rows)}, LABELS, **settings)


def test_a_frame_is_localised_by_place_and_classified_by_place_and_class() -> None:
    found = recall((0, BOX, JUMP), (1, BOX, WAVE), (2, (50, 0, 60, 10), JUMP))
    assert found.localisation_recall == 0.5
    assert found.classification_recall == 0.25
    assert found.num_frames.tolist() == [4, 0]
    assert found.num_localised.tolist() == [2, 0]
    assert found.num_classified.tolist() == [1, 0]


def test_an_overlap_of_exactly_the_threshold_is_not_enough() -> None:
    assert recall((0, HALF, JUMP)).localisation_recall == 0.0
    assert recall((0, HALF, JUMP), iou_threshold=0.49).localisation_recall == 0.25


def test_several_boxes_find_a_frame_once_and_any_of_them_may_have_the_class() -> None:
    found = recall((0, BOX, WAVE), (0, (0, 0, 10, 11), JUMP), (0, BOX, JUMP))
    assert (found.localisation_recall, found.classification_recall) == (0.25, 0.25)


def test_a_box_has_its_best_class_only() -> None:
    assert recall((0, BOX, (0.6, 0.7))).classification_recall == 0.0


def test_weak_boxes_can_be_left_out() -> None:
    assert recall((0, BOX, (0.3, 0.1)), min_score=0.3).localisation_recall == 0.25
    assert recall((0, BOX, (0.3, 0.1)), min_score=0.31).localisation_recall == 0.0


def test_a_box_without_any_score_is_none() -> None:
    assert recall((0, BOX, (0.0, 0.0))).localisation_recall == 0.0


def test_boxes_before_and_after_the_action_find_nothing() -> None:
    truth = {"v": [still("jump", BOX, range(5, 8))]}
    rows = [(frame, BOX, JUMP) for frame in (0, 4, 8, 20)]
    found = localisation_recall(truth, {"v": scored_boxes(*rows)}, LABELS)
    assert found.localisation_recall == 0.0


def test_each_actor_of_a_frame_counts() -> None:
    other = (100, 0, 110, 10)
    truth = {"v": [still("jump", BOX, range(2)), still("wave", other, range(2))]}
    boxes = scored_boxes((0, BOX, JUMP), (0, other, JUMP), (1, other, WAVE))
    found = localisation_recall(truth, {"v": boxes}, LABELS)
    assert found.localisation_recall == 0.75
    assert found.classification_recall == 0.5
    assert found.num_localised.tolist() == [1, 2]
    assert found.num_classified.tolist() == [1, 1]


def test_frames_of_all_videos_count_alike_those_without_boxes_too() -> None:
    truth = {"a": [still("jump", BOX, range(1))], "b": [still("jump", BOX, range(9))], "c": []}
    found = localisation_recall(truth, {"a": scored_boxes((0, BOX, JUMP))}, LABELS)
    assert found.localisation_recall == 0.1


def test_without_annotated_frames_nothing_is_known() -> None:
    found = localisation_recall({"v": []}, {"v": scored_boxes((0, BOX, JUMP))}, LABELS)
    assert np.isnan([found.localisation_recall, found.classification_recall]).all()


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"iou_threshold must lie in \[0, 1\), not 1.0"):
        recall((0, BOX, JUMP), iou_threshold=1.0)
    truth = {"v": [still("jump", BOX, range(2))]}
    with pytest.raises(DatasetError, match="v: 2 labels need as many scores a box, not 3"):
        localisation_recall(truth, {"v": scored_boxes((0, BOX, (1, 0, 0)))}, LABELS)
    with pytest.raises(DatasetError, match="does not list, such as 'w'"):
        localisation_recall(truth, {"w": scored_boxes((0, BOX, JUMP))}, LABELS)
    with pytest.raises(ConfigError, match="unknown label 'swim'"):
        localisation_recall({"v": [still("swim", BOX, range(2))]}, {}, LABELS)
