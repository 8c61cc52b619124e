"""From when to when an actor acts: hysteresis on his scores, and the cut of a finished tube.

    best class score     ....###################............#######
    its moving average   ....++##################+++..........++###
                                                    ^ under end_ratio * level: the tube ends
                                                              ^ over start_ratio * level: a new one
    tubes                    |==================|             |=====
                                                ^ cut back to the last frame that scored so much

The level is the peak of the moving average, slowly forgotten, so that nothing depends on how
confident a model is in absolute terms.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vadsdk.linking.spec import LinkingSpec


class ActionLevel:
    """The smoothed class scores of one actor and the level that they are measured against."""

    __slots__ = ("_num_observed", "_spec", "level", "smoothed_scores")

    def __init__(self, class_scores: NDArray[np.float32], spec: LinkingSpec) -> None:
        self._spec = spec
        self._num_observed = 1
        self.smoothed_scores: NDArray[np.float64] = class_scores.astype(np.float64)
        """(K,) moving average."""
        self.level = self.best_score
        """Peak of `best_score`, forgotten with `level_half_life_frames`."""

    @property
    def best_score(self) -> float:
        """Smoothed score of the best class."""
        return float(self.smoothed_scores.max())

    @property
    def cut_score(self) -> float:
        """Below this, the actor is not acting."""
        return self._spec.end_ratio * self.level

    @property
    def has_stopped(self) -> bool:
        """Whether an acting actor does not act any more."""
        return self.best_score < self.cut_score

    @property
    def has_resumed(self) -> bool:
        """Whether an actor who had stopped acts again."""
        threshold = max(self._spec.birth_score, self._spec.start_ratio * self.level)
        return self.best_score >= threshold

    def observe(self, class_scores: NDArray[np.float32], elapsed_frames: int) -> None:
        """Take in the (K,) scores of a detection `elapsed_frames` after the last one."""
        self._num_observed += 1
        weight = new_weight(self._num_observed, elapsed_frames, self._spec.score_half_life_frames)
        self.smoothed_scores += weight * (class_scores - self.smoothed_scores)
        kept = 0.5 ** (elapsed_frames / self._spec.level_half_life_frames)
        self.level = max(self.best_score, kept * self.level)

    def replaces(self, class_index: int) -> bool:
        """Whether another action clearly outscores this one at present."""
        return float(self.smoothed_scores[class_index]) < self._spec.switch_ratio * self.best_score


def new_weight(num_observed: int, elapsed_frames: int, half_life_frames: float) -> float:
    """Return a new value's weight in an average: first a plain one, then one with a half-life."""
    forgotten: float = 1.0 - 0.5 ** (elapsed_frames / half_life_frames)
    return max(1.0 / num_observed, forgotten)


def acting_range(best_scores: NDArray[np.float32], cut_score: float) -> slice:
    """Return the part of a tube from the first to the last frame that scores `cut_score`.

    Args:
        best_scores: (F,) best class score of each frame.
        cut_score: see `ActionLevel.cut_score`.
    """
    acting = np.flatnonzero(best_scores >= cut_score)
    return slice(int(acting[0]), int(acting[-1]) + 1) if acting.size else slice(0, 0)
