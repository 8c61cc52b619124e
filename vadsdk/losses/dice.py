"""Soft Dice loss of the actors' masks."""

from __future__ import annotations

from torch import Tensor

from vadsdk.kernels.mask_losses import mask_losses


def dice_loss(mask_logits: Tensor, masks: Tensor, sample_weights: Tensor | None = None) -> Tensor:
    """Soft Dice loss over the whole batch, in [0, 1] (Milletari et al. 2016, eq. 3, not squared).

    With the cross entropy of the same maps, `kernels.mask_losses` gives both for the price of one.

    Args:
        mask_logits: (B, T, H, W), before the sigmoid.
        masks: (B, T, H, W), 0 or 1, without gradient.
        sample_weights: (B,) or None; each sample's pixels count so much.
    """
    return mask_losses(mask_logits, masks, sample_weights)[1]
