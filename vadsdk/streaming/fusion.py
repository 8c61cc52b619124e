"""What several overlapping windows say of one frame, made one.

    frame        0   1   2   3   4   5   6   7   8 ...
    window 0     x-->.<--x-->.<--x-->.<--x-->.        logits: linear in time between the x,
    window 4                     x-->.<--x-->.<--x    the nearest x outside of them
    frame 5                          |                probabilities and class scores: their mean

Legend: K classes, T clip frames, h x w of the model's maps, F frames of a window.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MAX_LOGIT = 30.0
"""Clamp of the logits; exp stays finite in float32 and 1 - sigmoid(30) is 1e-13."""


@dataclass(slots=True)
class _Sum:
    num_windows: int
    class_scores: NDArray[np.float32]
    mask_probabilities: NDArray[np.float32]


class WindowFusion:
    """Adds up windows and hands frames out once; holds sums for at most `span` frames at a time.

    Windows must come in the order of their starts. A window does not change frames that are final,
    whether they were taken or not, so the results do not depend on when they are taken.
    """

    def __init__(self, *, span: int, hop: int) -> None:
        self._span = span
        self._hop = hop
        self._sums: dict[int, _Sum] = {}
        self.num_final = 0
        """Frames before this one are final: no regular window to come speaks for them."""

    def add(
        self,
        positions: NDArray[np.int64],
        class_scores: NDArray[np.float32],
        mask_logits: NDArray[np.float32],
    ) -> None:
        """Add one window.

        Args:
            positions: (T,) frames that the clip shows; the window's span begins with the first.
            class_scores: (K,) in [0, 1].
            mask_logits: (T, h, w).
        """
        start = int(positions[0])
        frames = range(max(start, self.num_final), start + self._span)
        probabilities = sigmoid(interpolate_in_time(mask_logits, positions, frames))
        for frame, frame_probabilities in zip(frames, probabilities, strict=True):
            known = self._sums.get(frame)
            if known is None:
                # Copies: a view would keep the whole window alive, or the model's own buffer.
                self._sums[frame] = _Sum(1, class_scores.copy(), frame_probabilities.copy())
            else:
                known.num_windows += 1
                known.class_scores = known.class_scores + class_scores
                known.mask_probabilities += frame_probabilities
        self.num_final = max(self.num_final, start + self._hop)

    def take(self, position: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return a frame's (K,) class scores and (h, w) mask probabilities, and forget them."""
        entry = self._sums.pop(position)
        count = np.float32(entry.num_windows)
        return entry.class_scores / count, entry.mask_probabilities / count


def interpolate_in_time(
    mask_logits: NDArray[np.float32], positions: NDArray[np.int64], frames: range
) -> NDArray[np.float32]:
    """Return the (F, h, w) logits at `frames`: linear between clip frames, the nearest outside.

    Args:
        mask_logits: (T, h, w).
        positions: (T,) frames that they belong to, never decreasing; of equal ones the last counts.
        frames: F frames, none before the first position.
    """
    times = np.asarray(frames)
    lower = np.searchsorted(positions, times, side="right") - 1  # (F,) last clip frame not after
    upper = np.minimum(lower + 1, len(positions) - 1)
    gap = np.maximum(positions[upper] - positions[lower], 1)
    # Where upper is lower (after the last clip frame), any weight gives the nearest.
    weight = ((times - positions[lower]) / gap).clip(0, 1).astype(np.float32)[:, None, None]
    below = mask_logits[lower].astype(np.float32, copy=False)
    logits: NDArray[np.float32] = below + weight * (mask_logits[upper] - below)
    return logits


def sigmoid(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return 1 / (1 + exp(-x)) in float32, without overflow."""
    values: NDArray[np.float32] = np.clip(-logits, -MAX_LOGIT, MAX_LOGIT, dtype=np.float32)
    np.exp(values, out=values)
    values += 1
    return np.reciprocal(values, out=values)
