"""Temporal label smoothing: which action each frame of a path shows, when changing its mind costs.

    best class of the frame    a a b a a a b b a b b b
    smoothed labels            a a a a a a b b b b b b

Labels l_1..l_F are those of largest sum of scores[t, l_t] - switch_cost * [l_t != l_t-1] (Saha et
al. 2016, section 3.3; Singh et al. 2017, ROAD, section 3.4).

Legend: F frames, K classes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class SmoothedLabels:
    """The best labels, and what they are read from."""

    labels: NDArray[np.int64]
    """(F,) class of each frame."""
    accumulated: NDArray[np.float64]
    """(F, K) largest sum of all label sequences up to a frame that end in a class."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LabelRun:
    """Frames running with one label."""

    label: int
    start: int
    """First position."""
    stop: int
    """One past the last position."""

    def __len__(self) -> int:
        """Return the number of frames."""
        return self.stop - self.start


def smooth_labels(scores: NDArray[np.floating], switch_cost: float) -> SmoothedLabels:
    """Return the labels of largest total score less `switch_cost` for every change of label.

    Takes time and memory of F * K: whatever the new label, the best one to come from is the same
    one or the best of all. Of equally good labels the first is taken.

    Args:
        scores: (F, K).
        switch_cost: 0 or more; at 0 each frame gets its best label.

    Raises:
        ValueError: scores that are not (F, K) or not finite, or a negative cost.
    """
    if scores.ndim != 2 or not scores.size or not np.isfinite(scores).all():
        raise ValueError(f"scores is (F, K), finite and not empty; its shape is {scores.shape}")
    if not 0.0 <= switch_cost < np.inf:
        raise ValueError(f"switch_cost must be 0 or more, not {switch_cost}")
    num_frames, num_classes = scores.shape
    accumulated = np.array(scores, np.float64)
    classes = np.arange(num_classes)
    origins = np.zeros((num_frames, num_classes), np.int64)
    for frame in range(1, num_frames):
        before = accumulated[frame - 1]
        best = int(before.argmax())
        switched = before[best] - switch_cost
        accumulated[frame] += np.maximum(before, switched)
        comes_from = np.where(before > switched, classes, best)
        origins[frame] = np.where(before == switched, np.minimum(classes, best), comes_from)
    labels = np.zeros(num_frames, np.int64)
    labels[-1] = accumulated[-1].argmax()
    for frame in range(num_frames - 1, 0, -1):
        labels[frame - 1] = origins[frame, labels[frame]]
    return SmoothedLabels(labels=labels, accumulated=accumulated)


def smooth_labels_late(scores: NDArray[np.floating], switch_cost: float) -> NDArray[np.int64]:
    """Return the (F,) labels as the released 3D-RetinaNet finds them: one frame late.

    Its trace back is off by one, so that the last frame has no influence and the first label comes
    twice. For reproducing its numbers only; the arguments are those of `smooth_labels`.
    """
    if len(scores) < 2:
        return smooth_labels(scores, switch_cost).labels
    labels = smooth_labels(scores[:-1], switch_cost).labels
    return np.concatenate([labels[:1], labels])


def label_runs(labels: NDArray[np.int64]) -> list[LabelRun]:
    """Return the runs of equal labels, in order; together they cover all frames."""
    if not len(labels):
        return []
    cuts = np.flatnonzero(np.diff(labels)) + 1
    starts, stops = [0, *cuts.tolist()], [*cuts.tolist(), len(labels)]
    return [
        LabelRun(label=int(labels[start]), start=start, stop=stop)
        for start, stop in zip(starts, stops, strict=True)
    ]
