from __future__ import annotations

from itertools import pairwise, product

import numpy as np
import pytest

from vadsdk.boxes import box_iou
from vadsdk.linking.offline_detections import VideoDetections
from vadsdk.linking.offline_paths import FILLED
from vadsdk.linking.offline_viterbi import YOWO, ViterbiLinking, viterbi_kept, viterbi_linking


def video(frames: list[list[tuple[float, float]]]) -> VideoDetections:
    """Boxes of 10 x 10 pixels; (pixels from the left, score) each."""
    boxes, scores = [], []
    for frame in frames:
        left = np.array([place for place, _ in frame]).reshape(-1, 1)
        zero = np.zeros_like(left)
        boxes.append(np.concatenate([left, zero, left + 10, zero + 10], axis=1))
        scores.append(np.array([score for _, score in frame]).reshape(-1, 1))
    return VideoDetections.from_arrays(boxes, scores)


def worth(detections: VideoDetections, rows: tuple[int, ...], settings: ViterbiLinking) -> float:
    total = 0.0
    for frame, (row, following) in enumerate(pairwise(rows)):
        iou = float(
            box_iou(detections.boxes_xyxy[frame][row], detections.boxes_xyxy[frame + 1][following])
        )
        first = float(detections.class_scores[frame][row, 0])
        second = float(detections.class_scores[frame + 1][following, 0])
        total += iou + first + second + settings.product_weight * first * second
        total -= settings.jump_cost * (iou < settings.jump_iou)
    return total


@pytest.mark.parametrize("settings", [ViterbiLinking(), ViterbiLinking(jump_cost=0.0), YOWO])
@pytest.mark.parametrize("seed", range(4))
def test_no_path_is_worth_more(seed: int, settings: ViterbiLinking) -> None:
    rng = np.random.default_rng(seed)
    counts = rng.integers(1, 4, 6)
    detections = video(
        [list(zip(rng.uniform(0, 30, n), rng.random(n), strict=True)) for n in counts]
    )
    best = viterbi_linking(detections, 0, settings)[0]
    every = [worth(detections, rows, settings) for rows in product(*map(range, counts))]
    found = worth(detections, tuple(best.rows.tolist()), settings)
    assert found == pytest.approx(max(every), abs=1e-5)


def test_a_frame_without_boxes_borrows_from_the_nearest_the_earlier_of_two() -> None:
    detections = video([[], [(0, 0.5)], [], [(2, 0.6)], [], []])
    (path,) = viterbi_linking(detections, 0, YOWO)
    assert path.boxes_xyxy[:, 0].tolist() == [0, 0, 0, 2, 2, 2]
    assert path.rows.tolist() == [FILLED, 0, FILLED, 0, FILLED, FILLED]
    np.testing.assert_allclose(path.scores, [0.5, 0.5, 0.5, 0.6, 0.6, 0.6])


def test_one_frame_that_misses_an_actor_costs_him_his_path_only_as_released() -> None:
    frames = [[(0, 0.9), (50, 0.6)]] * 2 + [[(0, 0.9)]] + [[(0, 0.9), (50, 0.6)]] * 2
    assert len(viterbi_linking(video(frames), 0, YOWO)) == 1
    first, second = viterbi_linking(video(frames), 0)
    assert first.boxes_xyxy[:, 0].tolist() == [0] * 5
    assert second.boxes_xyxy[:, 0].tolist() == [50] * 5
    assert second.rows.tolist() == [1, 1, FILLED, 1, 1]


def test_a_path_does_not_jump_to_an_actor_who_scores_better_for_a_while() -> None:
    frames = [[(0, 0.6), (50, 0.1)], [(0, 0.1), (50, 0.9)], [(0, 0.6), (50, 0.1)]] * 2
    steady = viterbi_linking(video(frames), 0)[0]
    assert set(steady.boxes_xyxy[:, 0].tolist()) == {50.0}
    free = viterbi_linking(video(frames), 0, ViterbiLinking(jump_cost=0.0))[0]
    assert set(free.boxes_xyxy[:, 0].tolist()) == {0.0, 50.0}


def test_there_are_at_most_max_paths() -> None:
    frames = [[(place, 0.5) for place in (0, 30, 60, 90)]] * 3
    assert len(viterbi_linking(video(frames), 0)) == 4
    assert len(viterbi_linking(video(frames), 0, ViterbiLinking(max_paths=2))) == 2
    assert len(viterbi_linking(video(frames), 0, YOWO)) == 3


def test_a_video_without_boxes_has_no_path_and_one_frame_makes_one_of_its_best_box() -> None:
    assert viterbi_linking(video([[], [], []]), 0) == []
    path = viterbi_linking(video([[(0, 0.2), (50, 0.7)]]), 0)[0]
    assert path.rows.tolist() == [1]


def test_nms_drops_the_weaker_of_two_paths_on_one_actor() -> None:
    paths = viterbi_linking(video([[(0, 0.4), (1, 0.8), (50, 0.5)]] * 4), 0)
    assert [path.scores[0] for path in paths] == [0.8, 0.5, 0.4]
    assert viterbi_kept(paths) == [0, 1]


def test_a_class_out_of_range_is_refused() -> None:
    with pytest.raises(ValueError, match=r"class_index must lie in \[0, 1\): 1"):
        viterbi_linking(video([[(0, 0.4)]]), 1)


@pytest.mark.parametrize(
    "wrong",
    [
        {"max_paths": 0},
        {"nms_iou": 1.5},
        {"jump_iou": -0.1},
        {"jump_cost": -1},
        {"product_weight": np.nan},
    ],
)
def test_a_value_out_of_range_is_named(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        ViterbiLinking(**wrong)  # type: ignore[arg-type]
