"""Temporal gradients: how each frame differs from the one after it, the second modality of paper 3.

    source      0 1 2 3 4 5 6 7 8 9      frame_stride 4, T = 2
    clip        x . . . x . . . . .
    successors  . x . . . x . . . .      gradient of frame t: (x_t - x_{t+1} + white) / 2

The release writes these images to JPEG files before training (reference.md section 4); here they
are made on the device from frames that are there anyway, so JPEG's loss is left out. In training
they are those of views, normalised as views are, and on a card one kernel makes both
(`augmentation.apply_view_with_gradients`).
"""

from __future__ import annotations

import torch
from torch import Tensor


def temporal_gradient(frames: Tensor, successors: Tensor) -> Tensor:
    """Return current minus next, halved and centred on grey: what does not move is grey.

    Args:
        frames: uint8 in 0..255, or floating point with white at 1; any shape. Views whose gain
            takes them beyond white are meant as they are.
        successors: the next frame of each, in the same shape and type.

    Returns:
        The type that came. uint8 is truncated as in the release: a static pixel is 127.
    """
    if frames.shape != successors.shape or frames.dtype != successors.dtype:
        raise ValueError(
            f"frames and successors are alike, not {tuple(frames.shape)} {frames.dtype} and "
            f"{tuple(successors.shape)} {successors.dtype}"
        )
    if frames.dtype == torch.uint8:
        return ((frames.short() - successors.short() + 255) // 2).to(torch.uint8)
    return (frames - successors + 1) / 2


def clip_gradient(frames: Tensor, *, dim: int) -> Tensor:
    """Return the gradients of consecutive frames: T + 1 frames give T.

    Args:
        frames: at least two frames along `dim`, such as clips (B, T + 1, H, W, 3) uint8.
        dim: the axis of time.
    """
    count = frames.shape[dim] - 1
    return temporal_gradient(frames.narrow(dim, 0, count), frames.narrow(dim, 1, count))
