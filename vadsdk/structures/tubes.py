"""Action tubes: who does what, where, from when to when.

Legend: F frames of a tube, K classes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Tube:
    """One actor doing one action: a box in each frame from its first to its last.

    Predictions and ground truth are both tubes; an annotated tube has score 1.
    """

    id: int
    """Unique within its video."""
    label: str
    """Name of the action."""
    score: float
    """Confidence in [0, 1]."""
    frame_indices: NDArray[np.int64]
    """(F,) strictly increasing."""
    boxes_xyxy: NDArray[np.float32]
    """(F, 4) pixels of the source frame, max edge exclusive."""
    start_seconds: float = 0.0
    """Presentation time of the first frame."""
    end_seconds: float = 0.0
    """Presentation time at which the last frame ends."""
    class_scores: NDArray[np.float32] | None = None
    """(K,) mean score of every class over the tube, so that runners-up count; None if annotated."""

    def __post_init__(self) -> None:
        count = len(self.frame_indices)
        if not count:
            raise ValueError(f"tube {self.id} ({self.label}) has no frames")
        if self.boxes_xyxy.shape != (count, 4):
            raise ValueError(
                f"tube {self.id}: {count} frames need ({count}, 4) boxes, "
                f"not {self.boxes_xyxy.shape}"
            )
        if (np.diff(self.frame_indices) <= 0).any() or self.frame_indices[0] < 0:
            raise ValueError(f"tube {self.id}: frame indices must increase strictly from 0 or more")
        if not np.isfinite(self.boxes_xyxy).all():
            raise ValueError(f"tube {self.id}: boxes must be finite")
        if (self.boxes_xyxy[:, 2:] <= self.boxes_xyxy[:, :2]).any():
            raise ValueError(f"tube {self.id}: every box needs x2 > x1 and y2 > y1")

    def __len__(self) -> int:
        """Return F."""
        return len(self.frame_indices)

    @property
    def start_frame(self) -> int:
        """First frame."""
        return int(self.frame_indices[0])

    @property
    def end_frame(self) -> int:
        """One past the last frame."""
        return int(self.frame_indices[-1]) + 1

    def to_json(self) -> dict[str, object]:
        """Return the tube as an entry of `tubes.json`, boxes as `[frame, x1, y1, x2, y2]`."""
        boxes = np.round(self.boxes_xyxy.astype(float), 2).tolist()
        return {
            "id": self.id,
            "label": self.label,
            "score": round(float(self.score), 6),
            "start_frame": self.start_frame,
            "end_frame": self.end_frame,
            "start_seconds": round(float(self.start_seconds), 6),
            "end_seconds": round(float(self.end_seconds), 6),
            "boxes": [
                [int(frame), *box] for frame, box in zip(self.frame_indices, boxes, strict=True)
            ],
        }
