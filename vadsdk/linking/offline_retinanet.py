"""3D-RetinaNet's linking: actors whatever they do, in one pass, gaps bridged by extrapolation.

    frame        1 2 3 4 5 6 7 8 9
    detections   # # . . . # # . .      a gap may be `max_gap` frames long at most, then the
    path         # # = = = # #          path is dead; gaps are filled by interpolation

How sure the network is of an actor (agentness) is taken as the sum of his class scores. Frames
without any box are not looked at. After the public code of Singh et al. 2022 (ROAD data set); its
defects are left out unless asked for.

Legend: F frames, N boxes of a frame, M open paths, K classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from vadsdk.boxes import box_iou
from vadsdk.linking.offline_detections import VideoDetections
from vadsdk.linking.offline_paths import ANY_CLASS, LinkedPath, PathBuilder, fill_linearly


@dataclass(frozen=True, kw_only=True, slots=True)
class RetinaLinking:
    """How 3D-RetinaNet links; the numbers are those of its public runs."""

    min_agentness: float = 0.025
    """A box takes part if its agentness is higher."""
    max_per_frame: int = 10
    """Boxes of one frame that take part, the surest."""
    link_iou: float = 0.25
    """Least IoU of a path's extrapolated box and the one that continues it."""
    cost: Literal["score", "score_iou"] = "score"
    """What decides among candidates: agentness, or its mean with the IoU."""
    min_total_cost: float = 0.1
    """A path is continued if the costs of its candidates add up to more."""
    max_gap: int = 4
    """Most frames from a path's last box to the one that continues it."""
    num_past: int = 5
    """Boxes, the last among them, whose mean step is extrapolated."""
    num_order_scores: int = 5
    """Paths are visited by falling mean of so many of their highest agentnesses."""
    min_boxes: int = 6
    """A path of fewer boxes is dropped by `fill_paths`, unless it is sure; one with gaps needs
    one more."""
    min_sure: float = 0.1
    """A short path is kept if its mean agentness is higher."""
    released: bool = False
    """Do as the released code, whose IoU multiplies two negative sides to a positive area, so that
    boxes which are apart in x and in y may be linked."""

    def __post_init__(self) -> None:
        if not 0.0 <= self.link_iou <= 1.0:
            raise ValueError(f"link_iou must lie in [0, 1], not {self.link_iou}")
        if self.cost not in ("score", "score_iou"):
            raise ValueError(f"cost must be 'score' or 'score_iou', not {self.cost!r}")
        for name in ("max_per_frame", "max_gap", "num_past", "num_order_scores", "min_boxes"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be 1 or more, not {getattr(self, name)}")


def retinanet_linking(
    detections: VideoDetections, settings: RetinaLinking | None = None
) -> list[LinkedPath]:
    """Return the paths of all actors, with their gaps: dead ones in order of death, then open ones.

    Their scores are agentness. `fill_paths` drops the doubtful ones and fills the gaps.

    Args:
        detections: of one video.
        settings: those of the public runs by default.
    """
    linker = _ActorLinker(settings or RetinaLinking())
    for frame, (boxes, scores) in enumerate(
        zip(detections.boxes_xyxy, detections.class_scores, strict=True)
    ):
        linker.update(frame, boxes, scores)
    return [path.build() for path in linker.dead + linker.live]


def fill_paths(
    paths: Sequence[LinkedPath], settings: RetinaLinking | None = None
) -> list[LinkedPath]:
    """Return the paths that are long or sure enough, gaps filled by interpolation.

    The released code computes this and then returns the paths as they were.
    """
    settings = settings or RetinaLinking()
    kept = []
    for path in paths:
        count = len(path)
        has_gaps = path.frame_indices[-1] - path.frame_indices[0] >= count
        fits = count >= settings.min_boxes or path.score > settings.min_sure
        if fits and (not has_gaps or count > settings.min_boxes):
            kept.append(replace(fill_linearly(path), score=path.score))
    return kept


class _ActorLinker:
    """The paths after each frame."""

    def __init__(self, settings: RetinaLinking) -> None:
        self._settings = settings
        self.live: list[PathBuilder] = []
        self.dead: list[PathBuilder] = []

    def update(
        self, frame: int, boxes_xyxy: NDArray[np.float64], class_scores: NDArray[np.float64]
    ) -> None:
        agentness = class_scores.sum(axis=1)
        best = np.argsort(-agentness, kind="stable")[: self._settings.max_per_frame]
        rows = best[agentness[best] > self._settings.min_agentness]
        if not len(rows):
            return
        free = np.ones(len(rows), np.bool_)
        if self.live:
            costs = self._costs(frame, boxes_xyxy[rows], agentness[rows])
            for path, cost in zip(self.live, costs, strict=True):
                open_costs = np.where(free, cost, 0)
                if open_costs.sum() > self._settings.min_total_cost:
                    taken = int(open_costs.argmax())
                    free[taken] = False
                    row = rows[taken]
                    path.append(
                        frame, int(row), boxes_xyxy[row], float(agentness[row]), class_scores[row]
                    )
            self._bury(frame)
        for row in rows[free].tolist():
            path = PathBuilder(ANY_CLASS, self._settings.num_order_scores)
            path.append(frame, row, boxes_xyxy[row], float(agentness[row]), class_scores[row])
            self.live.append(path)

    def _costs(
        self, frame: int, boxes_xyxy: NDArray[np.float64], agentness: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Return the (M, N) cost of continuing each path with each box; 0 where it may not be."""
        settings = self._settings
        expected = np.stack([self._extrapolate(path) for path in self.live])  # (M, 4)
        overlap = _unclamped_iou if settings.released else box_iou
        overlaps = overlap(expected[:, None], boxes_xyxy[None])  # (M, N)
        in_time = np.array([not self._is_stale(path, frame) for path in self.live])
        allowed = in_time[:, None] & (overlaps >= settings.link_iou)
        costs = np.broadcast_to(agentness, overlaps.shape)
        if settings.cost == "score_iou":
            costs = (costs + overlaps) / 2
        return np.where(allowed, costs, 0)

    def _extrapolate(self, path: PathBuilder) -> NDArray[np.float64]:
        """Return the last box moved on by the mean step of the last few boxes."""
        num_boxes = min(self._settings.num_past, len(path))
        last, past = path.boxes_xyxy[-1], path.boxes_xyxy[-num_boxes]
        return last + (last - past) / max(1, num_boxes - 1)

    def _is_stale(self, path: PathBuilder, frame: int) -> bool:
        return frame - path.frame_indices[-1] > self._settings.max_gap

    def _bury(self, frame: int) -> None:
        """Sort the open paths by falling order score and move the stale ones to the dead."""
        stale = [self._is_stale(path, frame) for path in self.live]
        keys = [
            0.0 if gone else path.order_score for path, gone in zip(self.live, stale, strict=True)
        ]
        order = np.argsort(keys, kind="stable")[::-1].tolist()
        self.dead += [self.live[index] for index in order if stale[index]]
        self.live = [self.live[index] for index in order if not stale[index]]


def _unclamped_iou(
    boxes_xyxy: NDArray[np.float64], others_xyxy: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the IoU (...) of (..., 4) boxes as released; see `RetinaLinking.released`."""
    low = np.maximum(boxes_xyxy[..., :2], others_xyxy[..., :2])
    high = np.minimum(boxes_xyxy[..., 2:], others_xyxy[..., 2:])
    intersections = (high - low).prod(axis=-1)
    areas = (boxes_xyxy[..., 2:] - boxes_xyxy[..., :2]).prod(axis=-1)
    other_areas = (others_xyxy[..., 2:] - others_xyxy[..., :2]).prod(axis=-1)
    ious: NDArray[np.float64] = intersections / (areas + other_areas - intersections)
    return ious
