from __future__ import annotations

import numpy as np
import pytest
from boxes_and_tubes import scored_boxes, still
from hypothesis import given
from hypothesis import strategies as st
from naive_average_precision import Answer, naive_average_precision, naive_box_iou

from vadsdk.errors import ConfigError, DatasetError
from vadsdk.evaluation import FrameBoxes, frame_map
from vadsdk.structures import Tube

LABELS = ("wave", "kick")
LEFT, RIGHT, FAR = (0, 0, 10, 10), (20, 0, 30, 10), (60, 60, 70, 70)
OVERLAPPED = (2, 0, 12, 10)  # IoU 2/3 with LEFT


def test_a_duplicate_of_a_found_box_is_a_false_positive() -> None:
    truth = {"v": [still("wave", LEFT, range(1))]}
    boxes = scored_boxes((0, OVERLAPPED, (0.9, 0)), (0, LEFT, (0.8, 0)), (0, FAR, (0.1, 0)))
    scores = frame_map(truth, {"v": boxes}, LABELS)
    assert scores.average_precisions[0] == 1.0  # the best-scored one finds it, though less exactly
    assert scores.curves[0].precisions.tolist() == [1, 1 / 2, 1 / 3]


def test_a_box_takes_the_best_actor_that_is_left() -> None:
    near = (1, 0, 11, 10)  # IoU 9/11 with LEFT and OVERLAPPED alike
    truth = {"v": [still("wave", LEFT, range(1)), still("wave", OVERLAPPED, range(1))]}
    boxes = scored_boxes((0, LEFT, (0.9, 0)), (0, near, (0.8, 0)))
    assert frame_map(truth, {"v": boxes}, LABELS).average_precisions[0] == 1.0


def test_the_order_of_two_actors_that_a_box_overlaps_alike_does_not_matter() -> None:
    between, beyond = (5, 0, 15, 10), (-1, 0, 9, 10)  # IoU 1/3 with both; 9/11 with LEFT alone
    actors = [still("wave", LEFT, range(1)), still("wave", (10, 0, 20, 10), range(1))]
    boxes = {"v": scored_boxes((0, between, (0.9, 0)), (0, beyond, (0.8, 0)))}
    forward = frame_map({"v": actors}, boxes, LABELS, 0.3).average_precisions[0]
    assert frame_map({"v": actors[::-1]}, boxes, LABELS, 0.3).average_precisions[0] == forward


def test_a_box_counts_for_every_class_that_it_scores_above_nothing() -> None:
    truth = {"v": [still("wave", LEFT, range(1)), still("kick", RIGHT, range(1))]}
    boxes = scored_boxes((0, LEFT, (0.9, 0.6)), (0, RIGHT, (0, 0.5)))
    scores = frame_map(truth, {"v": boxes}, LABELS)
    assert scores.num_answers.tolist() == [1, 2]
    assert scores.average_precisions.tolist() == [1.0, 0.5]  # LEFT is a better-scored wrong kick
    assert scores.mean == 0.75


@pytest.mark.parametrize("stray", [(0, FAR), (7, LEFT)], ids=["in a frame", "off the action"])
def test_false_positives_lower_the_score_wherever_they_are(stray: tuple) -> None:
    frame, box = stray
    truth = {"v": [still("wave", LEFT, range(1))], "empty": []}
    right = (0, LEFT, (0.5, 0))
    boxes = {"v": scored_boxes(right, (frame, box, (0.9, 0)))}
    assert frame_map(truth, boxes, LABELS).average_precisions[0] == 0.5


def test_false_positives_in_a_video_without_actions_lower_the_score() -> None:
    truth = {"v": [still("wave", LEFT, range(1))], "empty": []}
    boxes = {
        "v": scored_boxes((0, LEFT, (0.5, 0))),
        "empty": scored_boxes((0, LEFT, (0.9, 0)), (3, LEFT, (0.8, 0))),
    }
    assert frame_map(truth, boxes, LABELS).average_precisions[0] == pytest.approx(1 / 3)


def test_missed_frames_and_videos_lower_the_score() -> None:
    truth = {"v": [still("wave", LEFT, range(2))], "w": [still("wave", LEFT, range(2))]}
    boxes = {"v": scored_boxes((0, LEFT, (0.5, 0)))}
    assert frame_map(truth, boxes, LABELS).average_precisions[0] == 0.25


def test_a_class_without_ground_truth_is_unknown_and_not_in_the_mean() -> None:
    truth = {"v": [still("wave", LEFT, range(1))]}
    scores = frame_map(truth, {"v": scored_boxes((0, LEFT, (0.9, 0.9)))}, LABELS)
    assert np.isnan(scores.average_precisions[1])
    assert scores.mean == 1.0


def test_the_threshold_itself_is_enough() -> None:
    half = (0, 0, 10, 5)  # IoU exactly 1/2
    truth = {"v": [still("wave", LEFT, range(1))]}
    boxes = {"v": scored_boxes((0, half, (0.9, 0)))}
    assert frame_map(truth, boxes, LABELS, 0.5).average_precisions[0] == 1.0
    assert frame_map(truth, boxes, LABELS, 0.51).average_precisions[0] == 0.0


def test_nothing_predicted_scores_nothing() -> None:
    truth = {"v": [still("wave", LEFT, range(1))]}
    assert frame_map(truth, {}, LABELS).mean == 0.0
    assert np.isnan(frame_map({"v": []}, {}, LABELS).mean)


def test_what_does_not_belong_together_is_refused() -> None:
    truth = {"v": [still("wave", LEFT, range(1))]}
    boxes = scored_boxes((0, LEFT, (0.9, 0)))
    with pytest.raises(DatasetError, match="does not list, such as 'other'"):
        frame_map(truth, {"other": boxes}, LABELS)
    with pytest.raises(ConfigError, match="unknown label 'wave'"):
        frame_map(truth, {"v": boxes}, ("waves", "kick"))
    with pytest.raises(ValueError, match="v: 3 labels need as many scores a box, not 2"):
        frame_map(truth, {"v": boxes}, (*LABELS, "jump"))
    with pytest.raises(ValueError, match="iou_threshold must lie in"):
        frame_map(truth, {"v": boxes}, LABELS, 0.0)
    with pytest.raises(ValueError, match="must be finite"):
        scored_boxes((0, LEFT, (np.nan, 0)))


def random_scene(seed: int) -> tuple[dict[str, list[Tube]], dict[str, FrameBoxes]]:
    """Return 3 videos of up to 4 crowded actors, and many boxes near them with distinct scores."""
    rng = np.random.default_rng(seed)
    truth, predictions = {}, {}
    for name in ("a", "b", "c"):
        tubes, rows = [], []
        for _ in range(rng.integers(0, 5)):
            corner = rng.uniform(0, 12, 2)
            box = np.round([*corner, *(corner + rng.uniform(8, 14, 2))], 1)
            start = int(rng.integers(0, 4))
            frames = range(start, start + int(rng.integers(1, 6)))
            tubes.append(still(str(rng.choice(LABELS)), box, frames))
            for frame in range(9):
                for _ in range(rng.integers(0, 3)):
                    noisy = box + np.repeat(rng.normal(0, 2, 2)[None], 2, axis=0).ravel()
                    rows.append((frame, noisy, rng.uniform(0.01, 1, 2)))
        truth[name] = tubes
        predictions[name] = scored_boxes(*rows) if rows else scored_boxes((0, FAR, (0.5, 0.5)))
    return truth, predictions


@pytest.mark.parametrize("seed", range(25))
@pytest.mark.parametrize("iou_threshold", [0.3, 0.5, 0.75])
def test_the_fast_form_equals_the_plain_one(seed: int, iou_threshold: float) -> None:
    truth, predictions = random_scene(seed)
    scores = frame_map(truth, predictions, LABELS, iou_threshold)
    for index, label in enumerate(LABELS):
        answers = [
            Answer((name, int(frame)), float(row[index]), tuple(box.tolist()))
            for name, boxes in predictions.items()
            for frame, box, row in zip(
                boxes.frame_indices, boxes.boxes_xyxy, boxes.class_scores, strict=True
            )
        ]
        truths: dict = {}
        for name, tubes in truth.items():
            for tube in tubes:
                for frame, box in zip(tube.frame_indices, tube.boxes_xyxy, strict=True):
                    if tube.label == label:
                        truths.setdefault((name, int(frame)), []).append(tuple(box.tolist()))
        if not truths:
            assert np.isnan(scores.average_precisions[index])
            continue
        plain = naive_average_precision(answers, truths, naive_box_iou, iou_threshold)
        assert scores.average_precisions[index] == pytest.approx(plain, abs=1e-12)


@given(st.integers(0, 10_000), st.randoms(use_true_random=False))
def test_the_order_of_boxes_tubes_and_videos_does_not_matter(seed, random) -> None:
    truth, predictions = random_scene(seed)
    coarse = {  # few distinct scores, so that ties are the rule
        name: FrameBoxes(
            frame_indices=boxes.frame_indices,
            boxes_xyxy=boxes.boxes_xyxy,
            class_scores=np.ceil(boxes.class_scores * 3) / 3,
        )
        for name, boxes in predictions.items()
    }
    names = list(truth)
    random.shuffle(names)
    shuffled = {}
    for name in names:
        order = list(range(len(coarse[name].frame_indices)))
        random.shuffle(order)
        shuffled[name] = FrameBoxes(
            frame_indices=coarse[name].frame_indices[order],
            boxes_xyxy=coarse[name].boxes_xyxy[order],
            class_scores=coarse[name].class_scores[order],
        )
    tubes = {name: random.sample(truth[name], len(truth[name])) for name in reversed(names)}
    before = frame_map(truth, coarse, LABELS).average_precisions
    after = frame_map(tubes, shuffled, LABELS).average_precisions
    assert after == pytest.approx(before, abs=1e-12, nan_ok=True)


@given(st.integers(0, 10_000))
def test_a_perfect_prediction_scores_one(seed) -> None:
    truth, _ = random_scene(seed)
    perfect = {}
    for name, tubes in truth.items():
        rows = [
            (int(frame), box, np.eye(2)[LABELS.index(tube.label)])
            for tube in tubes
            for frame, box in zip(tube.frame_indices, tube.boxes_xyxy, strict=True)
        ]
        if rows:
            perfect[name] = scored_boxes(*rows)
    averages = frame_map(truth, perfect, LABELS, 1.0).average_precisions
    assert averages[np.isfinite(averages)].tolist() == [1.0] * int(np.isfinite(averages).sum())
