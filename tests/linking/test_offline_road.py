from __future__ import annotations

import numpy as np
import pytest

from vadsdk.linking.offline_detections import VideoDetections
from vadsdk.linking.offline_paths import FILLED
from vadsdk.linking.offline_road import (
    RoadLinker,
    RoadLinking,
    RoadTrimming,
    road_linking,
    road_trimming,
)


def video(frames: list[list[tuple[float, float]]]) -> VideoDetections:
    """Boxes of 10 x 10 pixels; (pixels from the left, score) each, of class 0 and its opposite."""
    places = [np.array([left for left, _ in frame]).reshape(-1, 1) for frame in frames]
    scores = [np.array([score for _, score in frame]).reshape(-1, 1) for frame in frames]
    return VideoDetections.from_arrays(
        [np.concatenate([left, 0 * left, left + 10, 0 * left + 10], axis=1) for left in places],
        [np.concatenate([score, 1 - score], axis=1) for score in scores],
    )


@pytest.mark.parametrize(("missed", "expected"), [(2, [(0, 9)]), (3, [(0, 3), (7, 10)])])
def test_two_missed_frames_are_bridged_and_the_third_ends_a_path(
    missed: int, expected: list[tuple[int, int]]
) -> None:
    found = [[(0.0, 0.9)]] * 4
    paths = road_linking(video([*found, *[[]] * missed, *found]), 0)
    assert sorted((p.frame_indices[0], p.frame_indices[-1]) for p in paths) == expected


def test_a_gap_gets_the_next_box() -> None:
    frames = [[(0.0, 0.9)], [(1.0, 0.9)], [], [(2.0, 0.5)], [(2.0, 0.5)]]
    (path,) = road_linking(video(frames), 0)
    assert path.boxes_xyxy[:, 0].tolist() == [0, 1, 2, 2, 2]
    assert path.rows.tolist() == [0, 0, FILLED, 0, 0]
    assert path.score == pytest.approx((0.9 + 0.9 + 3 * 0.5) / 5)


def test_the_surer_path_chooses_first_and_takes_the_best_box_not_the_nearest() -> None:
    detections = video([[(0.0, 0.4), (6.0, 0.8)], [(5.0, 0.9), (6.0, 0.3)]])
    linker = RoadLinker(0, RoadLinking(nms_iou=1.0))
    for boxes, scores in zip(detections.boxes_xyxy, detections.class_scores, strict=True):
        linker.update(boxes, scores)
    # Both paths may take either box.
    assert [path.rows for path in linker.live] == [[1, 0], [0, 1]]


def test_a_path_of_fewer_boxes_is_dropped_and_paths_come_by_their_best_scores() -> None:
    frames = [[(0.0, 0.2), (50.0, 0.7), (90.0, 0.6)]] * 3 + [[(0.0, 0.2), (50.0, 0.7)]] * 2
    paths = road_linking(video(frames), 0)
    assert [path.boxes_xyxy[0, 0] for path in paths] == [50, 0]
    paths = road_linking(video(frames), 0, RoadLinking(min_boxes=3))
    assert [path.boxes_xyxy[0, 0] for path in paths] == [50, 90, 0]


def test_weak_and_repeated_boxes_and_those_beyond_the_limits_are_left_out() -> None:
    frame = [(0.0, 0.5), (1.0, 0.6), (30.0, 0.0005), (60.0, 0.9), (90.0, 0.3)]
    detections = video([frame])

    def kept(**settings: int) -> list[int]:
        linker = RoadLinker(0, RoadLinking(**settings))  # type: ignore[arg-type]
        linker.update(detections.boxes_xyxy[0], detections.class_scores[0])
        return linker.kept_rows.tolist()

    assert kept() == [3, 1, 4]
    assert kept(max_per_frame=2) == [3, 1]
    assert kept(max_before_nms=3) == [3, 1]


def test_as_released_the_max_edge_is_a_pixel_for_linking() -> None:
    frames = [[(0.0, 0.9)], [(8.3, 0.9)]]  # IoU 1.7 / 18.3, or 2.7 / 19.3
    settings = {"min_boxes": 1}
    assert len(road_linking(video(frames), 0, RoadLinking(**settings))) == 2
    assert len(road_linking(video(frames), 0, RoadLinking(released=True, **settings))) == 1


def test_a_path_is_cut_to_the_runs_of_its_class() -> None:
    scores = [0.9] * 12 + [0.1] * 8 + [0.8] * 9
    (path,) = road_linking(video([[(0.0, score)] for score in scores]), 0)
    (tube,) = road_trimming(path)
    assert (tube.frame_indices[0], tube.frame_indices[-1]) == (0, 11)  # the second has 9 frames
    assert tube.score == pytest.approx(0.9)
    _, second = road_trimming(path, RoadTrimming(min_length=9))
    assert (second.frame_indices[0], second.frame_indices[-1]) == (20, 28)
    (whole,) = road_trimming(path, RoadTrimming(switch_cost=4.0, num_rank_scores=6))
    assert len(whole) == 29
    assert whole.score == pytest.approx(0.9)


def test_a_class_out_of_range_is_refused() -> None:
    with pytest.raises(ValueError, match=r"class_index must lie in \[0, 2\): 2"):
        road_linking(video([[(0.0, 0.4)]]), 2)


@pytest.mark.parametrize(
    ("settings", "wrong"),
    [
        (RoadLinking, {"link_iou": 2.0}),
        (RoadLinking, {"nms_iou": -1.0}),
        (RoadLinking, {"max_missed": 0}),
        (RoadLinking, {"num_rank_scores": 0}),
        (RoadTrimming, {"min_length": 0}),
        (RoadTrimming, {"switch_cost": -1.0}),
    ],
)
def test_a_value_out_of_range_is_named(settings: type, wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        settings(**wrong)
