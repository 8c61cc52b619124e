"""Cutting a path through the whole video to the parts in which its action takes place.

    frame       0 1 2 3 4 5 6 7 8 9
    score       9 8 . 9 8 . . 1 1 0         `.`: nothing was found, which counts 0
    smoothed    + + + + + - - - - -         acting or not, when a change costs
    tube        |-------|                   ends where it was found, gaps interpolated

Legend: F frames, K classes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from vadsdk.boxes import box_iou
from vadsdk.linking.offline_paths import FILLED, LinkedPath, fill_linearly
from vadsdk.linking.smoothing import label_runs, smooth_labels


@dataclass(frozen=True, kw_only=True, slots=True)
class ActionTrimming:
    """How a path is cut to its action."""

    jump_iou: float = 0.1
    """Where the boxes found before and after overlap less, another actor begins: the path is split.
    (The least IoU that ROAD links.)"""
    median_width: int = 5
    """Frames of the median filter whose peak is the path's level (3D-RetinaNet); odd."""
    end_ratio: float = 0.25
    """An actor who scores less than this share of the level is not acting, as online."""
    max_gap_frames: int = 15
    """Longest run of frames without a detection that is bridged, as online; so an action of little
    more evidence than `end_ratio` must last for long to count."""
    min_length: int = 8
    """A tube of fewer frames is dropped as noise, as online."""

    def __post_init__(self) -> None:
        if not 0.0 <= self.jump_iou <= 1.0:
            raise ValueError(f"jump_iou must lie in [0, 1], not {self.jump_iou}")
        if self.median_width < 1 or self.median_width % 2 == 0:
            raise ValueError(f"median_width must be odd and positive, not {self.median_width}")
        if not 0.0 < self.end_ratio <= 1.0:
            raise ValueError(f"end_ratio must lie in (0, 1], not {self.end_ratio}")
        if self.max_gap_frames < 0:
            raise ValueError(f"max_gap_frames must be 0 or more, not {self.max_gap_frames}")
        if self.min_length < 1:
            raise ValueError(f"min_length must be 1 or more, not {self.min_length}")


def trim_to_action(path: LinkedPath, settings: ActionTrimming | None = None) -> list[LinkedPath]:
    """Return the parts of a path in which its action takes place, in order, gaps interpolated.

    Scores are measured against the path's own level, so that nothing depends on how confident a
    model is in absolute terms. A part's score is the mean over its frames, where one without a
    detection counts 0, as in the online linker.

    Args:
        path: of one class; boxes of frames that are `FILLED` are ignored.
        settings: ours by default.
    """
    settings = settings or ActionTrimming()
    found = path.part(path.rows != FILLED) if (path.rows != FILLED).any() else None
    if found is None:
        return []
    overlaps = box_iou(found.boxes_xyxy[:-1], found.boxes_xyxy[1:])
    cuts = np.flatnonzero(overlaps < settings.jump_iou) + 1
    pieces = np.split(np.arange(len(found)), cuts)
    return [part for piece in pieces for part in _acting_parts(found.part(piece), settings)]


def _acting_parts(found: LinkedPath, settings: ActionTrimming) -> list[LinkedPath]:
    """Return the acting parts of one actor's path, which has holes where he was not found."""
    first = found.frame_indices[0]
    positions = found.frame_indices - first
    scores = np.zeros(int(positions[-1]) + 1)
    scores[positions] = found.scores
    cut_score = settings.end_ratio * _level(scores, settings.median_width)
    if cut_score <= 0:
        return []
    evidence = np.stack([scores / cut_score, np.ones_like(scores)], axis=1)  # acting, or not
    # A frame without a detection is worth 1 to the second label, and a gap changes labels twice.
    labels = smooth_labels(evidence, settings.max_gap_frames / 2).labels
    parts = []
    for run in label_runs(labels):
        inside = (positions >= run.start) & (positions < run.stop)
        if run.label or not inside.any():
            continue
        part = found.part(inside)
        length = int(part.frame_indices[-1] - part.frame_indices[0]) + 1
        if length >= settings.min_length:
            parts.append(_filled(part, length))
    return parts


def _level(scores: NDArray[np.float64], median_width: int) -> float:
    """Return the highest running median, which single frames cannot raise."""
    width = min(median_width, len(scores))
    return float(np.median(sliding_window_view(scores, width), axis=1).max())


def _filled(part: LinkedPath, length: int) -> LinkedPath:
    """Return a part with its gaps interpolated and scoring 0."""
    filled = fill_linearly(part)
    missed = filled.rows == FILLED
    return replace(
        filled,
        scores=np.where(missed, 0, filled.scores),
        class_scores=np.where(missed[:, None], 0, filled.class_scores),
        score=float(part.scores.sum() / length),
    )
