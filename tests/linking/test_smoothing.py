from __future__ import annotations

from itertools import pairwise, product

import numpy as np
import pytest

from vadsdk.linking.smoothing import LabelRun, label_runs, smooth_labels, smooth_labels_late


def total(scores: np.ndarray, labels: tuple[int, ...], switch_cost: float) -> float:
    changes = sum(a != b for a, b in pairwise(labels))
    return float(sum(scores[t, label] for t, label in enumerate(labels)) - switch_cost * changes)


@pytest.mark.parametrize("switch_cost", [0.0, 0.3, 1.0, 4.0])
@pytest.mark.parametrize("seed", range(5))
def test_no_sequence_of_labels_is_better(seed: int, switch_cost: float) -> None:
    scores = np.random.default_rng(seed).random((6, 3))
    smoothed = smooth_labels(scores, switch_cost)
    every = [total(scores, labels, switch_cost) for labels in product(range(3), repeat=6)]
    found = total(scores, tuple(smoothed.labels.tolist()), switch_cost)
    assert found == pytest.approx(max(every))
    assert smoothed.accumulated[-1].max() == pytest.approx(max(every))


def test_a_short_change_of_mind_is_smoothed_over_and_a_long_one_is_not() -> None:
    best = [0, 0, 0, 1, 0, 0, 0, 1, 1, 1, 1]
    smoothed = smooth_labels(np.eye(2)[best], 1.5)
    assert smoothed.labels.tolist() == [0] * 7 + [1] * 4


def test_of_equally_good_labels_the_first_is_taken() -> None:
    assert smooth_labels(np.ones((4, 3)), 1.0).labels.tolist() == [0, 0, 0, 0]
    # Three frames of label 1 are worth what two changes cost.
    best = [0, 0, 1, 1, 1, 0, 0]
    assert smooth_labels(np.eye(2)[best], 1.5).labels.tolist() == [0] * 7


def test_without_a_cost_every_frame_gets_its_best_label() -> None:
    scores = np.random.default_rng(0).random((50, 4))
    assert smooth_labels(scores, 0.0).labels.tolist() == scores.argmax(axis=1).tolist()


def test_the_late_labels_know_nothing_of_the_last_frame() -> None:
    scores = np.eye(2)[[0, 0, 0, 1, 1, 1]]
    changed = scores.copy()
    changed[-1] = [9, 0]
    assert smooth_labels_late(scores, 0.5).tolist() == [0, 0, 0, 0, 1, 1]
    assert smooth_labels_late(changed, 0.5).tolist() == [0, 0, 0, 0, 1, 1]
    assert smooth_labels_late(scores[-1:], 0.5).tolist() == [1]


def test_runs_cover_all_frames_in_order() -> None:
    assert label_runs(np.array([2, 2, 0, 2])) == [
        LabelRun(label=2, start=0, stop=2),
        LabelRun(label=0, start=2, stop=3),
        LabelRun(label=2, start=3, stop=4),
    ]
    assert [len(run) for run in label_runs(np.array([2, 2, 0, 2]))] == [2, 1, 1]
    assert label_runs(np.zeros(0, np.int64)) == []


@pytest.mark.parametrize("scores", [np.zeros(3), np.zeros((0, 2)), np.array([[0.0, np.nan]])])
def test_scores_that_are_no_table_of_numbers_are_refused(scores: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"scores is \(F, K\), finite and not empty"):
        smooth_labels(scores, 1.0)


@pytest.mark.parametrize("switch_cost", [-1.0, np.nan, np.inf])
def test_a_cost_that_is_no_cost_is_refused(switch_cost: float) -> None:
    with pytest.raises(ValueError, match="switch_cost must be 0 or more, not"):
        smooth_labels(np.zeros((2, 2)), switch_cost)
