from __future__ import annotations

import numpy as np
import pytest

from vadsdk.errors import ConfigError
from vadsdk.linking.offline_detections import VideoDetections
from vadsdk.linking.offline_paths import FILLED, LinkedPath
from vadsdk.linking.offline_retinanet import RetinaLinking, fill_paths, retinanet_linking
from vadsdk.linking.offline_retinanet_trimming import RetinaTrimming, retinanet_trimming


def video(frames: list[list[tuple[float, float]]]) -> VideoDetections:
    """Boxes of 10 x 10 pixels; (pixels from the left, agentness) each, over two classes."""
    places = [np.array([left for left, _ in frame]).reshape(-1, 1) for frame in frames]
    scores = [np.array([score for _, score in frame]).reshape(-1, 1) for frame in frames]
    return VideoDetections.from_arrays(
        [np.concatenate([left, 0 * left, left + 10, 0 * left + 10], axis=1) for left in places],
        [np.concatenate([score / 4, 3 * score / 4], axis=1) for score in scores],
    )


def frames_of(paths: list[LinkedPath]) -> list[list[int]]:
    return [path.frame_indices.tolist() for path in paths]


def test_a_gap_may_be_four_frames_and_a_frame_without_boxes_ends_nothing() -> None:
    far = [(90.0, 0.5)]
    near = [(0.0, 0.8), *far]
    assert frames_of(retinanet_linking(video([near, far, far, far, near])))[0] == [0, 4]
    ended = retinanet_linking(video([near, far, far, far, far, near]))
    assert frames_of(ended) == [[0], [0, 1, 2, 3, 4, 5], [5]]
    late = retinanet_linking(video([near, [], [], [], [], [], far]))
    assert frames_of(late) == [[0], [0], [6]]


@pytest.mark.parametrize(("left", "num_paths"), [(18.0, 1), (8.0, 2)])
def test_a_path_is_extrapolated_by_its_mean_step(left: float, num_paths: int) -> None:
    moving = [[(4.0 * frame, 0.8)] for frame in range(4)]  # expected at 16 next
    frames = [*moving, [(left, 0.8)]]
    paths = retinanet_linking(video(frames), RetinaLinking(link_iou=0.4))
    assert len(paths) == num_paths


@pytest.mark.parametrize(("cost", "left"), [("score", 4.0), ("score_iou", 0.0)])
def test_the_cost_decides_between_the_surer_and_the_nearer_box(cost: str, left: float) -> None:
    frames = [[(0.0, 0.9)], [(0.0, 0.5), (4.0, 0.8)]]
    path = retinanet_linking(video(frames), RetinaLinking(cost=cost))[0]  # type: ignore[arg-type]
    assert path.boxes_xyxy[-1, 0] == left


def test_boxes_that_are_apart_in_x_and_y_link_only_as_released() -> None:
    box, scores = np.array([[0.0, 0, 10, 10]]), np.array([[0.4, 0.4]])
    apart = VideoDetections.from_arrays([box, box + 18], [scores, scores])
    assert len(retinanet_linking(apart)) == 2
    assert len(retinanet_linking(apart, RetinaLinking(released=True))) == 1  # "IoU" (-8)(-8) / 136


def test_weak_boxes_and_those_beyond_the_limit_take_no_part() -> None:
    frames = [[(0.0, 0.02), (30.0, 0.6), (60.0, 0.9)]]
    assert [p.boxes_xyxy[0, 0] for p in retinanet_linking(video(frames))] == [60, 30]
    one = RetinaLinking(max_per_frame=1)
    assert [p.boxes_xyxy[0, 0] for p in retinanet_linking(video(frames), one)] == [60]


def path(frames: list[int], scores: list[list[float]]) -> LinkedPath:
    values = np.array(scores)
    left = 2.0 * np.array(frames)
    boxes = np.stack([left, 0 * left, left + 10, 0 * left + 10], axis=1)
    return LinkedPath(
        class_index=-1,
        frame_indices=np.array(frames),
        rows=np.zeros(len(frames), np.int64),
        boxes_xyxy=boxes,
        scores=values.sum(axis=1),
        class_scores=values,
        score=float(values.sum(axis=1).mean()),
    )


def test_doubtful_paths_are_dropped_and_gaps_filled() -> None:
    weak, sure = [[0.03, 0.03]], [[0.3, 0.3]]
    gone = [path([0, 1], weak * 2), path([0, 2, 3, 4, 5, 6], sure * 6)]
    assert fill_paths(gone) == []
    short, long = fill_paths([path([0, 1], sure * 2), path([0, 1, 2, 3, 4, 5, 8], weak * 7)])
    assert short.frame_indices.tolist() == [0, 1]
    assert long.frame_indices.tolist() == list(range(9))
    assert long.rows.tolist() == [0] * 6 + [FILLED] * 2 + [0]
    np.testing.assert_allclose(long.boxes_xyxy[:, 0], 2.0 * np.arange(9))


def tubes(scores: list[list[float]], **settings: object) -> list[tuple]:
    found = retinanet_trimming(
        path(list(range(len(scores))), scores),
        RetinaTrimming(**settings),  # type: ignore[arg-type]
    )
    return [
        (t.class_index, int(t.frame_indices[0]), int(t.frame_indices[-1]), round(t.score, 6))
        for t in found
    ]


SCORES = [[0.8, 0.1, 0.0]] * 8 + [[0.0, 0.6, 0.1]] * 8


def test_whole_gives_the_best_actions_over_the_whole_path() -> None:
    assert tubes(SCORES, kind="whole", max_classes=2) == [(0, 0, 15, 0.8), (1, 0, 15, 0.6)]


def test_joint_finds_one_action_after_the_other_and_then_what_is_below() -> None:
    found = tubes(SCORES, kind="joint", max_classes=1, switch_cost=1.0)
    assert found == [(0, 0, 7, 0.8), (1, 8, 15, 0.6)]
    again = tubes(SCORES, kind="joint", max_classes=2, switch_cost=0.5)
    assert again == [*found, (1, 0, 7, 0.1), (2, 8, 15, 0.1)]


def test_per_class_finds_actions_that_overlap_in_time() -> None:
    both = [[0.8, 0.0]] * 7 + [[0.8, 0.6]] * 8 + [[0.0, 0.6]] * 7
    found = tubes(both, kind="per_class")
    assert found == [(0, 0, 14, 0.8), (1, 7, 21, 0.6)]
    assert tubes(both, kind="per_class", max_classes=1) == found[:1]


def test_per_class_scores_the_upper_half_and_leaves_out_what_never_scores() -> None:
    rising = [[0.6, 0.0]] * 4 + [[0.8, 0.0]] * 4
    assert tubes(rising, kind="per_class") == [(0, 0, 7, 0.8)]


def test_as_released_tubes_come_one_frame_late() -> None:
    found = tubes(SCORES, kind="joint", max_classes=1, switch_cost=1.0, released=True)
    assert [tube[:3] for tube in found] == [(0, 0, 8), (1, 9, 15)]


def test_short_paths_and_short_runs_make_no_tubes() -> None:
    assert tubes([[0.8, 0.1]] * 5) == []
    assert tubes([[0.8, 0.0]] * 4 + [[0.0, 0.8]] * 7, max_classes=1, switch_cost=1.0) == [
        (1, 4, 10, 0.8)
    ]


def test_an_unknown_kind_is_named_with_its_alternatives() -> None:
    with pytest.raises(ConfigError, match=r"'joined'.*'joint'.*joint, per_class, whole"):
        RetinaTrimming(kind="joined")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("settings", "wrong"),
    [
        (RetinaLinking, {"link_iou": 2.0}),
        (RetinaLinking, {"cost": "iou"}),
        (RetinaLinking, {"max_gap": 0}),
        (RetinaTrimming, {"median_width": 4}),
        (RetinaTrimming, {"min_length": 0}),
    ],
)
def test_a_value_out_of_range_is_named(settings: type, wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        settings(**wrong)
