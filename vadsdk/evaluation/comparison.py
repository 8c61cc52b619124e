"""Two detectors on the same videos: the difference in video mAP, and how sure it is."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from vadsdk.evaluation.bootstrap import (
    PairedDifference,
    count_draws,
    draw_videos,
    percentile_interval,
)
from vadsdk.evaluation.conventions import Convention, convention_named
from vadsdk.evaluation.ground_truth import label_indices
from vadsdk.evaluation.resampled_precision import (
    JudgedAnswers,
    judge_answers,
    resampled_map,
)
from vadsdk.evaluation.video_map import answers_of_video
from vadsdk.structures import Tube


def judge_tubes(
    ground_truth: Mapping[str, Sequence[Tube]],
    predictions: Mapping[str, Sequence[Tube]],
    labels: Sequence[str],
    iou_thresholds: Sequence[float],
    *,
    convention: str | Convention = "vadsdk",
) -> JudgedAnswers:
    """Match the predicted tubes of every video once, so that mAPs of many draws cost little.

    Args:
        ground_truth: annotated tubes of every evaluated video; their order is that of the videos.
        predictions: predicted tubes; a video that is left out has none.
        labels: names of the classes.
        iou_thresholds: each in (0, 1].
        convention: a name in `CONVENTIONS`, or one of your own.

    Raises:
        ConfigError: a tube with an unknown label, or an unknown convention.
    """
    rules = convention_named(convention).tubes
    indices = label_indices(ground_truth, labels)
    label_indices(predictions, labels)
    counts = np.zeros((len(ground_truth), len(labels)), np.int64)
    for row, tubes in enumerate(ground_truth.values()):
        for tube in tubes:
            counts[row, indices[tube.label]] += 1
    answers = [
        answers_of_video(predictions.get(name, ()), tubes, indices, rules)
        for name, tubes in ground_truth.items()
    ]
    return judge_answers(answers, counts, iou_thresholds, rules)


def compare_tubes(
    first: JudgedAnswers,
    second: JudgedAnswers,
    *,
    num_resamples: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> tuple[PairedDifference, ...]:
    """Return how much better the second detector's video mAP is, at each of the thresholds.

    Both are scored on the same draws of videos, so what makes a video hard for both cancels out.

    Args:
        first: tubes of detector A, as `judge_tubes` gives them.
        second: tubes of detector B, on the same videos and for the same thresholds.
        num_resamples: draws of videos.
        level: share of the draws between the ends of the interval, in (0, 1).
        seed: of the draws.

    Raises:
        ConfigError: a count below 1, or a level out of range.
        ValueError: answers to other videos.
    """
    if not np.array_equal(first.num_ground_truth, second.num_ground_truth):
        raise ValueError("both detectors must be judged on the same videos")
    num_videos = len(first.num_ground_truth)
    weights = count_draws(draw_videos(num_videos, num_resamples, seed), num_videos)
    once = np.ones((1, num_videos), np.int64)
    estimates = resampled_map(second, once)[0] - resampled_map(first, once)[0]
    samples = resampled_map(second, weights) - resampled_map(first, weights)  # (R, T)
    return tuple(
        PairedDifference(
            difference=percentile_interval(float(estimate), column, level),
            share_b_better=_share_above_zero(column),
        )
        for estimate, column in zip(estimates, samples.T, strict=True)
    )


def _share_above_zero(samples: NDArray[np.float64]) -> float:
    known = samples[np.isfinite(samples)]
    return float((known > 0).mean()) if len(known) else math.nan
