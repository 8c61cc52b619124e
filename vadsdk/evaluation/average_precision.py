"""Average precision: the area under the precision-recall curve of scored answers.

Legend: N answers (boxes or tubes), K classes, S distinct scores.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from vadsdk.evaluation.conventions import OUR_FRAMES, FrameRules


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class PrecisionRecall:
    """Precision and recall as the score that an answer needs falls from the best to the worst."""

    scores: NDArray[np.float64]
    """(S,) falling; distinct where answers of one score enter together, S = N where they do not."""
    precisions: NDArray[np.float64]
    """(S,) share of right answers among those that score so much or more."""
    recalls: NDArray[np.float64]
    """(S,) share of the ground truth that they find; NaN where there is none."""
    area: Literal["envelope", "trapezoid"] = "envelope"
    """What of the curve the average precision is; see `FrameRules.area`."""
    mean_overlap: float = math.nan
    """Mean overlap of the right answers with what each found; NaN if none is right or known."""

    @property
    def envelope(self) -> NDArray[np.float64]:
        """(S,) best precision at that recall or beyond."""
        return np.maximum.accumulate(self.precisions[::-1])[::-1]

    @property
    def average_precision(self) -> float:
        """Area under the envelope at every recall (PASCAL VOC from 2010 on), or the trapezoids."""
        if not len(self.scores):
            return 0.0
        steps = np.diff(self.recalls, prepend=0.0)
        if self.area == "envelope":
            return float(steps @ self.envelope)
        befores = np.append(1.0, self.precisions[:-1])
        return float(steps @ (self.precisions + befores) / 2)


def precision_recall(
    scores: NDArray[np.floating],
    is_right: NDArray[np.bool_],
    num_ground_truth: int,
    rules: FrameRules = OUR_FRAMES,
) -> PrecisionRecall:
    """Return the curve of N answers.

    Args:
        scores: (N,), in any order.
        is_right: (N,) whether each answer found a ground truth of its own.
        num_ground_truth: how many there were to find.
        rules: how the curve is made; ours unless given.
    """
    order = np.argsort(-scores.astype(np.float64), kind="stable")
    falling = scores.astype(np.float64)[order]
    points = np.arange(len(falling))
    if rules.equal_scores == "together":
        points = np.flatnonzero(np.diff(falling, append=-np.inf))  # the last answer of each score
    num_right = is_right[order].cumsum()[points]
    recalls = np.full(len(num_right), np.nan)
    if num_ground_truth:
        recalls = num_right / (num_ground_truth + rules.recall_epsilon)
    return PrecisionRecall(
        scores=falling[points],
        precisions=_rounded(num_right / (points + 1), rules),
        recalls=_rounded(recalls, rules),
        area=rules.area,
    )


def _rounded(shares: NDArray[np.float64], rules: FrameRules) -> NDArray[np.float64]:
    return shares.astype(rules.precision_dtype).astype(np.float64)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class ClassScores:
    """Average precision of every class at one IoU threshold."""

    labels: tuple[str, ...]
    """Names of the K classes."""
    iou_threshold: float
    """An answer is right when it overlaps its ground truth by this much or more."""
    average_precisions: NDArray[np.float64]
    """(K,) in [0, 1]; NaN for a class without ground truth."""
    num_ground_truth: NDArray[np.int64]
    """(K,) boxes or tubes to find."""
    num_answers: NDArray[np.int64]
    """(K,) boxes or tubes that were predicted."""
    curves: tuple[PrecisionRecall, ...]
    """K curves."""

    @property
    def mean(self) -> float:
        """Mean over the classes that have ground truth; NaN if none has."""
        known = self.average_precisions[np.isfinite(self.average_precisions)]
        return float(known.mean()) if len(known) else float("nan")
