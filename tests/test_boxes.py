from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from naive_average_precision import naive_box_iou

from vadsdk.boxes import box_iou, nms, soft_nms

A, NEAR_A, NEAR_NEAR_A, FAR = (0, 0, 10, 10), (2, 0, 12, 10), (4, 0, 14, 10), (60, 60, 70, 70)
NONE = np.zeros((0, 4))


@pytest.mark.parametrize(
    ("box", "other", "expected"),
    [
        ((0, 0, 10, 10), (0, 0, 10, 10), 1.0),
        ((0, 0, 10, 10), (5, 0, 15, 10), 50 / 150),
        ((0, 0, 10, 10), (5, 5, 15, 15), 25 / 175),
        ((0, 0, 10, 10), (2, 2, 4, 4), 4 / 100),
        ((0, 0, 10, 10), (10, 0, 20, 10), 0.0),  # the max edge is exclusive: they only touch
        ((0, 0, 10, 10), (20, 20, 30, 30), 0.0),  # apart in both axes: no positive product
    ],
)
def test_box_iou_of_written_out_boxes(box: tuple, other: tuple, expected: float) -> None:
    assert box_iou(np.array(box, np.float32), np.array(other, np.float32)) == expected


def test_box_iou_broadcasts_to_all_pairs() -> None:
    boxes = np.array([[0, 0, 10, 10], [5, 0, 15, 10], [50, 50, 60, 60]], np.float32)
    expected = [[1, 1 / 3, 0], [1 / 3, 1, 0], [0, 0, 1]]
    assert box_iou(boxes[:, None], boxes[None]) == pytest.approx(np.array(expected))


def test_empty_boxes_overlap_nothing() -> None:
    empty = np.array([3, 3, 3, 3], np.float32)
    assert box_iou(empty, empty) == 0.0


def test_nms_keeps_the_best_of_each_place_by_falling_score() -> None:
    boxes = np.array([NEAR_A, FAR, A])
    assert nms(boxes, np.array([0.3, 0.5, 0.9]), 0.5).tolist() == [2, 1]


def test_a_removed_box_removes_nobody() -> None:
    boxes = np.array([A, NEAR_A, NEAR_NEAR_A])  # IoU 2/3 between neighbours, 3/7 between the ends
    assert nms(boxes, np.array([0.9, 0.8, 0.7]), 0.5).tolist() == [0, 2]


def test_nms_removes_above_the_threshold_only() -> None:
    boxes = np.array([(0, 0, 10, 10), (0, 0, 10, 5)])  # IoU 1/2; 66/121 with inclusive pixels
    scores = np.array([0.9, 0.8])
    assert nms(boxes, scores, 0.5).tolist() == [0, 1]
    assert nms(boxes, scores, 0.5, inclusive=True).tolist() == [0]


def test_of_equal_scores_the_first_is_kept() -> None:
    assert nms(np.array([FAR, NEAR_A, A]), np.array([0.5, 0.5, 0.5]), 0.5).tolist() == [0, 1]


def test_soft_nms_lowers_the_score_of_a_repeat_once() -> None:
    boxes = np.array([A, NEAR_A, NEAR_NEAR_A, FAR])
    kept, scores = soft_nms(
        boxes, np.array([0.9, 0.8, 0.7, 0.1]), 0.5, max_kept=None, inclusive=False
    )
    assert kept.tolist() == [0, 2, 1, 3]  # the lowered 0.8 has left, and lowers not 0.7
    assert scores == pytest.approx([0.9, 0.7, 0.8 * (1 - 2 / 3), 0.1])


def test_soft_nms_counts_the_last_pixel_and_returns_the_best() -> None:
    boxes = np.array([A, NEAR_A, FAR])
    kept, scores = soft_nms(boxes, np.array([0.9, 0.8, 0.5]), 0.6, max_kept=2)
    assert kept.tolist() == [0, 2]
    _, scores = soft_nms(boxes, np.array([0.9, 0.8, 0.5]), 0.6)
    assert scores == pytest.approx([0.9, 0.5, 0.8 * (1 - 99 / 143)])  # 9 x 11 of 2 x 121 - 99


def test_a_repeated_tubelet_scores_below_nothing() -> None:
    tubelets = np.array([[A, A, A], [A, A, NEAR_A], [A, FAR, FAR]])
    kept, scores = soft_nms(tubelets, np.array([0.9, 0.5, 0.4]), 0.6, inclusive=False)
    assert kept.tolist() == [0, 2, 1]  # 1 + 1 + 2/3 is above 3 * 0.6; 1 is not
    assert scores == pytest.approx([0.9, 0.4, 0.5 * (1 - (2 + 2 / 3))])


def test_nothing_comes_of_nothing() -> None:
    assert nms(NONE, np.zeros(0), 0.5).tolist() == []
    kept, scores = soft_nms(NONE, np.zeros(0), 0.5)
    assert (kept.tolist(), scores.tolist()) == ([], [])


@pytest.mark.parametrize(
    ("boxes", "scores", "threshold", "text"),
    [
        (np.zeros((2, 3)), np.zeros(2), 0.5, r"not \(2, 3\) and \(2,\)"),
        (np.zeros((2, 4)), np.zeros(3), 0.5, r"not \(2, 4\) and \(3,\)"),
        (np.zeros(4), np.zeros(4), 0.5, r"not \(4,\) and \(4,\)"),
        (np.zeros((2, 4)), np.zeros(2), 1.5, r"must lie in \[0, 1\], not 1.5"),
        (np.full((1, 4), np.nan), np.zeros(1), 0.5, "must be finite"),
        (np.zeros((1, 4)), np.full(1, np.inf), 0.5, "must be finite"),
    ],
)
def test_what_does_not_fit_is_refused(boxes, scores, threshold, text) -> None:
    for suppress in (nms, soft_nms):
        with pytest.raises(ValueError, match=text):
            suppress(boxes, scores, threshold)


def test_nms_returns_the_best_that_are_asked_for() -> None:
    boxes, scores = np.array([A, NEAR_A, FAR]), np.array([0.9, 0.8, 0.5])
    kept = [nms(boxes, scores, 0.5, max_kept=count).tolist() for count in (0, 1, 2, 3)]
    assert kept == [[], [0], [0, 2], [0, 2]]


def test_tubelets_and_negative_limits_are_refused() -> None:
    with pytest.raises(ValueError, match="for soft NMS alone"):
        nms(np.zeros((2, 3, 4)), np.zeros(2), 0.5)
    with pytest.raises(ValueError, match="not -1"):
        soft_nms(NONE, np.zeros(0), 0.5, max_kept=-1)
    with pytest.raises(ValueError, match="not -2"):
        nms(NONE, np.zeros(0), 0.5, max_kept=-2)


@given(st.integers(0, 10_000))
def test_kept_boxes_do_not_overlap_and_every_removed_one_overlaps_a_better(seed) -> None:
    rng = np.random.default_rng(seed)
    corners = rng.uniform(0, 20, (12, 2))
    boxes = np.hstack([corners, corners + rng.uniform(5, 15, (12, 2))])
    scores = rng.permutation(12) / 12
    kept = nms(boxes, scores, 0.3).tolist()
    assert scores[kept].tolist() == sorted(scores[kept], reverse=True)
    for index in range(12):
        better = [one for one in kept if scores[one] > scores[index]]
        overlaps_better = any(naive_box_iou(boxes[one], boxes[index]) > 0.3 for one in better)
        assert overlaps_better == (index not in kept)
