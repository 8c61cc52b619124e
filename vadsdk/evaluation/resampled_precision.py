"""Average precision of many draws of videos at once, for the bootstrap.

Answers compete for ground truths within their video only. So a video that is drawn twice counts its
answers and its ground truths twice, one that is not drawn counts none, and nothing is matched anew.

Legend: V videos, R resamples, N answers, K classes, T thresholds, S distinct scores.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vadsdk.errors import DatasetError
from vadsdk.evaluation.bootstrap import (
    BootstrapInterval,
    count_draws,
    draw_videos,
    percentile_interval,
)
from vadsdk.evaluation.conventions import OUR_FRAMES, FrameRules
from vadsdk.evaluation.matching import Answers, join_answers, match_greedily

CHUNK_VALUES = 2**21
"""How many weights are held at once: 16 MiB an array."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class JudgedAnswers:
    """All answers of V videos, boxes or tubes, and whether each is right."""

    video_indices: NDArray[np.int64]
    """(N,)"""
    class_indices: NDArray[np.int64]
    """(N,) the class that an answer stands for; one of several classes comes once for each."""
    scores: NDArray[np.float64]
    """(N,)"""
    is_right: NDArray[np.bool_]
    """(N, T) whether it found a ground truth of its own, for each threshold."""
    num_ground_truth: NDArray[np.int64]
    """(V, K) boxes or tubes to find."""
    rules: FrameRules = OUR_FRAMES
    """How they were judged, and how precision and recall become an average precision."""

    def __post_init__(self) -> None:
        count = len(self.scores)
        if self.num_ground_truth.ndim != 2 or self.is_right.ndim != 2:
            raise DatasetError(
                "num_ground_truth is (V, K) and is_right (N, T), not "
                f"{self.num_ground_truth.shape} and {self.is_right.shape}"
            )
        indices = ("video_indices", "class_indices")
        for name in (*indices, "scores", "is_right"):
            values = getattr(self, name)
            if len(values) != count or (name != "is_right" and values.ndim != 1):
                raise DatasetError(f"{count} scores need as many {name}, not {values.shape}")
        for name, limit in zip(indices, self.num_ground_truth.shape, strict=True):
            wrong = np.flatnonzero((getattr(self, name) < 0) | (getattr(self, name) >= limit))
            if len(wrong):
                raise DatasetError(
                    f"{name}[{wrong[0]}] is {getattr(self, name)[wrong[0]]}, but num_ground_truth "
                    f"allows 0 to {limit - 1}"
                )


def judge_answers(
    videos: Sequence[Answers],
    num_ground_truth: NDArray[np.int64],
    iou_thresholds: Sequence[float],
    rules: FrameRules = OUR_FRAMES,
) -> JudgedAnswers:
    """Match the answers of every video once, class by class.

    Args:
        videos: V, the answers of each video.
        num_ground_truth: (V, K) boxes or tubes to find.
        iou_thresholds: T, each above 0.
        rules: how answers are matched and counted; ours unless given.

    Raises:
        DatasetError: not one row of `num_ground_truth` for each video.
    """
    if num_ground_truth.ndim != 2 or len(num_ground_truth) != len(videos):
        raise DatasetError(
            f"{len(videos)} videos need num_ground_truth ({len(videos)}, K), "
            f"not {num_ground_truth.shape}"
        )
    num_classes = num_ground_truth.shape[1]
    answers = join_answers(videos, num_classes)
    video_indices = np.repeat(np.arange(len(videos)), [len(video.places) for video in videos])
    rows, class_indices = np.nonzero(answers.class_scores > 0)
    scores = answers.class_scores[rows, class_indices]
    is_right = np.zeros((len(rows), len(iou_thresholds)), np.bool_)
    for index in range(num_classes):
        own = class_indices == index
        mine = rows[own]
        overlaps = np.where(answers.labels[mine] == index, answers.overlaps[mine], -np.inf)
        for column, threshold in enumerate(iou_thresholds):
            found = match_greedily(answers.places[mine], scores[own], overlaps, threshold, rules)
            is_right[own, column] = found
    return JudgedAnswers(
        video_indices=video_indices[rows],
        class_indices=class_indices,
        scores=scores,
        is_right=is_right,
        num_ground_truth=num_ground_truth,
        rules=rules,
    )


def resampled_average_precision(
    answers: JudgedAnswers, weights: NDArray[np.integer]
) -> NDArray[np.float64]:
    """Return (R, T, K) average precisions; NaN for a class without ground truth in a resample.

    Args:
        answers: judged on all videos.
        weights: (R, V) how often each resample has each video, 0 or more.

    Raises:
        DatasetError: weights for another number of videos, or below 0.
    """
    num_videos, num_classes = answers.num_ground_truth.shape
    if weights.ndim != 2 or weights.shape[1] != num_videos or (weights < 0).any():
        raise DatasetError(
            f"{num_videos} videos need weights (R, {num_videos}) of 0 or more, not {weights.shape}"
            + (f" from {weights.min()}" if weights.size else "")
        )
    num_ground_truth = weights @ answers.num_ground_truth  # (R, K)
    num_thresholds = answers.is_right.shape[1]
    averages = np.full((len(weights), num_thresholds, num_classes), np.nan)
    for index in range(num_classes):
        rows = np.flatnonzero(answers.class_indices == index)
        rows = rows[np.argsort(-answers.scores[rows], kind="stable")]
        for chunk in _chunks(len(weights), len(rows)):
            known = chunk[num_ground_truth[chunk, index] > 0]
            averages[known, :, index] = _averages(
                weights[known][:, answers.video_indices[rows]],
                answers.scores[rows],
                answers.is_right[rows],
                num_ground_truth[known, index],
                answers.rules,
            )
    return averages


def resampled_map(answers: JudgedAnswers, weights: NDArray[np.integer]) -> NDArray[np.float64]:
    """Return (R, T): the mean over the classes that have ground truth; NaN if none has.

    The arguments and errors are those of `resampled_average_precision`.
    """
    averages = resampled_average_precision(answers, weights)
    is_known = np.isfinite(averages)
    counts = is_known.sum(axis=2)
    sums = np.where(is_known, averages, 0.0).sum(axis=2)
    return np.where(counts > 0, sums / counts.clip(1), np.nan)


def map_intervals(
    answers: JudgedAnswers, num_resamples: int = 1000, level: float = 0.95, seed: int = 0
) -> tuple[BootstrapInterval, ...]:
    """Return the mAP at each of the T thresholds with its interval, as `bootstrap_interval` would.

    Raises:
        ConfigError: no videos, a count below 1, or a level out of range.
    """
    num_videos = len(answers.num_ground_truth)
    draws = draw_videos(num_videos, num_resamples, seed)
    estimates = resampled_map(answers, np.ones((1, num_videos), np.int64))[0]  # (T,)
    samples = resampled_map(answers, count_draws(draws, num_videos))  # (R, T)
    return tuple(
        percentile_interval(float(estimate), column, level)
        for estimate, column in zip(estimates, samples.T, strict=True)
    )


def _chunks(num_resamples: int, num_answers: int) -> Iterator[NDArray[np.intp]]:
    size = max(1, CHUNK_VALUES // max(1, num_answers))
    for start in range(0, num_resamples, size):
        yield np.arange(start, min(start + size, num_resamples))


def _averages(
    weights: NDArray[np.integer],
    scores: NDArray[np.float64],
    is_right: NDArray[np.bool_],
    num_ground_truth: NDArray[np.int64],
    rules: FrameRules,
) -> NDArray[np.float64]:
    """Return (R, T) average precisions of one class: `precision_recall` for weighted answers.

    The copies of an answer enter the curve together, even where answers of one score do not.

    Args:
        weights: (R, N) how often each answer counts.
        scores: (N,) falling.
        is_right: (N, T).
        num_ground_truth: (R,) above 0.
        rules: how the curve is made.
    """
    points = np.arange(len(scores))
    if rules.equal_scores == "together":
        points = np.flatnonzero(np.diff(scores, append=-np.inf))  # the last answer of each score
    num_answers = weights.cumsum(axis=1)[:, points]  # (R, S)
    averages = np.zeros((len(weights), is_right.shape[1]))
    for column, right in enumerate(is_right.T):
        num_right = (weights * right).cumsum(axis=1)[:, points]
        precisions = num_right / num_answers.clip(1)  # before the first answer no recall is gained
        recalls = num_right / (num_ground_truth[:, None] + rules.recall_epsilon)
        averages[:, column] = _areas(
            precisions.astype(rules.precision_dtype).astype(np.float64),
            recalls.astype(rules.precision_dtype).astype(np.float64),
            has_answers=num_answers > 0,
            rules=rules,
        )
    return averages


def _areas(
    precisions: NDArray[np.float64],
    recalls: NDArray[np.float64],
    *,
    has_answers: NDArray[np.bool_],
    rules: FrameRules,
) -> NDArray[np.float64]:
    """Return the (R,) areas under R curves of S points; those without an answer are no points."""
    gains = np.diff(recalls, axis=1, prepend=0.0)
    if rules.area == "envelope":
        envelope = np.maximum.accumulate(precisions[:, ::-1], axis=1)[:, ::-1]
        under: NDArray[np.float64] = (gains * envelope).sum(axis=1)
        return under
    known = np.where(has_answers, precisions, 1.0)  # the curve begins at precision 1
    befores = np.concatenate([np.ones((len(known), 1)), known[:, :-1]], axis=1)
    areas: NDArray[np.float64] = (gains * (known + befores)).sum(axis=1) / 2
    return areas
