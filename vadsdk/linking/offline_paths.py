"""Linked paths: what every offline linker makes, and tubes are cut from.

Legend: F frames of a path, K classes, P paths.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from vadsdk.evaluation.overlaps import tube_iou
from vadsdk.structures import Tube

FILLED = -1
"""`rows` value of a frame in which nothing was found: its box was copied or interpolated."""
ANY_CLASS = -1
"""`class_index` of a path that was linked whatever its actor does."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class LinkedPath:
    """One actor followed through a video, before and after it is trimmed to an action."""

    class_index: int
    """The action; `ANY_CLASS` where actors are linked whatever they do."""
    frame_indices: NDArray[np.int64]
    """(F,) strictly increasing; without holes once gaps are filled."""
    rows: NDArray[np.int64]
    """(F,) row of the frame's detections, or `FILLED`. The first tubelet's, for tubelets."""
    boxes_xyxy: NDArray[np.float64]
    """(F, 4) pixels of the source frame, max edge exclusive."""
    scores: NDArray[np.float64]
    """(F,) what the linker looked at: the class's score, or how sure it is of an actor."""
    class_scores: NDArray[np.float64]
    """(F, K) scores of all classes, as detected."""
    score: float
    """What the linker ranks its paths by."""

    def __len__(self) -> int:
        """Return F."""
        return len(self.frame_indices)

    def part(self, frames: slice | NDArray[np.bool_] | NDArray[np.intp]) -> LinkedPath:
        """Return some of the path's frames, at least one; its score is the mean over these."""
        return replace(
            self,
            frame_indices=self.frame_indices[frames],
            rows=self.rows[frames],
            boxes_xyxy=self.boxes_xyxy[frames],
            scores=self.scores[frames],
            class_scores=self.class_scores[frames],
            score=float(self.scores[frames].mean()),
        )


class PathBuilder:
    """A path that is still being followed; it knows the mean of its best scores at any time."""

    def __init__(self, class_index: int, num_best: int) -> None:
        """Begin an empty path whose `order_score` is the mean of its `num_best` highest scores."""
        self._class_index = class_index
        self._num_best = num_best
        self._best: list[float] = []
        self._class_scores: list[NDArray[np.float64]] = []
        self.frame_indices: list[int] = []
        self.rows: list[int] = []
        self.boxes_xyxy: list[NDArray[np.float64]] = []
        self.scores: list[float] = []
        self.num_missed = 0
        """Frames since the last detection."""

    def __len__(self) -> int:
        """Return how many detections the path has."""
        return len(self.rows)

    @property
    def order_score(self) -> float:
        """Mean of the highest scores."""
        return sum(self._best) / len(self._best)

    def append(
        self,
        frame_index: int,
        row: int,
        box_xyxy: NDArray[np.float64],
        score: float,
        class_scores: NDArray[np.float64],
    ) -> None:
        """Take in the detection of the next frame."""
        self.frame_indices.append(frame_index)
        self.rows.append(row)
        self.boxes_xyxy.append(box_xyxy)
        self.scores.append(score)
        self._class_scores.append(class_scores)
        insort(self._best, score)
        del self._best[: -self._num_best]
        self.num_missed = 0

    def build(self) -> LinkedPath:
        """Return the path with its holes; its score is the mean."""
        return LinkedPath(
            class_index=self._class_index,
            frame_indices=np.array(self.frame_indices, np.int64),
            rows=np.array(self.rows, np.int64),
            boxes_xyxy=np.stack(self.boxes_xyxy),
            scores=np.array(self.scores),
            class_scores=np.stack(self._class_scores),
            score=sum(self.scores) / len(self.scores),
        )


def fill_with_next(path: LinkedPath) -> LinkedPath:
    """Fill each hole with copies of the box and scores after it, as ROAD does.

    frames   4 5 . . 8      ->  4 5 8 8 8
    """
    frames = np.arange(path.frame_indices[0], path.frame_indices[-1] + 1)
    source = np.searchsorted(path.frame_indices, frames)
    filled = path.part(source)
    found = path.frame_indices[source] == frames
    return replace(filled, frame_indices=frames, rows=np.where(found, filled.rows, FILLED))


def fill_linearly(path: LinkedPath) -> LinkedPath:
    """Fill each hole by linear interpolation of the box and of all scores."""
    known = path.frame_indices
    frames = np.arange(known[0], known[-1] + 1)

    def between(values: NDArray[np.float64]) -> NDArray[np.float64]:
        columns = [np.interp(frames, known, column) for column in values.T]
        return np.stack(columns, axis=1)

    rows = np.full(len(frames), FILLED, np.int64)
    rows[known - known[0]] = path.rows
    return replace(
        path,
        frame_indices=frames,
        rows=rows,
        boxes_xyxy=between(path.boxes_xyxy),
        scores=np.interp(frames, known, path.scores),
        class_scores=between(path.class_scores),
    )


def path_nms(
    paths: Sequence[LinkedPath], iou_threshold: float, *, inclusive: bool = False
) -> list[int]:
    """Return the indices of the paths that repeat no better one, by falling score.

    Args:
        paths: of one class.
        iou_threshold: a spatio-temporal IoU (`tube_iou`) above this removes a path; in [0, 1].
        inclusive: the max edge is a box's last pixel, as in `box_iou`.
    """
    edge = np.array([0.0, 0.0, 1.0, 1.0]) if inclusive else np.zeros(4)
    tubes = [path_tube(replace(path, boxes_xyxy=path.boxes_xyxy + edge)) for path in paths]
    kept: list[int] = []
    for index in np.argsort([-path.score for path in paths], kind="stable").tolist():
        if all(tube_iou(tubes[index], tubes[better]) <= iou_threshold for better in kept):
            kept.append(index)
    return kept


def path_tube(path: LinkedPath, label: str = "") -> Tube:
    """Return a path as a tube that has neither an id nor times yet.

    It carries no scores of other classes: their tubes are linked by themselves, and an evaluation
    would count an actor twice.
    """
    return Tube(
        id=0,
        label=label,
        score=path.score,
        frame_indices=path.frame_indices,
        boxes_xyxy=path.boxes_xyxy.astype(np.float32),
    )
