"""Where the clips of a batch lie, and what is known of them.

Legend: B clips, T frames, M boxes of the frame with most, h and w of the stored frame.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vadsdk.data.batches import ClipBatch
from vadsdk.data.clip_boxes import clip_boxes
from vadsdk.data.records import VideoRecord
from vadsdk.kernels.view_sources import Clips


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class ClipPlace:
    """Where a clip lies."""

    record: VideoRecord
    """Its video."""
    frame_indices: NDArray[np.int64]
    """(T,) frames of the record."""
    class_index: int
    """Label of the action that covers most of the clip's annotated frames, or `NO_CLASS`; of a
    clip that ends with its key frame, that frame's; of a trimmed video, the video's."""
    stop: int | None = None
    """One past the last frame of the video that may be seen; None: the video's end."""

    @property
    def annotated(self) -> NDArray[np.bool_]:
        """(T,) frames whose annotation is known."""
        if not self.record.labelled or self.record.annotated_frames is None:
            return np.full(len(self.frame_indices), self.record.labelled)
        return np.isin(self.frame_indices, self.record.annotated_frames)

    def successors(self, num_frames: int) -> NDArray[np.int64]:
        """Return (T,) the frame after each in a video of so many; of the last one, itself."""
        stop = num_frames if self.stop is None else self.stop
        return np.minimum(self.frame_indices + 1, stop - 1)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class ClipTargets:
    """What a `ClipBatch` holds besides pixels."""

    class_indices: Tensor
    """(B,) int64."""
    labelled: Tensor
    """(B,) bool."""
    annotated: Tensor | None
    """(B, T) bool, None where annotation is not sparse."""
    boxes_xyxy01: Tensor | None
    """(B, T, M, 4) float32, None where no box is asked for."""
    box_classes: Tensor | None
    """(B, T, M) int64."""

    @classmethod
    def of(
        cls,
        places: Sequence[ClipPlace],
        labels: Sequence[str],
        *,
        is_sparse: bool,
        with_boxes: bool,
    ) -> ClipTargets:
        """Return those of the clips at some places, `annotated` and boxes where they are wanted."""
        annotated = np.stack([place.annotated for place in places]) if is_sparse else None
        boxes: tuple[Tensor, Tensor] | tuple[None, None] = (None, None)
        if with_boxes:
            records = [place.record for place in places]
            found = clip_boxes(records, [place.frame_indices for place in places], labels)
            boxes = torch.from_numpy(found[0]), torch.from_numpy(found[1])
        return cls(
            class_indices=torch.tensor([place.class_index for place in places]),
            labelled=torch.tensor([place.record.labelled for place in places]),
            annotated=None if annotated is None else torch.from_numpy(annotated),
            boxes_xyxy01=boxes[0],
            box_classes=boxes[1],
        )

    def batch(self, clips: Clips, masks: Tensor, successors: Clips | None) -> ClipBatch:
        """Return the batch with these pixels, see `ClipBatch`; all on one device."""
        given = {entry.name: getattr(self, entry.name) for entry in fields(self)}
        return ClipBatch(clips=clips, masks=masks, successors=successors, **given)

    def each(self, change: Callable[[Tensor], Tensor]) -> ClipTargets:
        """Return what a function makes of each tensor."""
        given = {entry.name: getattr(self, entry.name) for entry in fields(self)}
        changed: dict[str, Any] = {n: None if v is None else change(v) for n, v in given.items()}
        return ClipTargets(**changed)
