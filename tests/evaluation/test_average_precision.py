from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vadsdk.evaluation import ClassScores, precision_recall

ANSWERS = st.lists(st.tuples(st.integers(1, 20), st.booleans()), max_size=30)


def average(answers: list[tuple[float, bool]], num_ground_truth: int) -> float:
    scores = np.array([score for score, _ in answers], np.float64)
    is_right = np.array([right for _, right in answers], np.bool_)
    return precision_recall(scores, is_right, num_ground_truth).average_precision


@pytest.mark.parametrize(
    ("answers", "num_ground_truth", "expected"),
    [
        ([(0.9, True)], 1, 1.0),
        ([(0.9, False), (0.8, True)], 1, 1 / 2),
        ([(0.9, True), (0.8, False)], 1, 1.0),  # a false positive after all is found costs nothing
        ([(0.9, True)], 2, 1 / 2),  # the second is never found
        # precision 1, 1/2, 2/3, 1/2, 3/5 at recall 1/4, 1/4, 2/4, 2/4, 3/4: envelope 1, 2/3, 3/5
        (
            [(0.9, True), (0.8, False), (0.7, True), (0.6, False), (0.5, True)],
            4,
            (1 + 2 / 3 + 3 / 5) / 4,
        ),
        # the envelope lifts a dip: precision 0, 1/2, 2/3 at recall 0, 1/2, 1
        ([(0.9, False), (0.8, True), (0.7, True)], 2, 2 / 3),
        ([], 3, 0.0),
        ([(0.9, False)], 1, 0.0),
    ],
)
def test_average_precision_is_the_area_under_the_envelope(
    answers: list[tuple[float, bool]], num_ground_truth: int, expected: float
) -> None:
    assert average(answers, num_ground_truth) == pytest.approx(expected, abs=1e-12)


def test_answers_of_one_score_enter_together() -> None:
    # One right and one wrong at 0.5: whichever is written first, precision is 1/2 when both are in.
    assert average([(0.5, True), (0.5, False)], 1) == 0.5
    assert average([(0.5, False), (0.5, True)], 1) == 0.5


@given(ANSWERS, st.randoms(use_true_random=False))
def test_the_order_of_the_answers_does_not_matter(answers, random) -> None:
    shuffled = list(answers)
    random.shuffle(shuffled)
    assert average(shuffled, 30) == pytest.approx(average(answers, 30), abs=1e-12)


@given(ANSWERS, st.integers(0, 21))
def test_one_more_false_positive_never_raises_it(answers, score) -> None:
    assert average([*answers, (score, False)], 30) <= average(answers, 30) + 1e-12


@given(ANSWERS)
def test_a_rising_map_of_the_scores_changes_nothing(answers) -> None:
    mapped = [(math.atan(score / 7), right) for score, right in answers]
    assert average(mapped, 30) == average(answers, 30)


@given(ANSWERS)
def test_it_lies_between_nothing_and_the_final_recall(answers) -> None:
    num_right = sum(right for _, right in answers)
    assert 0 <= average(answers, 30) <= num_right / 30 + 1e-12


def test_the_mean_leaves_out_classes_without_ground_truth() -> None:
    curve = precision_recall(np.zeros(0), np.zeros(0, np.bool_), 0)
    scores = ClassScores(
        labels=("pour", "wave", "kick"),
        iou_threshold=0.5,
        average_precisions=np.array([1.0, np.nan, 0.5]),
        num_ground_truth=np.array([2, 0, 4]),
        num_answers=np.array([2, 0, 4]),
        curves=(curve, curve, curve),
    )
    assert scores.mean == 0.75
