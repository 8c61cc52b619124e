from __future__ import annotations

import numpy as np
import pytest

from vadsdk.errors import ConfigError, DatasetError
from vadsdk.evaluation.recognition import score_recognition

LABELS = ("jump", "run", "wave")


def test_the_best_class_decides_top_1_and_the_confusions() -> None:
    scores = np.array([[0.7, 0.2, 0.1], [0.1, 0.3, 0.6], [0.2, 0.5, 0.3], [0.1, 0.8, 0.1]])
    found = score_recognition(scores, np.array([0, 1, 1, 0]), LABELS)
    assert found.top_1 == 0.5
    assert found.confusions.tolist() == [[1, 1, 0], [0, 1, 1], [0, 0, 0]]
    assert found.ranks.tolist() == [0, 1, 0, 1]


def test_class_accuracies_know_classes_without_clips() -> None:
    scores = np.array([[9, 0, 0], [9, 0, 0], [0, 9, 0], [0, 0, 9]], np.float32)
    found = score_recognition(scores, np.array([0, 0, 0, 1]), LABELS)
    expected = np.array([2 / 3, 0.0, np.nan])
    assert found.class_accuracies == pytest.approx(expected, nan_ok=True)
    assert found.mean_class_accuracy == pytest.approx(1 / 3)
    assert found.top_1 == 0.5


def test_top_5_finds_the_fifth_class_and_not_the_sixth() -> None:
    scores = np.tile(np.arange(7.0)[::-1], (7, 1))  # class 0 is always best
    found = score_recognition(scores, np.arange(7), tuple("abcdefg"))
    assert found.top_5 == pytest.approx(5 / 7)
    assert found.top(6) == pytest.approx(6 / 7)


def test_with_five_classes_or_fewer_top_5_is_1() -> None:
    assert score_recognition(np.eye(3), np.array([2, 2, 2]), LABELS).top_5 == 1.0


def test_of_equal_scores_the_first_class_ranks_best_as_in_the_confusions() -> None:
    found = score_recognition(np.ones((3, 3)), np.array([0, 1, 2]), LABELS)
    assert found.ranks.tolist() == [0, 1, 2]
    assert found.confusions.tolist() == [[1, 0, 0], [1, 0, 0], [1, 0, 0]]


@pytest.mark.parametrize("seed", range(5))
def test_top_k_agrees_with_sorting_the_classes(seed: int) -> None:
    rng = np.random.default_rng(seed)
    scores, true = rng.random((50, 12)), rng.integers(0, 12, 50)
    found = score_recognition(scores, true, tuple("abcdefghijkl"))
    for num_best in (1, 3, 5):
        best = np.argsort(-scores, axis=1)[:, :num_best]
        assert found.top(num_best) == (best == true[:, None]).any(axis=1).mean()
    assert found.confusions.trace() / 50 == found.top_1
    assert found.confusions.sum() == 50


def test_without_clips_nothing_is_known() -> None:
    found = score_recognition(np.zeros((0, 3)), np.zeros(0, int), LABELS)
    values = [found.top_1, found.top_5, found.mean_class_accuracy, *found.class_accuracies]
    assert np.isnan(values).all()


@pytest.mark.parametrize(
    ("scores", "true", "text"),
    [
        (np.zeros((2, 4)), np.array([0, 1]), r"class_scores \(N, 3\), not \(2,\) and \(2, 4\)"),
        (np.zeros((2, 3)), np.array([0]), r"class_scores \(N, 3\), not \(1,\) and \(2, 3\)"),
        (np.zeros((2, 3)), np.array([0.0, 1.0]), "true_classes are indices.*not float64"),
        (np.zeros((2, 3)), np.array([0, 3]), "clip 1 has class 3, but 3 labels allow 0 to 2"),
        (np.zeros((2, 3)), np.array([-1, 0]), "clip 0 has class -1"),
        (np.array([[0, 0, 0], [0, np.nan, 0]]), np.array([0, 1]), "clip 1 has a class score"),
    ],
)
def test_what_does_not_fit_is_refused(scores: np.ndarray, true: np.ndarray, text: str) -> None:
    with pytest.raises(DatasetError, match=text):
        score_recognition(scores, true, LABELS)


def test_the_best_no_class_is_no_question() -> None:
    with pytest.raises(ConfigError, match="num_best counts classes from 1 on, not 0"):
        score_recognition(np.eye(3), np.arange(3), LABELS).top(0)
