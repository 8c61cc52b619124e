"""Cross entropy of actions that may be shown together (paper 2, eq. 5, for AVA)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from vadsdk.kernels.weighting import weighted_mean


def multi_label_loss(
    logits: Tensor, targets: Tensor, is_known: Tensor | None = None, *, positive_weight: float = 1.0
) -> Tensor:
    """Mean over clips of the mean weighted binary cross entropy over the classes.

    What is not known counts as a class without loss.

    Args:
        logits: (B, K), before the sigmoid.
        targets: (B, K) bool.
        is_known: (B, K) bool: targets that teach; None for all.
        positive_weight: of the classes that are shown, which are few.
    """
    costs = F.binary_cross_entropy_with_logits(
        logits,
        targets.to(logits.dtype),
        reduction="none",
        pos_weight=torch.full_like(logits[:1], positive_weight),
    )
    if is_known is not None:
        costs = costs * is_known
    return weighted_mean(costs.flatten(), torch.ones_like(costs).flatten())
