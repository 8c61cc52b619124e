"""Binary cross entropy of the actors' masks."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from vadsdk.losses.weighting import weighted_mean


def bce_loss(mask_logits: Tensor, masks: Tensor, sample_weights: Tensor | None = None) -> Tensor:
    """Mean over samples of the mean binary cross entropy over their pixels.

    Args:
        mask_logits: (B, T, H, W), before the sigmoid.
        masks: (B, T, H, W), 0 or 1.
        sample_weights: (B,) or None.
    """
    losses = F.binary_cross_entropy_with_logits(mask_logits, masks, reduction="none")
    return weighted_mean(losses.flatten(1).mean(1), sample_weights)
