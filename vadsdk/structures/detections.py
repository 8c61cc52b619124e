"""What a detector found in one frame.

Legend: N detections, K classes, H and W of the source frame.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

NO_TRACK = -1
"""`track_ids` value of a detection that belongs to no tube."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Detections:
    """The actors of one frame: a box, a score for every class and, from mask models, a mask."""

    boxes_xyxy: NDArray[np.float32]
    """(N, 4) pixels of the source frame, max edge exclusive."""
    class_scores: NDArray[np.float32]
    """(N, K) in [0, 1]: how sure the detector is that this actor does each action."""
    track_ids: NDArray[np.int64]
    """(N,) id of the tube that the detection belongs to; `NO_TRACK` before linking."""
    masks: NDArray[np.bool_] | None = None
    """(N, H, W), or None where the model gives boxes only."""

    def __post_init__(self) -> None:
        count = len(self.boxes_xyxy)
        if self.boxes_xyxy.shape != (count, 4):
            raise ValueError(f"boxes_xyxy is (N, 4), not {self.boxes_xyxy.shape}")
        if self.class_scores.ndim != 2 or len(self.class_scores) != count:
            raise ValueError(f"class_scores is ({count}, K), not {self.class_scores.shape}")
        if self.track_ids.shape != (count,):
            raise ValueError(f"track_ids is ({count},), not {self.track_ids.shape}")
        if self.masks is not None and (self.masks.ndim != 3 or len(self.masks) != count):
            raise ValueError(f"masks is ({count}, H, W), not {self.masks.shape}")
        if not np.isfinite(self.boxes_xyxy).all() or not np.isfinite(self.class_scores).all():
            raise ValueError("boxes and scores must be finite")
        if (self.boxes_xyxy[:, 2:] <= self.boxes_xyxy[:, :2]).any():
            raise ValueError("every box needs x2 > x1 and y2 > y1")

    def __len__(self) -> int:
        """Return N."""
        return len(self.boxes_xyxy)

    @property
    def labels(self) -> NDArray[np.int64]:
        """(N,) index of each actor's best class, into the model's labels."""
        if not self.class_scores.shape[1]:
            return np.zeros(len(self), np.int64)
        best: NDArray[np.int64] = self.class_scores.argmax(axis=1).astype(np.int64)
        return best

    @property
    def scores(self) -> NDArray[np.float32]:
        """(N,) score of each actor's best class."""
        if not self.class_scores.shape[1]:
            return np.zeros(len(self), np.float32)
        best: NDArray[np.float32] = self.class_scores.max(axis=1)
        return best

    def __getitem__(self, keep: NDArray[np.bool_] | NDArray[np.intp]) -> Detections:
        """Return the detections that a boolean mask or index array selects, all fields together."""
        return Detections(
            boxes_xyxy=self.boxes_xyxy[keep],
            class_scores=self.class_scores[keep],
            track_ids=self.track_ids[keep],
            masks=None if self.masks is None else self.masks[keep],
        )

    def with_track_ids(self, track_ids: NDArray[np.int64]) -> Detections:
        """Return the same detections with the ids of the tubes they were linked to."""
        return Detections(
            boxes_xyxy=self.boxes_xyxy,
            class_scores=self.class_scores,
            track_ids=track_ids,
            masks=self.masks,
        )

    @staticmethod
    def empty(num_classes: int, mask_size: tuple[int, int] | None = None) -> Detections:
        """Return no detections.

        Args:
            num_classes: K.
            mask_size: (H, W) of the source frame for a mask model.
        """
        return Detections(
            boxes_xyxy=np.zeros((0, 4), np.float32),
            class_scores=np.zeros((0, num_classes), np.float32),
            track_ids=np.zeros(0, np.int64),
            masks=None if mask_size is None else np.zeros((0, *mask_size), np.bool_),
        )
