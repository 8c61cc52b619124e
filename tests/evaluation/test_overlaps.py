from __future__ import annotations

import pytest
from boxes_and_tubes import a_tube, still

from vadsdk.evaluation import tube_iou, tube_ious


@pytest.mark.parametrize(
    ("frames", "expected"),
    [
        (range(6), 1.0),
        (range(2, 8), 4 / 8),
        (range(3), 3 / 6),
        (range(6, 12), 0.0),
    ],
)
def test_tube_iou_of_equal_boxes_is_the_temporal_iou(frames: range, expected: float) -> None:
    box = (0, 0, 10, 10)
    assert tube_iou(still("wave", box, range(6)), still("wave", box, frames)) == expected


def test_tube_iou_is_the_mean_box_iou_of_common_frames_times_the_temporal_iou() -> None:
    tube = a_tube("wave", [(0, 0, 10, 10), (0, 0, 10, 10), (0, 0, 10, 10)], start=0)
    other = a_tube("wave", [(0, 0, 10, 10), (5, 0, 15, 10), (90, 90, 99, 99)], start=1)
    # common frames 1, 2 with IoU 1 and 1/3; 4 frames in either
    assert tube_iou(tube, other) == pytest.approx((1 + 1 / 3) / 2 * 2 / 4)


def test_all_pairs_of_tubes_keep_their_places() -> None:
    box = (0, 0, 10, 10)
    ious = tube_ious(
        [still("a", box, range(4)), still("a", box, range(8))],
        [still("a", box, range(8)), still("a", box, range(4, 8)), still("a", box, range(9, 10))],
    )
    assert ious.tolist() == [[0.5, 0, 0], [1, 0.5, 0]]
