"""Cross entropy of class logits."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from vadsdk.kernels.weighting import weighted_mean
from vadsdk.losses.weighting import known_classes


def logit_cross_entropy_loss(
    class_logits: Tensor,
    class_indices: Tensor,
    sample_weights: Tensor | None = None,
    *,
    label_smoothing: float = 0.0,
) -> Tensor:
    """Mean over samples of -log softmax(logits)[target]; smoothed as in `cross_entropy_loss`.

    Args:
        class_logits: (B, K), before the softmax.
        class_indices: (B,) int64; rows with -1 do not count.
        sample_weights: (B,) or None.
        label_smoothing: in [0, 1).
    """
    targets, weights = known_classes(class_indices, sample_weights)
    costs = F.cross_entropy(
        class_logits, targets, reduction="none", label_smoothing=label_smoothing
    )
    return weighted_mean(costs, weights)
