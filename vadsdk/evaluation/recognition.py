"""How good a recogniser is: top-1, top-5 and the confusions between classes.

Legend: N clips or videos, K classes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vadsdk.errors import ConfigError, DatasetError


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class RecognitionScores:
    """What the class scores of N clips are worth."""

    labels: tuple[str, ...]
    """Names of the K classes."""
    ranks: NDArray[np.int64]
    """(N,) how many classes a clip scores above its true one: 0 where the best class is right."""
    confusions: NDArray[np.int64]
    """(K, K) clips by true class (row) and best-scored class (column)."""

    @property
    def num_videos(self) -> int:
        """N."""
        return len(self.ranks)

    @property
    def top_1(self) -> float:
        """Share of clips whose best class is the true one; NaN without clips."""
        return self.top(1)

    @property
    def top_5(self) -> float:
        """Share of clips whose true class is among the best five; 1 if there are no more."""
        return self.top(5)

    def top(self, num_best: int) -> float:
        """Return the share of clips whose true class is among the best `num_best`.

        Raises:
            ConfigError: `num_best` is below 1.
        """
        if num_best < 1:
            raise ConfigError(f"num_best counts classes from 1 on, not {num_best}")
        return float((self.ranks < num_best).mean()) if len(self.ranks) else math.nan

    @property
    def class_accuracies(self) -> NDArray[np.float64]:
        """(K,) top-1 accuracy among the clips of each class; NaN for a class without any."""
        counts = self.confusions.sum(axis=1)
        return np.where(counts > 0, self.confusions.diagonal() / counts.clip(1), np.nan)

    @property
    def mean_class_accuracy(self) -> float:
        """Mean over the classes that occur, so that rare ones count alike; NaN without clips."""
        accuracies = self.class_accuracies
        known = accuracies[np.isfinite(accuracies)]
        return float(known.mean()) if len(known) else math.nan

    def table(self) -> list[tuple[str, ...]]:
        """Return header, a row a class, and the mean over classes; accuracies in percent."""
        counts = self.confusions.sum(axis=1)
        rows = [
            (label, str(count), _percent(accuracy))
            for label, count, accuracy in zip(
                self.labels, counts.tolist(), self.class_accuracies.tolist(), strict=True
            )
        ]
        mean = ("mean", str(self.num_videos), _percent(self.mean_class_accuracy))
        return [("class", "videos", "accuracy"), *rows, mean]

    def to_json(self) -> dict[str, object]:
        """Return the scores for `scores.json`; null for a class without videos."""
        accuracies = zip(self.labels, self.class_accuracies.tolist(), strict=True)
        return {
            "num_videos": self.num_videos,
            "top_1": self.top_1,
            "top_5": self.top_5,
            "mean_class_accuracy": self.mean_class_accuracy,
            "class_accuracies": {n: None if math.isnan(a) else a for n, a in accuracies},
            "confusions": self.confusions.tolist(),
        }


def score_recognition(
    class_scores: NDArray[np.floating], true_classes: NDArray[np.integer], labels: Sequence[str]
) -> RecognitionScores:
    """Compare the class scores of N clips with their true classes.

    Of classes with equal scores the first by index ranks best, as it does for `argmax`.

    Args:
        class_scores: (N, K) in any unit: logits or probabilities.
        true_classes: (N,) indices into `labels`.
        labels: names of the K classes, in the order of the scores.

    Raises:
        DatasetError: shapes that do not fit, a score that is not finite, a class out of range.
    """
    count, num_classes = len(true_classes), len(labels)
    _check(class_scores, true_classes, num_classes)
    own = class_scores[np.arange(count), true_classes][:, None]
    is_earlier = np.arange(num_classes) < true_classes[:, None]
    is_before = (class_scores > own) | ((class_scores == own) & is_earlier)  # (N, K)
    confusions = np.zeros((num_classes, num_classes), np.int64)
    if count:
        np.add.at(confusions, (true_classes, class_scores.argmax(axis=1)), 1)
    return RecognitionScores(
        labels=tuple(labels), ranks=is_before.sum(axis=1), confusions=confusions
    )


def _percent(share: float) -> str:
    return "-" if math.isnan(share) else f"{100 * share:.1f}"


def _check(
    class_scores: NDArray[np.floating], true_classes: NDArray[np.integer], num_classes: int
) -> None:
    if true_classes.ndim != 1 or class_scores.shape != (len(true_classes), num_classes):
        raise DatasetError(
            f"{num_classes} labels need true_classes (N,) and class_scores (N, {num_classes}), "
            f"not {true_classes.shape} and {class_scores.shape}"
        )
    if not np.issubdtype(true_classes.dtype, np.integer):
        raise DatasetError(f"true_classes are indices, so integers, not {true_classes.dtype}")
    broken = np.flatnonzero(~np.isfinite(class_scores).all(axis=1))
    if len(broken):
        raise DatasetError(
            f"clip {broken[0]} has a class score that is not finite; look for what made it so, as "
            "it has no rank"
        )
    strangers = np.flatnonzero((true_classes < 0) | (true_classes >= num_classes))
    if len(strangers):
        raise DatasetError(
            f"clip {strangers[0]} has class {true_classes[strangers[0]]}, but {num_classes} labels "
            f"allow 0 to {num_classes - 1}; count classes from 0"
        )
