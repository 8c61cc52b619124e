from __future__ import annotations

import numpy as np
import pytest
from boxes_and_tubes import a_tube, still
from hypothesis import given
from hypothesis import strategies as st
from naive_average_precision import Answer, naive_average_precision, naive_tube_iou

from vadsdk.errors import ConfigError, DatasetError
from vadsdk.evaluation import STRICT_THRESHOLDS, video_map, video_maps
from vadsdk.structures import Tube

LABELS = ("wave", "kick")
BOX, FAR = (0, 0, 10, 10), (60, 60, 70, 70)


def test_the_strict_thresholds_are_ten_steps_of_five_percent() -> None:
    assert STRICT_THRESHOLDS == (0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95)


def test_the_right_tube_at_half_the_length_is_right_up_to_half() -> None:
    truth = {"v": [still("wave", BOX, range(8))]}
    tubes = {"v": [still("wave", BOX, range(4), score=0.7)]}
    means = [scores.mean for scores in video_maps(truth, tubes, LABELS, (0.2, 0.5, 0.55))]
    assert means == [1.0, 1.0, 0.0]


def test_a_tube_of_another_class_is_wrong() -> None:
    truth = {"v": [still("wave", BOX, range(8))]}
    tubes = {"v": [still("kick", BOX, range(8), score=0.9)]}
    assert video_map(truth, tubes, LABELS, 0.5).average_precisions[0] == 0.0


def test_a_tube_with_class_scores_counts_for_every_class() -> None:
    truth = {
        "v": [still("wave", BOX, range(8))],
        "w": [still("kick", BOX, range(8))],
    }
    tubes = {
        "v": [still("wave", BOX, range(8), score=0.6, class_scores=(0.6, 0.4))],
        "w": [still("wave", BOX, range(8), score=0.7, class_scores=(0.7, 0.3))],
    }
    scores = video_map(truth, tubes, LABELS, 0.5)
    # wave: w's wrong 0.7 before v's right 0.6. kick: v's wrong 0.4 before w's right 0.3.
    assert scores.average_precisions.tolist() == [0.5, 0.5]
    assert scores.num_answers.tolist() == [2, 2]


def test_a_second_tube_on_a_found_actor_is_wrong() -> None:
    truth = {"v": [still("wave", BOX, range(8)), still("wave", FAR, range(8))]}
    tubes = {
        "v": [
            still("wave", BOX, range(8), score=0.9),
            still("wave", BOX, range(8), score=0.8),
            still("wave", FAR, range(8), score=0.7),
        ]
    }
    # precision 1, 1/2, 2/3 at recall 1/2, 1/2, 1
    assert video_map(truth, tubes, LABELS, 0.5).average_precisions[0] == pytest.approx(
        (1 + 2 / 3) / 2
    )


def test_the_order_of_two_actors_that_a_tube_overlaps_alike_does_not_matter() -> None:
    between, beyond = (5, 0, 15, 10), (-1, 0, 9, 10)  # IoU 1/3 with both; 9/11 with BOX alone
    actors = [still("wave", BOX, range(8)), still("wave", (10, 0, 20, 10), range(8))]
    tubes = {
        "v": [
            still("wave", between, range(8), score=0.9),
            still("wave", beyond, range(8), score=0.8),
        ]
    }
    forward = video_map({"v": actors}, tubes, LABELS, 0.3).average_precisions[0]
    assert video_map({"v": actors[::-1]}, tubes, LABELS, 0.3).average_precisions[0] == forward


@pytest.mark.parametrize("video", ["v", "empty"])
def test_false_positives_lower_the_score_wherever_they_are(video: str) -> None:
    truth = {"v": [still("wave", BOX, range(8))], "empty": []}
    tubes = {"v": [still("wave", BOX, range(8), score=0.5)], "empty": []}
    tubes[video] = [*tubes[video], still("wave", FAR, range(8), score=0.9)]
    assert video_map(truth, tubes, LABELS, 0.5).average_precisions[0] == 0.5


def test_what_does_not_belong_together_is_refused() -> None:
    truth = {"v": [still("wave", BOX, range(8))]}
    with pytest.raises(DatasetError, match="list every evaluated video there"):
        video_map(truth, {"other": []}, LABELS, 0.5)
    with pytest.raises(ConfigError, match=r"unknown label 'waves'\. Did you mean 'wave'"):
        video_map(truth, {"v": [still("waves", BOX, range(8))]}, LABELS, 0.5)
    scored = still("wave", BOX, range(8), class_scores=(0.1, 0.2, 0.7))
    with pytest.raises(ValueError, match="2 labels need as many class scores"):
        video_map(truth, {"v": [scored]}, LABELS, 0.5)


def random_scene(seed: int) -> tuple[dict[str, list[Tube]], dict[str, list[Tube]]]:
    """Return 6 videos of up to 3 moving actors, and tubes near them with distinct scores."""
    rng = np.random.default_rng(seed)
    truth: dict[str, list[Tube]] = {}
    predictions: dict[str, list[Tube]] = {}
    for name in "abcdef":
        truth[name], predictions[name] = [], []
        for _ in range(rng.integers(0, 4)):
            start, length = int(rng.integers(0, 6)), int(rng.integers(2, 12))
            corners = rng.uniform(0, 10, 2) + rng.normal(0, 1, (length, 2)).cumsum(axis=0)
            boxes = np.hstack([corners, corners + rng.uniform(8, 12, 2)])
            truth[name].append(a_tube(str(rng.choice(LABELS)), boxes, start=start))
            for _ in range(rng.integers(0, 4)):
                cut = int(rng.integers(0, length // 2 + 1))
                predictions[name].append(
                    a_tube(
                        "wave",
                        boxes[cut:] + np.tile(rng.normal(0, 1, 2), 2),
                        start=start + cut,
                        class_scores=rng.uniform(0.01, 1, 2),
                    )
                )
    return truth, predictions


@pytest.mark.parametrize("seed", range(25))
@pytest.mark.parametrize("iou_threshold", [0.2, 0.5, 0.7])
def test_the_fast_form_equals_the_plain_one(seed: int, iou_threshold: float) -> None:
    truth, predictions = random_scene(seed)
    scores = video_map(truth, predictions, LABELS, iou_threshold)
    for index, label in enumerate(LABELS):
        truths = {
            name: [tube for tube in tubes if tube.label == label] for name, tubes in truth.items()
        }
        answers = [
            Answer(name, float(tube.class_scores[index]), tube)
            for name, tubes in predictions.items()
            for tube in tubes
        ]
        if not any(truths.values()):
            assert np.isnan(scores.average_precisions[index])
            continue
        plain = naive_average_precision(answers, truths, naive_tube_iou, iou_threshold)
        assert scores.average_precisions[index] == pytest.approx(plain, abs=1e-12)


@given(st.integers(0, 10_000))
def test_a_perfect_prediction_scores_one(seed) -> None:
    truth, _ = random_scene(seed)
    averages = video_map(truth, truth, LABELS, 1.0).average_precisions
    assert averages[np.isfinite(averages)].tolist() == [1.0] * int(np.isfinite(averages).sum())


@given(st.integers(0, 10_000), st.randoms(use_true_random=False))
def test_the_order_of_tubes_and_videos_does_not_matter(seed, random) -> None:
    truth, predictions = random_scene(seed)
    names = random.sample(list(truth), len(truth))
    after = video_map(
        {name: random.sample(truth[name], len(truth[name])) for name in names},
        {
            name: random.sample(predictions[name], len(predictions[name]))
            for name in reversed(names)
        },
        LABELS,
        0.5,
    )
    before = video_map(truth, predictions, LABELS, 0.5)
    assert after.average_precisions == pytest.approx(
        before.average_precisions, abs=1e-12, nan_ok=True
    )


@given(st.integers(0, 10_000), st.floats(0.01, 1))
def test_one_more_false_positive_never_raises_it(seed, score) -> None:
    truth, predictions = random_scene(seed)
    before = video_map(truth, predictions, LABELS, 0.5).average_precisions
    predictions["a"].append(still("wave", (500, 500, 510, 510), range(3), score=score))
    after = video_map(truth, predictions, LABELS, 0.5).average_precisions
    known = np.isfinite(before)
    assert (after[known] <= before[known] + 1e-12).all()
