from __future__ import annotations

import pytest
from boxes_and_tubes import still

from vadsdk.errors import ConfigError, DatasetError
from vadsdk.evaluation.confusion import match_tubes, tube_confusions

HERE, THERE = (0, 0, 10, 10), (50, 50, 60, 60)
LABELS = ("jump", "wave")
TEN = range(10)


def test_a_tube_is_taken_for_the_best_scored_one_that_overlaps_it_enough() -> None:
    right = still("jump", HERE, TEN, score=0.4)
    wrong = still("wave", (0, 0, 10, 9), TEN, score=0.6)
    far = still("jump", THERE, TEN, score=0.9)
    (match,) = match_tubes({"a": [still("jump", HERE, TEN)]}, {"a": [right, wrong, far]})
    assert match.predicted is wrong
    assert match.iou == pytest.approx(0.9)
    assert not match.is_found(0.5)


def test_of_tubes_that_overlap_too_little_the_nearest_is_shown_and_counted_as_missed() -> None:
    near = still("wave", (0, 0, 10, 4), TEN)
    nearer = still("jump", (0, 0, 4, 10), range(9))
    (match,) = match_tubes({"a": [still("jump", HERE, TEN)]}, {"a": [near, nearer]})
    assert match.predicted is near
    assert tube_confusions([match], LABELS).tolist() == [[0, 0, 1], [0, 0, 0]]


def test_a_video_without_a_tube_near_gives_nothing() -> None:
    truth = {"a": [still("jump", HERE, TEN)], "b": [still("wave", HERE, TEN)], "c": []}
    matches = match_tubes(truth, {"b": [still("wave", THERE, TEN)]})
    assert [(match.video, match.predicted, match.iou) for match in matches] == [
        ("a", None, 0.0),
        ("b", None, 0.0),
    ]


def test_confusions_are_counted_by_true_class_and_predicted_class() -> None:
    truth = {
        name: [still(label, HERE, TEN)]
        for name, label in (("a", "jump"), ("b", "jump"), ("c", "wave"), ("d", "wave"))
    }
    said = {
        name: [still(label, HERE, TEN)]
        for name, label in (("a", "jump"), ("b", "wave"), ("c", "wave"))
    }
    assert tube_confusions(match_tubes(truth, said), LABELS).tolist() == [[1, 1, 0], [0, 1, 1]]


def test_strange_videos_and_labels_are_named() -> None:
    with pytest.raises(DatasetError, match="b"):
        match_tubes({"a": []}, {"b": []})
    with pytest.raises(ConfigError, match="hop"):
        tube_confusions(match_tubes({"a": [still("hop", HERE, TEN)]}, {}), LABELS)
