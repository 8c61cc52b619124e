"""Offline linking of boxes or tubelets, greedily from frame to frame (ACT, MOC, MultiSports).

    frame            0 1 2 3 4 5 6 7
    tubelets, L = 3  # # #
                       # # #               a tube takes the best-scored tubelet
                               # # #       that overlaps its last one, or begins
    tube             |-----------|         where that one ended

A frame's box and score are the means of the tubelets over it (Kalogeiton et al. 2017, section
3.3; Li et al. 2020, section 3.4). Plain boxes are tubelets of one frame.

Legend: F frames, N tubelets that begin in a frame, L their length, M open tubes, K classes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vadsdk.boxes import box_iou, soft_nms
from vadsdk.linking.offline_detections import VideoDetections, VideoTubelets
from vadsdk.linking.offline_paths import FILLED, LinkedPath, path_nms


@dataclass(frozen=True, kw_only=True, slots=True)
class GreedyLinking:
    """How tubes are built tubelet by tubelet; the numbers are those of MOC and MultiSports."""

    min_tubelet_score: float = 0.05
    """A tubelet that scores the class lower takes no part, nor does one that scores 0."""
    soft_nms_iou: float = 0.6
    """A tubelet that overlaps a better one of its frame by more has its score lowered."""
    max_per_frame: int = 10
    """Tubelets of one frame that take part, the best by the lowered scores."""
    link_iou: float = 0.5
    """Least overlap of a tube and the tubelet that continues it."""
    min_score: float = 0.005
    """A tube with a lower mean score is dropped."""
    min_length: int = 15
    """A tube of fewer frames is dropped."""
    nms_iou: float | None = 0.3
    """Highest spatio-temporal IoU with a better tube of the class; None for no NMS of tubes."""
    soft_nms_inclusive: bool = False
    """In soft NMS, the max edge is a box's last pixel."""
    inclusive: bool = False
    """In linking and NMS of tubes, the max edge is a box's last pixel."""
    keep_negative: bool = False
    """Let tubelets of several frames take part that soft NMS has lowered below 0."""

    def __post_init__(self) -> None:
        for name in ("soft_nms_iou", "link_iou", "nms_iou"):
            value = getattr(self, name)
            if value is not None and not 0.0 <= value <= 1.0:
                raise ValueError(f"{name} must lie in [0, 1], not {value}")
        for name in ("max_per_frame", "min_length"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be 1 or more, not {getattr(self, name)}")


MULTISPORTS = GreedyLinking(nms_iou=None, soft_nms_inclusive=True)
"""As the metric of MultiSports in mmaction2 links boxes; it mixes both ways to count pixels."""
MOC = GreedyLinking(soft_nms_inclusive=True, inclusive=True, keep_negative=True)
"""As MOC and ACT link boxes and tubelets, every max edge a box's last pixel."""


def greedy_linking(
    detections: VideoDetections, class_index: int, settings: GreedyLinking | None = None
) -> list[LinkedPath]:
    """Link the boxes of one class; see `tubelet_linking`. A tube ends where a frame has no box."""
    return tubelet_linking(VideoTubelets.of_boxes(detections), class_index, settings)


def tubelet_linking(
    tubelets: VideoTubelets, class_index: int, settings: GreedyLinking | None = None
) -> list[LinkedPath]:
    """Return the tubes of one class, those that ended before the video first; NMS is still to come.

    A path's scores are lowered by soft NMS, its class scores are as detected; its rows name the
    tubelet that begins in a frame, or `FILLED` where the tube goes through none that does. Its own
    score is the mean of its tubelets.

    Args:
        tubelets: of one video.
        class_index: in [0, K).
        settings: the numbers of MOC by default, boxes with exclusive max edges.

    Raises:
        ValueError: a class out of range.
    """
    settings = settings or GreedyLinking()
    if not 0 <= class_index < tubelets.num_classes:
        raise ValueError(f"class_index must lie in [0, {tubelets.num_classes}): {class_index}")
    linker = _ClassLinker(tubelets, class_index, settings)
    for frame in range(len(tubelets)):
        linker.update(frame)
    paths = [_merge(tube, tubelets, class_index) for tube in linker.closed + linker.tubes]
    return [
        path
        for path in paths
        if path.score >= settings.min_score and len(path) >= settings.min_length
    ]


def greedy_kept(paths: list[LinkedPath], settings: GreedyLinking | None = None) -> list[int]:
    """Return the indices of a class's paths that NMS leaves, by falling score."""
    settings = settings or GreedyLinking()
    if settings.nms_iou is None:
        return sorted(range(len(paths)), key=lambda index: -paths[index].score)
    return path_nms(paths, settings.nms_iou, inclusive=settings.inclusive)


@dataclass(slots=True, eq=False)
class _OpenTube:
    starts: list[int]
    rows: list[int]
    scores: list[float]
    """Lowered by soft NMS."""

    @property
    def score(self) -> float:
        return sum(self.scores) / len(self.scores)


class _ClassLinker:
    """The tubes of one class, open and closed, after each frame."""

    def __init__(self, tubelets: VideoTubelets, class_index: int, settings: GreedyLinking) -> None:
        self._tubelets, self._class_index, self._settings = tubelets, class_index, settings
        self.tubes: list[_OpenTube] = []
        self.closed: list[_OpenTube] = []

    def update(self, frame: int) -> None:
        """Continue, close and open tubes with the tubelets that begin in the next frame."""
        rows, scores = _candidates(self._tubelets, frame, self._class_index, self._settings)
        overlaps = _overlaps(self.tubes, self._tubelets, frame, rows, self._settings)
        free = np.ones(len(rows), np.bool_)
        ended = []
        for index in np.argsort([-tube.score for tube in self.tubes], kind="stable").tolist():
            tube = self.tubes[index]
            fits = free & (overlaps[index] >= self._settings.link_iou)
            if fits.any():
                taken = int(fits.argmax())  # candidates come by falling score
                free[taken] = False
                tube.starts.append(frame)
                tube.rows.append(int(rows[taken]))
                tube.scores.append(float(scores[taken]))
            elif frame - tube.starts[-1] >= self._tubelets.length:
                ended.append(index)
        for index in sorted(ended, reverse=True):
            self.closed.append(self.tubes.pop(index))
        for new in np.flatnonzero(free).tolist():
            self.tubes.append(_OpenTube([frame], [int(rows[new])], [float(scores[new])]))


def _candidates(
    tubelets: VideoTubelets, frame: int, class_index: int, settings: GreedyLinking
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Return rows and lowered scores of the tubelets that take part, by falling score."""
    scores = tubelets.class_scores[frame][:, class_index]
    rows = np.flatnonzero((scores >= settings.min_tubelet_score) & (scores > 0))
    order, lowered = soft_nms(
        tubelets.boxes_xyxy[frame][rows],
        scores[rows],
        settings.soft_nms_iou,
        max_kept=settings.max_per_frame,
        inclusive=settings.soft_nms_inclusive,
    )
    keep = np.full(len(order), settings.keep_negative) | (lowered > 0)
    return rows[order[keep]], lowered[keep]


def _overlaps(
    tubes: list[_OpenTube],
    tubelets: VideoTubelets,
    frame: int,
    rows: NDArray[np.intp],
    settings: GreedyLinking,
) -> NDArray[np.float64]:
    """Return the (M, N) overlap of each tube's last tubelet with those that begin in this frame.

    It is the mean IoU over the frames in common; without any, the last box's with the first one.
    """
    length = tubelets.length
    starting = tubelets.boxes_xyxy[frame][rows]  # (N, L, 4)
    overlaps = np.zeros((len(tubes), len(rows)))
    elapsed = np.array([frame - tube.starts[-1] for tube in tubes], np.int64)
    for steps in np.unique(elapsed).tolist():
        which = np.flatnonzero(elapsed == steps)
        before = tubelets.boxes_xyxy[frame - steps]
        last = np.stack([before[tubes[index].rows[-1]] for index in which])  # (M', L, 4)
        common = max(1, length - steps)
        ious = box_iou(
            last[:, None, length - common :],
            starting[None, :, :common],
            inclusive=settings.inclusive,
        )
        overlaps[which] = ious.mean(axis=2)
    return overlaps


def _merge(tube: _OpenTube, tubelets: VideoTubelets, class_index: int) -> LinkedPath:
    """Return a tube's frames, each the mean of the tubelets that cover it."""
    length, begin = tubelets.length, tube.starts[0]
    num_frames = tube.starts[-1] + length - begin
    boxes, scores = np.zeros((num_frames, 4)), np.zeros(num_frames)
    class_scores = np.zeros((num_frames, tubelets.num_classes))
    counts = np.zeros(num_frames)
    rows = np.full(num_frames, FILLED, np.int64)
    for start, row, score in zip(tube.starts, tube.rows, tube.scores, strict=True):
        covered = slice(start - begin, start - begin + length)
        boxes[covered] += tubelets.boxes_xyxy[start][row]
        scores[covered] += score
        class_scores[covered] += tubelets.class_scores[start][row]
        counts[covered] += 1
        rows[start - begin] = row
    return LinkedPath(
        class_index=class_index,
        frame_indices=np.arange(begin, begin + num_frames),
        rows=rows,
        boxes_xyxy=boxes / counts[:, None],
        scores=scores / counts,
        class_scores=class_scores / counts[:, None],
        score=tube.score,
    )
