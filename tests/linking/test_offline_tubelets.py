from __future__ import annotations

import numpy as np
import pytest

from vadsdk.linking.offline_detections import VideoDetections, VideoTubelets
from vadsdk.linking.offline_paths import FILLED
from vadsdk.linking.offline_tubelets import (
    GreedyLinking,
    greedy_kept,
    greedy_linking,
    tubelet_linking,
)

SHORT = GreedyLinking(min_length=1)


def box(left: float) -> list[float]:
    return [left, 0, left + 10, 10]


def video(frames: list[list[tuple[float, float]]]) -> VideoDetections:
    """Boxes of 10 x 10 pixels; (pixels from the left, score) each."""
    return VideoDetections.from_arrays(
        [np.array([box(left) for left, _ in frame]).reshape(-1, 4) for frame in frames],
        [np.array([score for _, score in frame]).reshape(-1, 1) for frame in frames],
    )


def tubelets(starts: list[list[tuple[list[float], float]]]) -> VideoTubelets:
    """Tubelets of boxes of 10 x 10 pixels; (pixels from the left in each frame, score) each."""
    length = next(len(places) for start in starts for places, _ in start)
    boxes = [[[box(left) for left in places] for places, _ in start] for start in starts]
    return VideoTubelets(
        boxes_xyxy=tuple(np.array(one, float).reshape(-1, length, 4) for one in boxes),
        class_scores=tuple(
            np.array([score for _, score in start]).reshape(-1, 1) for start in starts
        ),
    )


def test_the_better_scored_box_that_overlaps_continues_a_tube() -> None:
    (path,) = greedy_linking(video([[(0, 0.9)], [(0, 0.5), (3, 0.6)]]), 0, SHORT)[:1]
    assert path.boxes_xyxy[:, 0].tolist() == [0, 3]
    assert path.rows.tolist() == [0, 1]
    assert path.score == pytest.approx(0.75)


def test_a_tube_of_boxes_ends_at_the_first_miss_and_ended_ones_come_first() -> None:
    frames = [[(0, 0.9), (50, 0.5)], [(0, 0.9)], [(0, 0.9), (50, 0.5)]]
    paths = greedy_linking(video(frames), 0, SHORT)
    assert [path.frame_indices.tolist() for path in paths] == [[0], [0, 1, 2], [2]]
    assert [path.boxes_xyxy[0, 0] for path in paths] == [50, 0, 50]


def test_of_tubes_that_end_together_the_last_opened_comes_first() -> None:
    paths = greedy_linking(video([[(0, 0.9), (50, 0.5), (100, 0.7)], []]), 0, SHORT)
    assert [path.boxes_xyxy[0, 0] for path in paths] == [50, 100, 0]


def test_a_repeated_box_goes_on_with_a_lower_score_and_counts_as_detected() -> None:
    settings = GreedyLinking(min_length=1, link_iou=1.0)
    paths = greedy_linking(video([[(0, 0.9), (2, 0.6)]]), 0, settings)  # IoU 8 / 12
    assert [path.score for path in paths] == pytest.approx([0.9, 0.2])
    assert [path.class_scores[0, 0] for path in paths] == pytest.approx([0.9, 0.6])


def test_weak_boxes_short_tubes_and_those_beyond_the_limit_take_no_part() -> None:
    frames = [[(0, 0.04), (30, 0.9), (60, 0.5)]] * 15
    assert [len(path) for path in greedy_linking(video(frames), 0)] == [15, 15]
    assert greedy_linking(video(frames[:14]), 0) == []
    one = GreedyLinking(max_per_frame=1)
    assert [path.boxes_xyxy[0, 0] for path in greedy_linking(video(frames), 0, one)] == [30]
    strict = GreedyLinking(min_score=0.6)
    assert [path.boxes_xyxy[0, 0] for path in greedy_linking(video(frames), 0, strict)] == [30]


def test_a_frame_of_a_tube_is_the_mean_of_the_tubelets_over_it() -> None:
    found = tubelets([[([0, 1, 2], 0.6)], [([3, 4, 5], 0.3)], [], []])
    (path,) = tubelet_linking(found, 0, SHORT)
    assert path.frame_indices.tolist() == [0, 1, 2, 3]
    assert path.rows.tolist() == [0, 0, FILLED, FILLED]
    np.testing.assert_allclose(path.boxes_xyxy[:, 0], [0, 2, 3, 5])
    np.testing.assert_allclose(path.scores, [0.6, 0.45, 0.45, 0.3])
    assert path.score == pytest.approx(0.45)  # of the tubelets, not of the frames


@pytest.mark.parametrize(("missed", "num_paths"), [(0, 1), (2, 1), (3, 2)])
def test_a_tube_of_tubelets_waits_until_its_last_one_is_over(missed: int, num_paths: int) -> None:
    found = tubelets([[([0, 0, 0], 0.6)], *[[]] * missed, [([0, 0, 0], 0.3)]])
    paths = tubelet_linking(found, 0, SHORT)
    assert len(paths) == num_paths
    assert sum(len(path) for path in paths) == (missed + 4 if num_paths == 1 else 6)


def test_the_overlap_is_that_of_the_frames_in_common() -> None:
    # Frame 1 and 2 agree; a comparison of the wrong frames would find no overlap.
    moving = tubelets([[([0, 20, 40], 0.6)], [([20, 40, 60], 0.3)]])
    assert len(tubelet_linking(moving, 0, SHORT)) == 1
    wrong = tubelets([[([0, 20, 40], 0.6)], [([0, 20, 40], 0.3)]])
    assert len(tubelet_linking(wrong, 0, SHORT)) == 2


def test_a_tubelet_lowered_below_0_takes_part_only_as_released() -> None:
    found = tubelets([[([0, 0, 0], 0.6), ([0, 0, 0], 0.5)]])
    assert len(tubelet_linking(found, 0, SHORT)) == 1
    released = GreedyLinking(min_length=1, keep_negative=True, min_score=-9.0)
    assert [p.score for p in tubelet_linking(found, 0, released)] == pytest.approx([0.6, -1.0])


def test_edges_may_be_a_boxs_last_pixels() -> None:
    frames = [[(0, 0.9)], [(3.5, 0.9)]]  # IoU 6.5 / 13.5, or 7.5 / 14.5
    exclusive = greedy_linking(video(frames), 0, SHORT)
    inclusive = greedy_linking(video(frames), 0, GreedyLinking(min_length=1, inclusive=True))
    assert (len(exclusive), len(inclusive)) == (2, 1)


def test_nms_keeps_all_where_it_is_switched_off() -> None:
    paths = greedy_linking(video([[(0, 0.6), (2, 0.9)]]), 0, SHORT)
    assert [path.score for path in paths] == pytest.approx([0.9, 0.2])
    assert greedy_kept(paths, SHORT) == [0]
    assert greedy_kept(paths[::-1], GreedyLinking(nms_iou=None)) == [1, 0]


def test_a_class_out_of_range_is_refused() -> None:
    with pytest.raises(ValueError, match=r"class_index must lie in \[0, 1\): -1"):
        greedy_linking(video([[(0, 0.4)]]), -1)


@pytest.mark.parametrize(
    "wrong",
    [
        {"link_iou": 2},
        {"nms_iou": -1},
        {"soft_nms_iou": 7},
        {"max_per_frame": 0},
        {"min_length": 0},
    ],
)
def test_a_value_out_of_range_is_named(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        GreedyLinking(**wrong)  # type: ignore[arg-type]
