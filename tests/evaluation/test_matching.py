from __future__ import annotations

import numpy as np
import pytest

from vadsdk.evaluation.matching import match_greedily


def matches(rows: list[tuple[int, float, list[float]]], iou_threshold: float = 0.5) -> list[bool]:
    """Match answers written as (place, score, overlaps)."""
    return match_greedily(
        np.array([place for place, _, _ in rows]),
        np.array([score for _, score, _ in rows]),
        np.array([overlaps for _, _, overlaps in rows]),
        iou_threshold,
    ).tolist()


def test_the_better_score_goes_first_and_the_rest_take_what_is_left() -> None:
    assert matches([(0, 0.2, [0.9, 0.6]), (0, 0.8, [0.7, 0.0])]) == [True, True]
    assert matches([(0, 0.2, [0.9, 0.4]), (0, 0.8, [0.7, 0.0])]) == [False, True]


def test_places_do_not_compete() -> None:
    assert matches([(0, 0.9, [0.9]), (1, 0.8, [0.9]), (0, 0.7, [0.9])]) == [True, True, False]


@pytest.mark.parametrize("order", [[0, 1], [1, 0]])
def test_of_equal_scores_the_better_overlap_goes_first(order: list[int]) -> None:
    rows = [(0, 0.5, [0.6, 0.55]), (0, 0.5, [0.9, 0.0])]
    assert matches([rows[index] for index in order]) == [True, True]


@pytest.mark.parametrize("order", [[0, 1], [1, 0]])
def test_equal_scores_and_best_overlaps_are_ordered_by_all_overlaps(order: list[int]) -> None:
    rows = [(0, 0.5, [0.6, 0.55]), (0, 0.5, [0.6, 0.0])]
    assert matches([rows[index] for index in order]) == [True, True]


def test_without_ground_truth_all_are_wrong() -> None:
    assert matches([(0, 0.5, []), (1, 0.5, [])]) == [False, False]
    assert match_greedily(np.zeros(0, int), np.zeros(0), np.zeros((0, 3)), 0.5).tolist() == []
