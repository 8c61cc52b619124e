"""What a training step sees; the data room's border to torch.

Legend: B clips (labelled ones first), T frames, H and W of the stored frame.
"""

from __future__ import annotations

from dataclasses import dataclass

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

    def __len__(self) -> int:
        """Return B."""
        return len(self.clips)

    @property
    def num_labelled(self) -> int:
        """Rows at the top whose class and masks are known."""
        return int(self.labelled.sum())

    def to(self, device: torch.device | str) -> ClipBatch:
        """Return the same batch on a device."""
        return ClipBatch(
            clips=self.clips.to(device, non_blocking=True),
            masks=self.masks.to(device, non_blocking=True),
            class_indices=self.class_indices.to(device, non_blocking=True),
            labelled=self.labelled.to(device, non_blocking=True),
            annotated=(
                None if self.annotated is None else self.annotated.to(device, non_blocking=True)
            ),
        )

    def rows(self, indices: Tensor) -> ClipBatch:
        """Return some rows."""
        return ClipBatch(
            clips=self.clips[indices],
            masks=self.masks[indices],
            class_indices=self.class_indices[indices],
            labelled=self.labelled[indices],
            annotated=None if self.annotated is None else self.annotated[indices],
        )
