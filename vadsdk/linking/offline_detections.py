"""What offline linking starts from: the scored boxes, or tubelets, of all frames of one video.

Legend: F frames, N boxes or tubelets of a frame, K classes, L boxes of a tubelet.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vadsdk.structures import FrameResult

FrameArrays = tuple[NDArray[np.float64], ...]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class VideoDetections:
    """The scored boxes of one video, frame by frame from its first to its last."""

    boxes_xyxy: FrameArrays
    """F arrays (N, 4): pixels of the source frame, max edge exclusive; N may be 0."""
    class_scores: FrameArrays
    """F arrays (N, K) in [0, 1]; K is the same in all frames."""

    def __post_init__(self) -> None:
        _check_frames(self.boxes_xyxy, self.class_scores, "(N, 4)", ndim=2)

    def __len__(self) -> int:
        """Return F."""
        return len(self.boxes_xyxy)

    @property
    def num_classes(self) -> int:
        """K."""
        return int(self.class_scores[0].shape[1])

    @staticmethod
    def from_arrays(
        boxes_xyxy: Sequence[NDArray[np.floating]], class_scores: Sequence[NDArray[np.floating]]
    ) -> VideoDetections:
        """Return detections from arrays of any floating type.

        Raises:
            ValueError: arrays that do not fit, values that are not finite, an empty box.
        """
        return VideoDetections(
            boxes_xyxy=tuple(np.asarray(boxes, np.float64) for boxes in boxes_xyxy),
            class_scores=tuple(np.asarray(scores, np.float64) for scores in class_scores),
        )

    @staticmethod
    def of_frames(frames: Sequence[FrameResult], num_frames: int | None = None) -> VideoDetections:
        """Gather the detections of a video's frames; a frame that was left out has none.

        Args:
            frames: at least one, in any order.
            num_frames: F; without it the last frame that came is the video's last.

        Raises:
            ValueError: no frames, a frame twice, one at `num_frames` or later, or frames whose
                numbers of classes differ.
        """
        if not frames:
            raise ValueError("no frames came; a video has at least one")
        indices = [frame.index for frame in frames]
        count = max(indices) + 1 if num_frames is None else num_frames
        if len(set(indices)) < len(indices) or min(indices) < 0 or max(indices) >= count:
            raise ValueError(f"frame indices must lie in [0, {count}) and come once, not {indices}")
        boxes = [np.zeros((0, 4))] * count
        scores = [np.zeros((0, len(frames[0].labels)))] * count
        for frame in frames:
            boxes[frame.index] = frame.detections.boxes_xyxy.astype(np.float64)
            scores[frame.index] = frame.detections.class_scores.astype(np.float64)
        return VideoDetections(boxes_xyxy=tuple(boxes), class_scores=tuple(scores))


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class VideoTubelets:
    """The scored tubelets of one video, by the frame each begins in (ACT, MOC)."""

    boxes_xyxy: FrameArrays
    """An array (N, L, 4) for each first frame: its boxes in L frames running, max edge exclusive.

    A video of F frames has F - L + 1 of them.
    """
    class_scores: FrameArrays
    """As many arrays (N, K) in [0, 1]."""

    def __post_init__(self) -> None:
        _check_frames(self.boxes_xyxy, self.class_scores, "(N, L, 4)", ndim=3)
        lengths = {boxes.shape[1] for boxes in self.boxes_xyxy}
        if len(lengths) > 1 or 0 in lengths:
            raise ValueError(
                f"tubelets of all frames have one length of 1 or more, not {sorted(lengths)}"
            )

    def __len__(self) -> int:
        """Return in how many frames a tubelet may begin."""
        return len(self.boxes_xyxy)

    @property
    def length(self) -> int:
        """L."""
        return int(self.boxes_xyxy[0].shape[1])

    @property
    def num_classes(self) -> int:
        """K."""
        return int(self.class_scores[0].shape[1])

    @staticmethod
    def of_boxes(detections: VideoDetections) -> VideoTubelets:
        """Return boxes as tubelets of one frame."""
        return VideoTubelets(
            boxes_xyxy=tuple(boxes[:, None] for boxes in detections.boxes_xyxy),
            class_scores=detections.class_scores,
        )


def _check_frames(
    boxes_xyxy: FrameArrays, class_scores: FrameArrays, shape: str, *, ndim: int
) -> None:
    if not len(boxes_xyxy) or len(boxes_xyxy) != len(class_scores):
        raise ValueError(
            f"boxes and scores come for the same frames, at least one, not "
            f"{len(boxes_xyxy)} and {len(class_scores)}"
        )
    for index, (boxes, scores) in enumerate(zip(boxes_xyxy, class_scores, strict=True)):
        fits = boxes.ndim == ndim and boxes.shape[-1] == 4 and scores.ndim == 2
        if not fits or len(boxes) != len(scores):
            raise ValueError(
                f"frame {index}: boxes are {shape} and class scores (N, K), not {boxes.shape} "
                f"and {scores.shape}"
            )
        if scores.shape[1] != class_scores[0].shape[1] or not scores.shape[1]:
            raise ValueError(
                f"frame {index}: {scores.shape[1]} class scores where the first frame has "
                f"{class_scores[0].shape[1]}; all have the same, 1 or more"
            )
        if not np.isfinite(boxes).all() or not np.isfinite(scores).all():
            raise ValueError(f"frame {index}: boxes and scores must be finite")
        # As float32, which tubes carry: a box must not become empty there.
        edges = boxes.astype(np.float32)
        if (edges[..., 2:] <= edges[..., :2]).any():
            raise ValueError(f"frame {index}: every box needs x2 > x1 and y2 > y1")
