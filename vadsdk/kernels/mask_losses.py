"""Binary cross entropy and soft Dice loss of the actors' masks, together in one pass over the maps.

    bce = sum_b w_b mean_p(softplus(x) - x t) / sum_b w_b
    dice = 1 - (2 sum_b w_b sum_p s t + 1) / (sum_b w_b sum_p (s + t) + 1)        s = sigmoid(x)

Legend: B clips, T frames, H, W; x logits, t masks, p the pixels of all frames of a clip.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from vadsdk.kernels.weighting import weighted_mean
from vadsdk.ranks import num_ranks, sum_over_ranks

DICE_SMOOTH = 1.0
"""Added above and below, so that empty masks without answer cost nothing."""


def mask_losses(
    mask_logits: Tensor, masks: Tensor, sample_weights: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Return binary cross entropy and Dice loss (Milletari et al. 2016, eq. 3, not squared).

    The first is the mean over samples of the mean over their pixels, the second that of the whole
    batch, in [0, 1]; of several ranks, each returns its share of both. Where no sample counts, or
    none has a pixel, both are 0, connected. CUDA tensors take `mask_losses_triton`, in float32.

    Args:
        mask_logits: (B, T, H, W), before the sigmoid, any floating type.
        masks: (B, T, H, W), in [0, 1], any type; without gradient.
        sample_weights: (B,), at least 0, or None: each sample's pixels count so much; without
            gradient.

    Returns:
        Two tensors without dimensions, at least float32.

    Raises:
        ValueError: shapes that do not fit.
    """
    weights_shape = None if sample_weights is None else tuple(sample_weights.shape)
    if masks.shape != mask_logits.shape or weights_shape not in (None, (len(masks),)):
        raise ValueError(
            f"need logits and masks of one shape (B, ...) and weights (B,); got "
            f"{tuple(mask_logits.shape)}, {tuple(masks.shape)} and {weights_shape}"
        )
    if mask_logits.is_cuda:
        from vadsdk.kernels import mask_losses_triton

        return mask_losses_triton.mask_losses(mask_logits, masks, sample_weights)
    logits = mask_logits.to(torch.promote_types(mask_logits.dtype, torch.float32)).flatten(1)
    targets = masks.detach().to(logits.dtype).flatten(1)
    weights = None if sample_weights is None else sample_weights.detach().to(logits.dtype)
    return _bce(logits, targets, weights), _dice(logits, targets, weights)


def _bce(logits: Tensor, targets: Tensor, weights: Tensor | None) -> Tensor:
    losses = F.binary_cross_entropy_with_logits(logits, targets, reduction="none")
    return weighted_mean(losses.sum(1) / max(losses.shape[1], 1), weights)


def _dice(logits: Tensor, targets: Tensor, weights: Tensor | None) -> Tensor:
    probabilities = logits.sigmoid()
    both = (probabilities * targets).sum(1)
    either = probabilities.sum(1) + targets.sum(1)
    if weights is not None:
        both, either = both * weights, either * weights
    overlap, size = sum_over_ranks(torch.stack((both.sum(), either.sum())))
    loss: Tensor = 1 - (2 * overlap + DICE_SMOOTH) / (size + DICE_SMOOTH)
    return loss / num_ranks()
