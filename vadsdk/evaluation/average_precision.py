"""Average precision: the area under the precision-recall curve of scored answers.

Legend: N answers (boxes or tubes), K classes, S distinct scores.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class PrecisionRecall:
    """Precision and recall as the score that an answer needs falls from the best to the worst."""

    scores: NDArray[np.float64]
    """(S,) distinct, falling; answers of one score enter together, whatever their order."""
    precisions: NDArray[np.float64]
    """(S,) share of right answers among those that score so much or more."""
    recalls: NDArray[np.float64]
    """(S,) share of the ground truth that they find; NaN where there is none."""

    @property
    def envelope(self) -> NDArray[np.float64]:
        """(S,) best precision at that recall or beyond."""
        return np.maximum.accumulate(self.precisions[::-1])[::-1]

    @property
    def average_precision(self) -> float:
        """Area under the envelope at every recall (PASCAL VOC from 2010 on)."""
        if not len(self.scores):
            return 0.0
        steps = np.diff(self.recalls, prepend=0.0)
        return float(steps @ self.envelope)


def precision_recall(
    scores: NDArray[np.floating], is_right: NDArray[np.bool_], num_ground_truth: int
) -> PrecisionRecall:
    """Return the curve of N answers.

    Args:
        scores: (N,), in any order.
        is_right: (N,) whether each answer found a ground truth of its own.
        num_ground_truth: how many there were to find.
    """
    order = np.argsort(-scores.astype(np.float64), kind="stable")
    falling = scores.astype(np.float64)[order]
    last_of_score = np.flatnonzero(np.diff(falling, append=-np.inf))
    num_right = is_right[order].cumsum()[last_of_score]
    recalls = num_right / num_ground_truth if num_ground_truth else np.full(len(num_right), np.nan)
    return PrecisionRecall(
        scores=falling[last_of_score], precisions=num_right / (last_of_score + 1), recalls=recalls
    )


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
