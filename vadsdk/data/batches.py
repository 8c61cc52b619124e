"""What a training step sees; the data room's border to torch.

Legend: B clips (labelled ones first), T frames, H and W of the stored frame, M boxes of the frame
    with most.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

import torch
from torch import Tensor

NO_CLASS = -1
"""Class index of a clip in which no actor is annotated, and of every unlabelled clip."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class ClipBatch:
    """Clips to learn from, the labelled rows before the unlabelled ones."""

    clips: Tensor
    """(B, T, H, W, 3) uint8 RGB."""
    masks: Tensor
    """(B, T, H, W) uint8, 1 where an actor is; all zero in unlabelled rows."""
    class_indices: Tensor
    """(B,) int64; `NO_CLASS` in unlabelled rows and where no actor is annotated."""
    labelled: Tensor
    """(B,) bool."""
    annotated: Tensor | None = None
    """(B, T) bool: frames whose masks are known, where annotation is sparse. None: those of all
    labelled rows."""
    successors: Tensor | None = None
    """(B, T, H, W, 3) uint8: the frame of the video after each of `clips`, as temporal gradients
    and temporal losses want it; the last frame's is itself. None where nobody asked for it."""
    boxes_xyxy01: Tensor | None = None
    """(B, T, M, 4) float32 in [0, 1] of the stored frame, max edge exclusive; an actor with several
    actions has his box once for each. None where no box is asked for."""
    box_classes: Tensor | None = None
    """(B, T, M) int64 class of each box; `NO_CLASS` where there is none."""

    def __post_init__(self) -> None:
        count = len(self.clips)
        if self.clips.ndim != 5 or self.clips.shape[4] != 3 or self.clips.dtype != torch.uint8:
            raise ValueError(
                f"clips are (B, T, H, W, 3) uint8, not {tuple(self.clips.shape)} {self.clips.dtype}"
            )
        if self.masks.shape != self.clips.shape[:4] or self.masks.dtype != torch.uint8:
            raise ValueError(
                f"masks are {tuple(self.clips.shape[:4])} uint8, "
                f"not {tuple(self.masks.shape)} {self.masks.dtype}"
            )
        if self.class_indices.shape != (count,) or self.class_indices.dtype != torch.int64:
            raise ValueError(f"class_indices are ({count},) int64, not {self.class_indices.shape}")
        if self.labelled.shape != (count,) or self.labelled.dtype != torch.bool:
            raise ValueError(f"labelled is ({count},) bool, not {self.labelled.shape}")
        if self.annotated is not None and (
            self.annotated.shape != self.clips.shape[:2] or self.annotated.dtype != torch.bool
        ):
            raise ValueError(
                f"annotated is {tuple(self.clips.shape[:2])} bool, not {self.annotated.shape}"
            )
        if self.successors is not None and self.successors.shape != self.clips.shape:
            raise ValueError(f"successors are shaped as the clips, not {self.successors.shape}")
        self._check_boxes()

    def __len__(self) -> int:
        """Return B."""
        return len(self.clips)

    @property
    def num_labelled(self) -> int:
        """Rows at the top whose class and masks are known."""
        return int(self.labelled.sum())

    def _check_boxes(self) -> None:
        boxes, classes = self.boxes_xyxy01, self.box_classes
        if boxes is None and classes is None:
            return
        if boxes is None or classes is None:
            raise ValueError("boxes_xyxy01 and box_classes come together")
        places = (*self.clips.shape[:2], boxes.shape[2])
        if boxes.shape != (*places, 4) or classes.shape != places or classes.dtype != torch.int64:
            raise ValueError(
                f"boxes_xyxy01 are (B, T, M, 4) and box_classes (B, T, M) int64, not "
                f"{tuple(boxes.shape)} and {tuple(classes.shape)} {classes.dtype}"
            )

    def to(self, device: torch.device | str) -> ClipBatch:
        """Return the same batch on a device."""
        return self._each(lambda tensor: tensor.to(device, non_blocking=True))

    def rows(self, indices: Tensor) -> ClipBatch:
        """Return some rows."""
        return self._each(lambda tensor: tensor[indices])

    def _each(self, change: Callable[[Tensor], Tensor]) -> ClipBatch:
        given = {entry.name: getattr(self, entry.name) for entry in fields(self)}
        changed: dict[str, Any] = {n: None if v is None else change(v) for n, v in given.items()}
        return ClipBatch(**changed)
