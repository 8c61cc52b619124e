"""Offline linking by dynamic programming: the paths of largest total edge score, as in YOWO.

An edge joins a box of one frame and one of the next; it is worth
IoU + (s + s') + 0.5 s s' (as YOWO's public code has it, after Gkioxari and Malik 2015).

    frame     0    1    2    3
              o----o----o----o     best path
              o    o .. o    o     what is left is searched again

Legend: F frames, N and M boxes of two frames running, K classes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vadsdk.boxes import box_iou
from vadsdk.linking.offline_detections import VideoDetections
from vadsdk.linking.offline_paths import FILLED, LinkedPath, path_nms


@dataclass(frozen=True, kw_only=True, slots=True)
class ViterbiLinking:
    """How paths through the whole video are found; see `YOWO` for the public code's numbers."""

    product_weight: float = 0.5
    """Weight of the product of both scores in an edge."""
    jump_iou: float = 0.1
    """An edge of less IoU jumps from one actor to another. (The least IoU that ROAD links.)"""
    jump_cost: float = 3.0
    """What a jump takes off the edge: more than it can be worth, at most 2.5 without overlap."""
    max_paths: int = 10
    """Paths of one class in a video, before NMS."""
    nms_iou: float = 0.3
    """A path that overlaps a better one (spatio-temporal IoU) by more is dropped."""
    released: bool = False
    """Do as the released code: stop as soon as one frame has no box left, compute with single
    precision, and count the max edge as a pixel in NMS. So two actors get one path where a single
    frame misses one of them; without this a frame without boxes borrows from the nearest one."""

    def __post_init__(self) -> None:
        if self.max_paths < 1:
            raise ValueError(f"max_paths must be 1 or more, not {self.max_paths}")
        for name in ("jump_iou", "nms_iou"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise ValueError(f"{name} must lie in [0, 1], not {getattr(self, name)}")
        for name in ("product_weight", "jump_cost"):
            if not 0.0 <= getattr(self, name) < np.inf:
                raise ValueError(f"{name} must be 0 or more, not {getattr(self, name)}")


YOWO = ViterbiLinking(jump_cost=0.0, max_paths=3, released=True)
"""As YOWO's public code links; jumps are free there, and its tubes are not trimmed."""


@dataclass(frozen=True, slots=True, eq=False)
class _FrameOptions:
    """What a path may pass through in one frame: its own boxes, or those of the nearest frame."""

    source: int
    """The frame that the boxes are from."""
    rows: NDArray[np.intp]
    """(N,) which of its boxes; at least one."""


def viterbi_linking(
    detections: VideoDetections, class_index: int, settings: ViterbiLinking | None = None
) -> list[LinkedPath]:
    """Return the paths of one class through all frames, in the order in which they are found.

    Paths are neither trimmed nor thinned out; see `viterbi_kept`. A frame whose boxes are borrowed
    is `FILLED` in the path's rows.

    Args:
        detections: of one video.
        class_index: in [0, K).
        settings: ours by default.

    Raises:
        ValueError: a class out of range.
    """
    settings = settings or ViterbiLinking()
    if not 0 <= class_index < detections.num_classes:
        raise ValueError(f"class_index must lie in [0, {detections.num_classes}): {class_index}")
    left = [np.arange(len(boxes)) for boxes in detections.boxes_xyxy]
    options = _fill_options(left)
    overlaps = _Overlaps(detections)
    paths: list[LinkedPath] = []
    while options and len(paths) < settings.max_paths:
        scores = [
            detections.class_scores[option.source][option.rows, class_index] for option in options
        ]
        choice = _best_choice(scores, options, overlaps, settings)
        path = _path(detections, class_index, options, choice)
        paths.append(path)
        if settings.released:
            pairs = zip(options, choice, strict=True)
            options = [
                _FrameOptions(option.source, np.delete(option.rows, chosen))
                for option, chosen in pairs
            ]
            if not all(len(option.rows) for option in options):
                break
        else:
            for frame, row in zip(path.frame_indices, path.rows, strict=True):
                left[frame] = left[frame][left[frame] != row]
            options = _fill_options(left)
    return paths


def viterbi_kept(paths: list[LinkedPath], settings: ViterbiLinking | None = None) -> list[int]:
    """Return the indices of a class's paths that NMS leaves, by falling mean score."""
    settings = settings or ViterbiLinking()
    return path_nms(paths, settings.nms_iou, inclusive=settings.released)


def _fill_options(left: list[NDArray[np.intp]]) -> list[_FrameOptions]:
    """Return what each frame offers; nothing at all if no frame has a box left."""
    known = np.flatnonzero([len(rows) > 0 for rows in left])
    if not len(known):
        return []
    # argmin takes the first: of two equally near frames the earlier one.
    nearest = [int(known[np.abs(known - frame).argmin()]) for frame in range(len(left))]
    return [_FrameOptions(source, left[source]) for source in nearest]


class _Overlaps:
    """The IoUs of the boxes of two frames, computed once for all rounds of the search."""

    def __init__(self, detections: VideoDetections) -> None:
        self._boxes_xyxy = detections.boxes_xyxy
        self._known: dict[tuple[int, int], NDArray[np.float64]] = {}

    def between(self, first: _FrameOptions, second: _FrameOptions) -> NDArray[np.float64]:
        """Return the (N, M) IoUs of what two frames offer."""
        pair = (first.source, second.source)
        if pair not in self._known:
            boxes, others = (self._boxes_xyxy[source] for source in pair)
            self._known[pair] = box_iou(boxes[:, None], others[None])
        return self._known[pair][np.ix_(first.rows, second.rows)]


def _best_choice(
    frame_scores: list[NDArray[np.float64]],
    options: list[_FrameOptions],
    overlaps: _Overlaps,
    settings: ViterbiLinking,
) -> list[int]:
    """Return for each frame the position, among its options, of the best path's box."""
    dtype: np.dtype[Any] = np.dtype(np.float32 if settings.released else np.float64)
    scores = [values.astype(dtype) for values in frame_scores]
    # From the back: `best` is the largest sum of edges from each box of a frame to the last frame.
    best = np.zeros(len(scores[-1]), dtype)
    follows: list[NDArray[np.intp]] = []
    for frame in range(len(options) - 2, -1, -1):
        first, second = scores[frame][:, None], scores[frame + 1][None]
        ious = overlaps.between(options[frame], options[frame + 1]).astype(dtype)  # (N, M)
        edges = ious + (first + second) + dtype.type(settings.product_weight) * first * second
        edges -= dtype.type(settings.jump_cost) * (ious < settings.jump_iou)
        sums = edges + best
        follows.append(sums.argmax(axis=1))
        best = sums.max(axis=1)
    choice = [int(best.argmax() if len(options) > 1 else scores[0].argmax())]
    for following in reversed(follows):
        choice.append(int(following[choice[-1]]))
    return choice


def _path(
    detections: VideoDetections, class_index: int, options: list[_FrameOptions], choice: list[int]
) -> LinkedPath:
    picked = [
        (option.source, int(option.rows[chosen]))
        for option, chosen in zip(options, choice, strict=True)
    ]
    class_scores = np.stack([detections.class_scores[source][row] for source, row in picked])
    rows = [row if source == frame else FILLED for frame, (source, row) in enumerate(picked)]
    return LinkedPath(
        class_index=class_index,
        frame_indices=np.arange(len(picked)),
        rows=np.array(rows, np.int64),
        boxes_xyxy=np.stack([detections.boxes_xyxy[source][row] for source, row in picked]),
        scores=class_scores[:, class_index],
        class_scores=class_scores,
        score=float(class_scores[:, class_index].mean()),
    )
