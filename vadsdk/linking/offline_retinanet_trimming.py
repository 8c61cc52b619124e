"""3D-RetinaNet's three ways to cut the path of an actor into tubes of actions.

    whole       every action that the actor may be doing, over the whole path
    joint       label smoothing over all actions; what was found is wiped and the rest searched
    per_class   each action against its absence; the actor may do several at a time

Legend: F frames, K classes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from vadsdk.errors import unknown_name
from vadsdk.linking.offline_paths import LinkedPath
from vadsdk.linking.smoothing import label_runs, smooth_labels, smooth_labels_late


@dataclass(frozen=True, kw_only=True, slots=True)
class RetinaTrimming:
    """How a path is cut; the numbers are those of the public runs of 3D-RetinaNet."""

    kind: Literal["whole", "joint", "per_class"] = "joint"
    """In the public code: "none", "dpscores" and "indiv"."""
    max_classes: int = 3
    """Actions of one path, those of highest score; for "joint", how often it is searched."""
    min_boxes: int = 6
    """A path of fewer frames makes no tube."""
    switch_cost: float = 3.0
    """What a change of label costs in `smooth_labels`."""
    min_length: int = 6
    """A run of fewer frames is dropped."""
    median_width: int = 5
    """Frames of the median filter whose peak scales an action's scores, for "per_class"; odd."""
    released: bool = False
    """Read smoothed labels off one frame late, as the released code does."""

    def __post_init__(self) -> None:
        if self.kind not in _KINDS:
            raise unknown_name("kind of trimming", self.kind, _KINDS)
        if not 0.0 <= self.switch_cost < np.inf:
            raise ValueError(f"switch_cost must be 0 or more, not {self.switch_cost}")
        for name in ("max_classes", "min_boxes", "min_length"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be 1 or more, not {getattr(self, name)}")
        if self.median_width < 1 or self.median_width % 2 == 0:
            raise ValueError(f"median_width must be odd and positive, not {self.median_width}")


def retinanet_trimming(
    path: LinkedPath, settings: RetinaTrimming | None = None
) -> list[LinkedPath]:
    """Return the tubes of one actor's path, gaps filled, each with its class and score."""
    settings = settings or RetinaTrimming()
    return _KINDS[settings.kind](path, settings) if len(path) >= settings.min_boxes else []


def _whole(path: LinkedPath, settings: RetinaTrimming) -> list[LinkedPath]:
    return [
        _part(path, slice(0, len(path)), class_index, path.class_scores[:, class_index].max())
        for class_index in _best_classes(path, settings)
    ]


def _joint(path: LinkedPath, settings: RetinaTrimming) -> list[LinkedPath]:
    scores = path.class_scores.copy()
    parts = []
    for _ in range(settings.max_classes):
        for frames, label in _runs(scores, settings):
            parts.append(_part(path, frames, label, scores[frames, label].mean()))
            scores[frames, label] = 0
    return parts


def _per_class(path: LinkedPath, settings: RetinaTrimming) -> list[LinkedPath]:
    parts = []
    for class_index in _best_classes(path, settings):
        scores = path.class_scores[:, class_index]
        padded = np.pad(scores, settings.median_width // 2)
        windows = sliding_window_view(padded, settings.median_width)
        peak = np.median(windows, axis=1).max()
        if peak <= 0:
            continue
        relative = scores / peak
        for frames, label in _runs(np.stack([relative, 1 - relative], axis=1), settings):
            if label == 0:
                falling = np.sort(scores[frames])[::-1]
                upper_half = falling[: max(1, len(falling) // 2)]
                parts.append(_part(path, frames, class_index, upper_half.mean()))
    return parts


_KINDS = {"whole": _whole, "joint": _joint, "per_class": _per_class}


def _best_classes(path: LinkedPath, settings: RetinaTrimming) -> list[int]:
    peaks = path.class_scores.max(axis=0)
    best: list[int] = np.argsort(-peaks, kind="stable")[: settings.max_classes].tolist()
    return best


def _runs(scores: NDArray[np.float64], settings: RetinaTrimming) -> list[tuple[slice, int]]:
    """Return the frames and the label of each smoothed run that is long enough."""
    if settings.released:
        labels = smooth_labels_late(scores, settings.switch_cost)
    else:
        labels = smooth_labels(scores, settings.switch_cost).labels
    return [
        (slice(run.start, run.stop), run.label)
        for run in label_runs(labels)
        if len(run) >= settings.min_length
    ]


def _part(path: LinkedPath, frames: slice, class_index: int, score: float) -> LinkedPath:
    part = path.part(frames)
    return replace(
        part,
        class_index=class_index,
        scores=part.class_scores[:, class_index],
        score=float(score),
    )
