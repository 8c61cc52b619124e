"""Where the frames of clips lie, and how the pixels of their views are wanted.

Legend: B clips, T frames, N frames that lie together, H, W their size.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True, eq=False)
class IndexedClips:
    """Clips (B, T, H, W, 3) whose frames lie in a bank, where views see them: nobody copies them.

    Raises:
        ValueError: frames or indices are of another shape or type.
    """

    frames: Tensor
    """(N, H, W, 3) uint8 RGB."""
    indices: Tensor
    """(B, T) int64 in [0, N), on the device of `frames`."""

    def __post_init__(self) -> None:
        frames, indices = self.frames, self.indices
        if frames.ndim != 4 or frames.shape[3] != 3 or frames.dtype != torch.uint8:
            raise ValueError(
                f"a bank's frames are (N, H, W, 3) uint8, not {tuple(frames.shape)} {frames.dtype}"
            )
        if indices.ndim != 2 or indices.dtype != torch.int64:
            raise ValueError(
                f"frame indices are (B, T) int64, not {tuple(indices.shape)} {indices.dtype}"
            )

    @property
    def shape(self) -> torch.Size:
        """B, T, H, W, 3."""
        return torch.Size((*self.indices.shape, *self.frames.shape[1:]))

    @property
    def device(self) -> torch.device:
        """Where the frames lie."""
        return self.frames.device

    @property
    def is_cuda(self) -> bool:
        """Whether that is a card."""
        return self.frames.is_cuda

    def __len__(self) -> int:
        """Return B."""
        return len(self.indices)

    def __getitem__(self, where: slice | Tensor | tuple[slice, ...]) -> IndexedClips:
        """Return some rows, or some frames of some rows."""
        return IndexedClips(self.frames, self.indices[where])

    def gathered(self) -> Tensor:
        """Return the clips (B, T, H, W, 3) in memory of their own.

        Raises:
            IndexError: an index is not in [0, N).
        """
        count = len(self.frames)
        if self.indices.numel() and not 0 <= int(self.indices.min()) <= self.indices.max() < count:
            raise IndexError(
                f"frame indices of a bank of {count} frames lie in [0, {count}), not in "
                f"[{int(self.indices.min())}, {int(self.indices.max())}]"
            )
        return self.frames[self.indices]


Clips = Tensor | IndexedClips
"""(B, T, H, W, 3) uint8 RGB."""


class PixelFormat(NamedTuple):
    """How a view's pixels are written."""

    mean: Sequence[float]
    """Subtracted from RGB in [0, 1]."""
    std: Sequence[float]
    """Divides what remains."""
    dtype: torch.dtype
    """Of the view."""
    memory_format: torch.memory_format
    """Contiguous or channels_last_3d."""


def indexed(clips: Clips) -> IndexedClips:
    """Return clips by their indices, without a copy if possible; a tensor's into its own frames.

    Raises:
        ValueError: the clips are of another shape or type.
    """
    if isinstance(clips, IndexedClips):
        return clips
    if clips.ndim != 5 or clips.shape[4] != 3 or clips.dtype != torch.uint8:
        raise ValueError(f"clips are (B, T, H, W, 3) uint8, not {tuple(clips.shape)} {clips.dtype}")
    batch, frames = clips.shape[:2]
    indices = torch.arange(batch * frames, device=clips.device).view(batch, frames)
    return IndexedClips(clips.flatten(0, 1), indices)


def gathered(clips: Clips) -> Tensor:
    """Return clips as a tensor; see `IndexedClips.gathered`."""
    return clips if isinstance(clips, Tensor) else clips.gathered()


def joined_in_time(clips: Clips, others: Clips) -> Clips:
    """Return clips (B, 2 T, H, W, 3), each with the other's frames behind its own.

    Raises:
        ValueError: they do not lie in one bank.
    """
    if isinstance(clips, Tensor) and isinstance(others, Tensor):
        return torch.cat((clips, others), 1)
    clips, others = indexed(clips), indexed(others)
    if clips.frames is not others.frames:
        raise ValueError("clips that are joined lie in the same bank")
    return IndexedClips(clips.frames, torch.cat((clips.indices, others.indices), 1))
