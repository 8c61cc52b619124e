"""Which answers are right: a ground truth belongs to the best-scored answer that overlaps it.

Frames and videos are alike here: places where scored answers meet ground truths.

Legend: N answers, M the most ground truths of any place, K classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from vadsdk.evaluation.average_precision import ClassScores, PrecisionRecall, precision_recall
from vadsdk.evaluation.conventions import OUR_FRAMES, FrameRules

NOBODY = -1
"""Label of a column of `Answers` that stands for no ground truth."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Answers:
    """Scored answers, and how far each overlaps the ground truths of its frame or video."""

    places: NDArray[np.int64]
    """(N,) the place of each answer: answers of one place compete for its ground truths."""
    class_scores: NDArray[np.float64]
    """(N, K): an answer stands for every class that it scores above 0."""
    overlaps: NDArray[np.float64]
    """(N, M) IoU with each ground truth of the answer's place."""
    labels: NDArray[np.int64]
    """(N, M) class of each of those ground truths; `NOBODY` where the place has fewer than M."""


def join_answers(parts: Sequence[Answers], num_classes: int) -> Answers:
    """Return the answers of several videos as one; the places of each stay its own."""
    width = max((part.labels.shape[1] for part in parts), default=0)
    places = [np.zeros(0, np.int64)]
    class_scores = [np.zeros((0, num_classes))]
    overlaps = [np.zeros((0, width))]
    labels = [np.zeros((0, width), np.int64)]
    num_places = 0
    for part in parts:
        missing = ((0, 0), (0, width - part.labels.shape[1]))
        places.append(part.places + num_places)
        class_scores.append(part.class_scores)
        overlaps.append(np.pad(part.overlaps, missing))
        labels.append(np.pad(part.labels, missing, constant_values=NOBODY))
        num_places += int(part.places.max(initial=-1)) + 1
    return Answers(
        places=np.concatenate(places),
        class_scores=np.concatenate(class_scores),
        overlaps=np.concatenate(overlaps),
        labels=np.concatenate(labels),
    )


def match_greedily(
    places: NDArray[np.int64],
    scores: NDArray[np.float64],
    overlaps: NDArray[np.float64],
    iou_threshold: float,
    rules: FrameRules = OUR_FRAMES,
) -> NDArray[np.bool_]:
    """Return for each of N answers whether it finds a ground truth of its own.

    In each place the answers take turns by falling score; each takes, among the ground truths that
    are left, the one it overlaps most, if that is enough. Of equal scores the better overlap goes
    first, so the order of the input decides nothing. Other rules change what they name.

    Args:
        places: (N,).
        scores: (N,).
        overlaps: (N, M), below the threshold where there is nothing to take; the order of the
            columns must depend on the ground truths alone.
        iou_threshold: above 0.
        rules: who is offered what, and what is enough; ours unless given.
    """
    return found_columns(places, scores, overlaps, iou_threshold, rules) >= 0


def found_columns(
    places: NDArray[np.int64],
    scores: NDArray[np.float64],
    overlaps: NDArray[np.float64],
    iou_threshold: float,
    rules: FrameRules = OUR_FRAMES,
) -> NDArray[np.int64]:
    """Return for each of N answers the column of the ground truth it finds, -1 if none.

    The arguments are those of `match_greedily`.
    """
    found = np.full(len(scores), -1)
    if not overlaps.shape[1]:
        return found
    reaches = np.greater if rules.strict_threshold else np.greater_equal
    best = overlaps.max(axis=1)
    able = np.flatnonzero(reaches(best, iou_threshold))  # all others are wrong whoever goes first
    by_turn = [-scores[able], places[able]]
    if rules.equal_scores == "together":
        by_turn = [*overlaps[able].T[::-1], -best[able], *by_turn]
    able = able[np.lexsort(by_turn)]
    _, first_of_place, place = np.unique(places[able], return_index=True, return_inverse=True)
    turns = np.arange(len(able)) - first_of_place[place]
    taken = np.zeros((len(first_of_place), overlaps.shape[1]), np.bool_)
    for turn in range(turns.max(initial=-1) + 1):  # every place at once
        now = np.flatnonzero(turns == turn)
        left = np.where(taken[place[now]], -np.inf, overlaps[able[now]])
        column = (left if rules.rematch else overlaps[able[now]]).argmax(axis=1)
        finds = reaches(left[np.arange(len(now)), column], iou_threshold)
        found[able[now][finds]] = column[finds]
        taken[place[now][finds], column[finds]] = True
    return found


def score_classes(
    answers: Answers,
    num_ground_truth: NDArray[np.int64],
    labels: tuple[str, ...],
    iou_threshold: float,
    rules: FrameRules = OUR_FRAMES,
) -> ClassScores:
    """Return the average precision of every class, matched class by class.

    Args:
        answers: of all places.
        num_ground_truth: (K,) of all places, those without any answer too.
        labels: names of the K classes.
        iou_threshold: in (0, 1].
        rules: how answers are matched and counted; ours unless given.

    Raises:
        ValueError: the threshold is out of range.
    """
    if not 0.0 < iou_threshold <= 1.0:
        raise ValueError(f"iou_threshold must lie in (0, 1], not {iou_threshold}")
    curves = [
        _curve_of_class(answers, index, int(count), iou_threshold, rules)
        for index, count in enumerate(num_ground_truth)
    ]
    averages = [curve.average_precision for curve in curves]
    return ClassScores(
        labels=labels,
        iou_threshold=iou_threshold,
        average_precisions=np.where(num_ground_truth > 0, averages, np.nan),
        num_ground_truth=num_ground_truth,
        num_answers=(answers.class_scores > 0).sum(axis=0),
        curves=tuple(curves),
    )


def _curve_of_class(
    answers: Answers, index: int, num_ground_truth: int, iou_threshold: float, rules: FrameRules
) -> PrecisionRecall:
    """Return the curve of the class at `index`."""
    rows = np.flatnonzero(answers.class_scores[:, index] > 0)
    scores = answers.class_scores[rows, index]
    own = np.where(answers.labels[rows] == index, answers.overlaps[rows], -np.inf)
    columns = found_columns(answers.places[rows], scores, own, iou_threshold, rules)
    is_right = columns >= 0
    curve = precision_recall(scores, is_right, num_ground_truth, rules)
    if not is_right.any():
        return curve
    return replace(curve, mean_overlap=float(own[is_right, columns[is_right]].mean()))
