"""Where the frames of clips lie, and how the pixels of their views are wanted.

Legend: B clips, T frames, N frames that lie together, H, W their size.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor


class FrameSource(NamedTuple):
    """Frames and the clips that are made of them."""

    frames: Tensor
    """(N, H, W, 3) uint8 RGB."""
    indices: Tensor
    """(B, T) int64, the clips' frames, on the device of `frames`."""

    def clips(self) -> Tensor:
        """Return the clips (B, T, H, W, 3), gathered.

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


def bank_frames_of(bank_frames: Tensor, frame_indices: Tensor) -> FrameSource:
    """Return clips whose frames lie in a bank.

    Raises:
        ValueError: bank or indices are of another shape or type.
    """
    if bank_frames.ndim != 4 or bank_frames.shape[3] != 3 or bank_frames.dtype != torch.uint8:
        raise ValueError(
            f"a bank's frames are (N, H, W, 3) uint8, not {tuple(bank_frames.shape)} "
            f"{bank_frames.dtype}"
        )
    if frame_indices.ndim != 2 or frame_indices.dtype != torch.int64:
        raise ValueError(
            f"frame indices are (B, T) int64, not {tuple(frame_indices.shape)} "
            f"{frame_indices.dtype}"
        )
    return FrameSource(bank_frames, frame_indices)


def own_frames_of(clips: Tensor) -> FrameSource:
    """Return clips (B, T, H, W, 3) that are made of their own frames, without a copy if possible.

    Raises:
        ValueError: the clips are of another shape or type.
    """
    if clips.ndim != 5 or clips.shape[4] != 3 or clips.dtype != torch.uint8:
        raise ValueError(f"clips are (B, T, H, W, 3) uint8, not {tuple(clips.shape)} {clips.dtype}")
    batch, frames = clips.shape[:2]
    indices = torch.arange(batch * frames, device=clips.device).view(batch, frames)
    return FrameSource(clips.flatten(0, 1), indices)
