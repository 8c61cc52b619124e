"""Binary cross entropy of the actors' masks."""

from __future__ import annotations

from torch import Tensor

from vadsdk.kernels.mask_losses import mask_losses


def bce_loss(mask_logits: Tensor, masks: Tensor, sample_weights: Tensor | None = None) -> Tensor:
    """Mean over samples of the mean binary cross entropy over their pixels.

    With the Dice loss of the same maps, `kernels.mask_losses` gives both for the price of one.

    Args:
        mask_logits: (B, T, H, W), before the sigmoid.
        masks: (B, T, H, W), 0 or 1, without gradient.
        sample_weights: (B,) or None.
    """
    return mask_losses(mask_logits, masks, sample_weights)[0]
