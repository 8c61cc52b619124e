from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from boxes_and_tubes import still
from hypothesis import given
from hypothesis import strategies as st

from vadsdk.errors import ConfigError, DatasetError
from vadsdk.evaluation import (
    CONVENTIONS,
    FrameRules,
    resampled_precision,
    tube_average_precisions,
    video_maps,
)
from vadsdk.evaluation.bootstrap import bootstrap_interval
from vadsdk.evaluation.comparison import judge_tubes
from vadsdk.evaluation.resampled_precision import (
    JudgedAnswers,
    judge_answers,
    map_intervals,
    resampled_average_precision,
    resampled_map,
)
from vadsdk.structures import Tube

LABELS = ("jump", "run", "wave")
THRESHOLDS = (0.3, 0.6)
Tubes = dict[str, list[Tube]]


def random_tubes(seed: int, num_videos: int = 5) -> tuple[Tubes, Tubes]:
    """Return annotated and predicted tubes: some right, some doubled, scores often equal."""
    rng = np.random.default_rng(seed)
    truth: Tubes = {}
    predictions: Tubes = {}
    for number in range(num_videos):
        name = f"v{number}"
        truth[name], predictions[name] = [], []
        for _ in range(rng.integers(0, 4)):
            x, label = float(rng.integers(0, 2) * 8), LABELS[rng.integers(0, 2)]
            truth[name].append(still(label, (x, 0, x + 10, 10), range(6)))
        for _ in range(rng.integers(0, 7)):
            x, label = rng.integers(0, 2) * 8 + rng.integers(-2, 3), LABELS[rng.integers(0, 3)]
            score = float(rng.integers(1, 5)) / 5
            box = (x, 0, x + 10, 10)
            predictions[name].append(still(label, box, range(6), score=score))
    return truth, predictions


def repeated(tubes: Tubes, weights: np.ndarray) -> Tubes:
    """Return each video as often as its weight says, each time under another name."""
    pairs = zip(tubes.items(), weights, strict=True)
    return {f"{name} {n}": found for (name, found), weight in pairs for n in range(weight)}


def plain_averages(truth: Tubes, predictions: Tubes) -> np.ndarray:
    scores = video_maps(truth, predictions, LABELS, THRESHOLDS)
    return np.array([one.average_precisions for one in scores])


@given(st.integers(0, 100_000))
def test_each_video_once_gives_the_plain_average_precision(seed: int) -> None:
    truth, predictions = random_tubes(seed)
    judged = judge_tubes(truth, predictions, LABELS, THRESHOLDS)
    found = resampled_average_precision(judged, np.ones((1, len(truth)), int))[0]
    expected = plain_averages(truth, predictions)
    assert found == pytest.approx(expected, abs=1e-12, nan_ok=True)


@given(st.integers(0, 100_000))
def test_a_weight_counts_as_so_many_copies_of_the_video(seed: int) -> None:
    truth, predictions = random_tubes(seed)
    weights = np.random.default_rng(seed).integers(0, 4, (2, len(truth)))
    judged = judge_tubes(truth, predictions, LABELS, THRESHOLDS)
    found = resampled_average_precision(judged, weights)
    for row, one in zip(found, weights, strict=True):
        expected = plain_averages(repeated(truth, one), repeated(predictions, one))
        assert row == pytest.approx(expected, abs=1e-12, nan_ok=True)


@pytest.mark.parametrize("convention", sorted(CONVENTIONS))
@pytest.mark.parametrize("seed", range(6))
def test_each_video_once_gives_the_average_precision_of_any_convention(
    convention: str, seed: int
) -> None:
    truth, predictions = random_tubes(seed)
    judged = judge_tubes(truth, predictions, LABELS, THRESHOLDS, convention=convention)
    found = resampled_average_precision(judged, np.ones((1, len(truth)), int))[0]
    scores = tube_average_precisions(
        truth,
        {name: predictions[name] for name in truth},
        LABELS,
        THRESHOLDS,
        convention=convention,
    )
    expected = np.array([one.average_precisions for one in scores])
    assert found == pytest.approx(expected, abs=1e-12, nan_ok=True)


def test_of_trapezoids_a_video_that_is_not_drawn_is_no_point() -> None:
    rules = FrameRules(area="trapezoid", equal_scores="in_order")
    judged = JudgedAnswers(
        video_indices=np.array([0, 1, 0]),
        class_indices=np.zeros(3, np.int64),
        scores=np.array([0.9, 0.8, 0.7]),
        is_right=np.array([[False], [True], [True]]),
        num_ground_truth=np.array([[1], [1]]),
        rules=rules,
    )
    found = resampled_average_precision(judged, np.array([[1, 1], [0, 1], [1, 0]]))[:, 0, 0]
    whole = (0 + 1 / 2) / 2 / 2 + (1 / 2 + 2 / 3) / 2 / 2
    assert found == pytest.approx([whole, 1.0, (0 + 1 / 2) / 2])


def test_the_random_tubes_hold_all_cases() -> None:
    judged = judge_tubes(*random_tubes(1, 40), LABELS, THRESHOLDS)
    assert 0.1 < judged.is_right.mean() < 0.9
    assert len(np.unique(judged.scores)) < len(judged.scores)
    assert judged.num_ground_truth.sum(axis=0)[2] == 0


def test_the_mean_leaves_out_classes_without_ground_truth_in_a_draw() -> None:
    judged = JudgedAnswers(
        video_indices=np.array([0, 1]),
        class_indices=np.array([0, 1]),
        scores=np.array([0.9, 0.8]),
        is_right=np.array([[True], [False]]),
        num_ground_truth=np.array([[1, 0], [0, 1]]),
    )
    weights = np.array([[1, 1], [2, 0], [0, 2], [0, 0]])
    found = resampled_map(judged, weights)[:, 0]
    assert found == pytest.approx(np.array([0.5, 1.0, 0.0, np.nan]), nan_ok=True)


def test_the_size_of_the_chunks_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    judged = judge_tubes(*random_tubes(3, 20), LABELS, THRESHOLDS)
    weights = np.random.default_rng(0).integers(0, 3, (30, 20))
    whole = resampled_average_precision(judged, weights)
    monkeypatch.setattr(resampled_precision, "CHUNK_VALUES", 50)
    assert np.array_equal(whole, resampled_average_precision(judged, weights), equal_nan=True)


def test_intervals_are_those_of_the_bootstrap_that_scores_every_draw_anew() -> None:
    truth, predictions = random_tubes(3, 8)

    def score(indices: np.ndarray) -> float:
        weights = np.bincount(indices, minlength=len(truth))
        copies = repeated(truth, weights), repeated(predictions, weights)
        return video_maps(*copies, LABELS, (0.3,))[0].mean

    slow = bootstrap_interval(score, len(truth), num_resamples=40, level=0.8, seed=5)
    judged = judge_tubes(truth, predictions, LABELS, (0.3,))
    (fast,) = map_intervals(judged, num_resamples=40, level=0.8, seed=5)
    assert slow.low < slow.high
    assert (fast.estimate, fast.low, fast.high) == pytest.approx(
        (slow.estimate, slow.low, slow.high)
    )


def test_no_videos_have_no_interval() -> None:
    with pytest.raises(ConfigError, match="num_items and num_resamples must be 1 or more, not 0"):
        map_intervals(judge_tubes({}, {}, LABELS, THRESHOLDS))


@pytest.mark.parametrize("weights", [np.ones((1, 4), int), np.ones(5, int), -np.ones((1, 5), int)])
def test_weights_must_speak_of_the_same_videos(weights: np.ndarray) -> None:
    judged = judge_tubes(*random_tubes(0), LABELS, THRESHOLDS)
    with pytest.raises(DatasetError, match=r"5 videos need weights \(R, 5\) of 0 or more"):
        resampled_average_precision(judged, weights)


def test_every_video_needs_its_counts() -> None:
    with pytest.raises(
        DatasetError, match=r"0 videos need num_ground_truth \(0, K\), not \(2, 3\)"
    ):
        judge_answers([], np.zeros((2, 3), np.int64), THRESHOLDS)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"video_indices": np.array([0, 5])}, r"video_indices\[1\] is 5.*allows 0 to 1"),
        ({"class_indices": np.array([-1, 0])}, r"class_indices\[0\] is -1.*allows 0 to 2"),
        ({"scores": np.zeros(3)}, "3 scores need as many video_indices"),
        ({"is_right": np.zeros(2, bool)}, r"is_right \(N, T\), not .* \(2,\)"),
    ],
)
def test_answers_that_do_not_fit_are_refused(change: dict[str, np.ndarray], text: str) -> None:
    judged = JudgedAnswers(
        video_indices=np.array([0, 1]),
        class_indices=np.array([0, 2]),
        scores=np.array([0.9, 0.8]),
        is_right=np.zeros((2, 2), bool),
        num_ground_truth=np.ones((2, 3), np.int64),
    )
    with pytest.raises(DatasetError, match=text):
        replace(judged, **change)
