from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vadsdk.linking.matching import assign, class_agreement, iou_matrix


def pixels(box: list[int]) -> set[tuple[int, int]]:
    return set(itertools.product(range(box[0], box[2]), range(box[1], box[3])))


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), num_first=st.integers(0, 4), num_second=st.integers(0, 4))
def test_iou_agrees_with_counted_pixels(seed: int, num_first: int, num_second: int):
    rng = np.random.default_rng(seed)

    def boxes(count: int) -> np.ndarray:
        corners = rng.integers(0, 12, (count, 2))
        return np.concatenate([corners, corners + rng.integers(1, 9, (count, 2))], axis=1)

    first, second = boxes(num_first), boxes(num_second)
    expected = [
        [len(pixels(a) & pixels(b)) / len(pixels(a) | pixels(b)) for b in second.tolist()]
        for a in first.tolist()
    ]
    found = iou_matrix(first.astype(np.float32), second.astype(np.float32))
    np.testing.assert_allclose(found, np.reshape(expected, (num_first, num_second)))


def test_boxes_apart_on_both_axes_do_not_overlap():
    # Unclamped, the two negative sides would multiply to an intersection of 100.
    apart = iou_matrix(np.array([[0.0, 0, 10, 10]]), np.array([[20.0, 20, 30, 30]]))
    assert apart.tolist() == [[0.0]]


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ([0.2, 0.4], [0.1, 0.2], 1.0),
        ([0.5, 0.0], [0.0, 0.9], 0.0),
        ([0.5, 0.5], [1.0, 0.0], 0.5),
        ([0.0, 0.0], [1.0, 0.0], 0.5),
    ],
)
def test_agreement_compares_proportions(first: list[float], second: list[float], expected: float):
    assert class_agreement(np.array([first]), np.array([second]))[0, 0] == pytest.approx(expected)


@settings(max_examples=80, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    num_rows=st.integers(1, 5),
    num_columns=st.integers(1, 5),
    share=st.floats(0, 1),
)
def test_assignment_is_the_best_of_all(seed: int, num_rows: int, num_columns: int, share: float):
    rng = np.random.default_rng(seed)
    affinity = rng.random((num_rows, num_columns))
    allowed = rng.random((num_rows, num_columns)) < share
    rows, columns = assign(affinity, allowed)

    assert len(set(rows.tolist())) == len(rows)
    assert len(set(columns.tolist())) == len(columns)
    assert allowed[rows, columns].all()
    best = best_total(np.where(allowed, affinity, 0.0))
    assert affinity[rows, columns].sum() == pytest.approx(best)


def best_total(gains: np.ndarray) -> float:
    """Try every injection of the shorter side into the longer one."""
    if gains.shape[0] > gains.shape[1]:
        gains = gains.T
    choices = itertools.permutations(range(gains.shape[1]), gains.shape[0])
    return max(sum(gains[row, column] for row, column in enumerate(c)) for c in choices)
