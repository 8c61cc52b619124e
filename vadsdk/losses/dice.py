"""Soft Dice loss of the actors' masks."""

from __future__ import annotations

import torch
from torch import Tensor

SMOOTH = 1.0
"""Added above and below, so that empty masks without answer cost nothing."""


def dice_loss(mask_logits: Tensor, masks: Tensor, sample_weights: Tensor | None = None) -> Tensor:
    """Soft Dice loss over the whole batch, in [0, 1] (Milletari et al. 2016, eq. 3, not squared).

    Args:
        mask_logits: (B, T, H, W), before the sigmoid.
        masks: (B, T, H, W), 0 or 1.
        sample_weights: (B,) or None; each sample's pixels count so much.
    """
    probabilities = torch.sigmoid(mask_logits).flatten(1)
    targets = masks.flatten(1)
    both = (probabilities * targets).sum(1)
    either = probabilities.sum(1) + targets.sum(1)
    if sample_weights is not None:
        weights = sample_weights.to(both.dtype)
        both, either = both * weights, either * weights
    return 1 - (2 * both.sum() + SMOOTH) / (either.sum() + SMOOTH)
