"""Cross-modal alignment: one modality's features follow another's, place by place (paper 3)."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from vadsdk.ranks import num_ranks


def modality_alignment_loss(features: Tensor, target_features: Tensor) -> Tensor:
    """Return 1 - cosine over the channels, mean over all positions, in [0, 2] (reference.md 4 c).

    Args:
        features: (B, C, ...), such as a stage's map (B, C, T, H, W) of the RGB network.
        target_features: the same shape, of the temporal-gradient network; without gradient.
    """
    similarities = F.cosine_similarity(features, target_features.detach(), dim=1)
    return (1 - similarities.mean()) / num_ranks()
