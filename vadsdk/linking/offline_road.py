"""ROAD's linking: each class by itself, frame by frame, best paths first, short gaps bridged.

    frame        1 2 3 4 5 6 7 8 9
    detections   # # . . # # . . .      two missed frames running are bridged,
    path         # # = = # #            with the third the path dies

Singh et al. 2017, section 3.4; the order score, the limits and the filling of gaps are those of the
public code.

Legend: F frames, N boxes of a frame, M open paths, K classes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from vadsdk.boxes import box_iou, nms
from vadsdk.linking.offline_detections import VideoDetections
from vadsdk.linking.offline_paths import LinkedPath, PathBuilder, fill_with_next
from vadsdk.linking.smoothing import label_runs, smooth_labels


@dataclass(frozen=True, kw_only=True, slots=True)
class RoadLinking:
    """How ROAD links; the numbers are those of its public code."""

    min_box_score: float = 0.001
    """A box takes part in the linking of a class that it scores above this."""
    max_before_nms: int = 50
    """Boxes of one frame and class that NMS sees, the best."""
    nms_iou: float = 0.45
    """A box that overlaps a better one of its frame by more is dropped."""
    max_per_frame: int = 10
    """Boxes of one frame and class that take part after NMS, the best."""
    link_iou: float = 0.1
    """Least IoU of a path's last box and the one that continues it."""
    max_missed: int = 3
    """A path dies when so many frames running had no box for it."""
    num_order_scores: int = 4
    """Paths are visited by falling mean of so many of their highest scores."""
    min_boxes: int = 4
    """A path of fewer boxes is dropped."""
    num_rank_scores: int = 20
    """A path's score is the mean of so many of its highest scores, gaps filled."""
    released: bool = False
    """Do as the released code: for linking, the max edge is a box's last pixel; for NMS, not."""

    def __post_init__(self) -> None:
        for name in ("nms_iou", "link_iou"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise ValueError(f"{name} must lie in [0, 1], not {getattr(self, name)}")
        counts = ("max_before_nms", "max_per_frame", "max_missed", "num_order_scores", "min_boxes")
        for name in (*counts, "num_rank_scores"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be 1 or more, not {getattr(self, name)}")


@dataclass(frozen=True, kw_only=True, slots=True)
class RoadTrimming:
    """How ROAD cuts a path to its action; the numbers are those of its public code."""

    switch_cost: float = 3.0
    """What a change of label costs in `smooth_labels`."""
    min_length: int = 10
    """A run of fewer frames is dropped."""
    num_rank_scores: int = 40
    """A tube's score is the mean of so many of the highest scores of its frames."""

    def __post_init__(self) -> None:
        if not 0.0 <= self.switch_cost < np.inf:
            raise ValueError(f"switch_cost must be 0 or more, not {self.switch_cost}")
        for name in ("min_length", "num_rank_scores"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be 1 or more, not {getattr(self, name)}")


class RoadLinker:
    """The paths of one class after each frame; the loop is the caller's."""

    def __init__(self, class_index: int, settings: RoadLinking | None = None) -> None:
        self._class_index = class_index
        self._settings = settings or RoadLinking()
        self._frame = -1
        self._dead: list[PathBuilder] = []
        self.live: list[PathBuilder] = []
        """The open paths in the order in which the next frame will visit them."""
        self.died: list[PathBuilder] = []
        """The paths that the last frame ended, short ones among them."""
        self.kept_rows = np.zeros(0, np.intp)
        """Rows of the last frame that were left to link, by falling score."""

    def update(self, boxes_xyxy: NDArray[np.float64], class_scores: NDArray[np.float64]) -> None:
        """Link the next frame.

        Args:
            boxes_xyxy: (N, 4).
            class_scores: (N, K).
        """
        self._frame += 1
        scores = class_scores[:, self._class_index]
        rows = self.kept_rows = self._filter(boxes_xyxy, scores)
        free = self._continue(boxes_xyxy, class_scores, rows)
        order = np.argsort([-path.order_score for path in self.live], kind="stable")
        paths = [self.live[index] for index in order]
        longest = self._settings.max_missed
        self.died = [path for path in paths if path.num_missed >= longest]
        self._dead += self.died
        self.live = [path for path in paths if path.num_missed < longest]
        for row in rows[free].tolist():
            path = PathBuilder(self._class_index, self._settings.num_order_scores)
            path.append(self._frame, row, boxes_xyxy[row], float(scores[row]), class_scores[row])
            self.live.append(path)

    def finish(self) -> list[LinkedPath]:
        """Return all paths that are long enough, gaps filled, by falling score."""
        paths = []
        for builder in self.live + self._dead:
            if len(builder) >= self._settings.min_boxes:
                path = fill_with_next(builder.build())
                score = _mean_of_best(path.scores, self._settings.num_rank_scores)
                paths.append(replace(path, score=score))
        return sorted(paths, key=lambda path: -path.score)

    def _filter(
        self, boxes_xyxy: NDArray[np.float64], scores: NDArray[np.float64]
    ) -> NDArray[np.intp]:
        settings = self._settings
        rows = np.flatnonzero(scores > settings.min_box_score)
        best = np.argsort(-scores[rows], kind="stable")[: settings.max_before_nms]
        rows = rows[best]
        kept: NDArray[np.intp] = rows[nms(boxes_xyxy[rows], scores[rows], settings.nms_iou)]
        return kept[: settings.max_per_frame]

    def _continue(
        self,
        boxes_xyxy: NDArray[np.float64],
        class_scores: NDArray[np.float64],
        rows: NDArray[np.intp],
    ) -> NDArray[np.bool_]:
        """Continue the open paths; return which of the rows are left."""
        free = np.ones(len(rows), np.bool_)
        if not self.live:
            return free
        last = np.stack([path.boxes_xyxy[-1] for path in self.live])  # (M, 4)
        inclusive = self._settings.released
        overlaps = box_iou(last[:, None], boxes_xyxy[rows][None], inclusive=inclusive)  # (M, N)
        for path, overlap in zip(self.live, overlaps, strict=True):
            fits = free & (overlap >= self._settings.link_iou)
            if not fits.any():
                path.num_missed += 1
                continue
            taken = int(fits.argmax())  # rows come by falling score
            free[taken] = False
            row = int(rows[taken])
            score = float(class_scores[row, self._class_index])
            path.append(self._frame, row, boxes_xyxy[row], score, class_scores[row])
        return free


def road_linking(
    detections: VideoDetections, class_index: int, settings: RoadLinking | None = None
) -> list[LinkedPath]:
    """Return the paths of one class, gaps filled, by falling score; they are not trimmed yet.

    Args:
        detections: of one video.
        class_index: in [0, K).
        settings: those of the public code by default.

    Raises:
        ValueError: a class out of range.
    """
    if not 0 <= class_index < detections.num_classes:
        raise ValueError(f"class_index must lie in [0, {detections.num_classes}): {class_index}")
    linker = RoadLinker(class_index, settings)
    for boxes, scores in zip(detections.boxes_xyxy, detections.class_scores, strict=True):
        linker.update(boxes, scores)
    return linker.finish()


def road_trimming(path: LinkedPath, settings: RoadTrimming | None = None) -> list[LinkedPath]:
    """Return the parts of a path, gaps filled, whose smoothed label is the path's class."""
    settings = settings or RoadTrimming()
    labels = smooth_labels(path.class_scores, settings.switch_cost).labels
    parts = []
    for run in label_runs(labels):
        if run.label == path.class_index and len(run) >= settings.min_length:
            part = path.part(slice(run.start, run.stop))
            score = _mean_of_best(part.scores, settings.num_rank_scores)
            parts.append(replace(part, score=score))
    return parts


def _mean_of_best(scores: NDArray[np.float64], count: int) -> float:
    return float(np.sort(scores)[::-1][:count].mean())
