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

from vadsdk.kernels.view_sources import Clips, IndexedClips

NO_CLASS = -1
"""Class index of a clip in which no actor is annotated, and of every unlabelled clip."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class ClipBatch:
    """Clips to learn from, the labelled rows before the unlabelled ones."""

    clips: Clips
    """(B, T, H, W, 3) uint8 RGB; or where they lie in a bank on the device."""
    masks: Tensor
    """(B, T, H, W) uint8, 1 where an actor is; all zero in unlabelled rows."""
    class_indices: Tensor
    """(B,) int64; `NO_CLASS` in unlabelled rows and where no actor is annotated."""
    labelled: Tensor
    """(B,) bool, True in the first rows."""
    annotated: Tensor | None = None
    """(B, T) bool: frames whose masks are known, where annotation is sparse. None: those of all
    labelled rows."""
    successors: Clips | None = None
    """(B, T, H, W, 3) uint8: the frame of the video after each of `clips`, as temporal gradients
    and temporal losses want it; the last frame's is itself. None where nobody asked for it."""
    boxes_xyxy01: Tensor | None = None
    """(B, T, M, 4) float32 in [0, 1] of the stored frame, max edge exclusive; an actor with several
    actions has his box once for each. None where no box is asked for."""
    box_classes: Tensor | None = None
    """(B, T, M) int64 class of each box; `NO_CLASS` where there is none."""
    num_labelled: int = -1
    """Rows at the top whose class and masks are known; below 0: counted from `labelled`. Batches on
    a GPU are given it, as counting would wait for the GPU."""

    def __post_init__(self) -> None:
        count = len(self.clips)
        clips = self.clips
        if isinstance(clips, Tensor) and (
            clips.ndim != 5 or clips.shape[4] != 3 or clips.dtype != torch.uint8
        ):
            raise ValueError(
                f"clips are (B, T, H, W, 3) uint8, not {tuple(clips.shape)} {clips.dtype}"
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
        if self.successors is not None and self.bank() is not _bank_of(self.successors):
            raise ValueError("successors lie in the same bank as the clips")
        self._check_boxes()
        self._count_labelled()

    def __len__(self) -> int:
        """Return B."""
        return len(self.clips)

    @property
    def first_rows(self) -> Tensor:
        """(L,) int64 indices of the labelled rows, on the batch's device and without waiting."""
        return torch.arange(self.num_labelled, device=self.labelled.device)

    @property
    def last_rows(self) -> Tensor:
        """(B - L,) int64 indices of the unlabelled rows, likewise."""
        return torch.arange(self.num_labelled, len(self), device=self.labelled.device)

    def labelled_part(self) -> ClipBatch:
        """Return the labelled rows."""
        return self._each(lambda tensor: tensor[: self.num_labelled], self.num_labelled)

    def unlabelled_part(self) -> ClipBatch:
        """Return the unlabelled rows."""
        return self._each(lambda tensor: tensor[self.num_labelled :], 0)

    def _count_labelled(self) -> None:
        given = self.num_labelled
        if given >= 0 and self.labelled.device.type != "cpu":
            return
        flags = self.labelled.tolist()
        if flags != sorted(flags, reverse=True) or given not in (-1, sum(flags)):
            raise ValueError(
                f"labelled is True in the first num_labelled rows and nowhere else, not {flags} "
                f"with num_labelled={given}"
            )
        object.__setattr__(self, "num_labelled", sum(flags))

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
        """Return the same batch on a device; the host waits for what comes to it alone."""
        later = torch.device(device).type != "cpu"
        return self._each(lambda tensor: tensor.to(device, non_blocking=later), self.num_labelled)

    def copied_to(self, device: torch.device) -> ClipBatch:
        """Return a copy on a device, in memory of its own even if it is there already."""
        later = device.type != "cpu"
        return self._each(
            lambda tensor: torch.empty_like(tensor, device=device).copy_(
                tensor, non_blocking=later
            ),
            self.num_labelled,
        )

    def rows(self, indices: Tensor) -> ClipBatch:
        """Return some rows, labelled ones first; waits for the device."""
        return self._each(lambda tensor: tensor[indices], -1)

    def pinned(self) -> ClipBatch:
        """Return a copy in page-locked memory, from which a GPU copies while others work."""
        return self._each(torch.Tensor.pin_memory, self.num_labelled)

    def tensors(self) -> dict[str, Tensor]:
        """Return what is given and may differ in each batch, by field; of a bank, the indices."""
        given = {entry.name: getattr(self, entry.name) for entry in fields(self)}
        plain = {n: v.indices if isinstance(v, IndexedClips) else v for n, v in given.items()}
        return {name: value for name, value in plain.items() if isinstance(value, Tensor)}

    def bank(self) -> Tensor | None:
        """Return the frames (N, H, W, 3) that the clips lie in, if they lie in a bank."""
        return _bank_of(self.clips)

    def _each(self, change: Callable[[Tensor], Tensor], num_labelled: int) -> ClipBatch:
        changed: dict[str, Any] = {name: change(value) for name, value in self.tensors().items()}
        bank = self.bank()
        if bank is not None:
            bank = bank.to(changed["clips"].device)
            for name in {"clips", "successors"} & changed.keys():
                changed[name] = IndexedClips(bank, changed[name])
        return ClipBatch(**changed, num_labelled=num_labelled)


def _bank_of(clips: Clips) -> Tensor | None:
    return clips.frames if isinstance(clips, IndexedClips) else None
