"""Cross-modal contrast: the two modalities of a clip find each other in the batch (paper 3)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from vadsdk.ranks import num_ranks, rows_of_all_ranks


def one_way_contrast_loss(queries: Tensor, keys: Tensor, temperature: float) -> Tensor:
    """Return the mean cross entropy of cos(query_i, key_j) / temperature with target j = i.

    Args:
        queries: (B, D).
        keys: (B, D); row i belongs to row i of the queries, all others are negatives.
        temperature: above 0.
    """
    # Not a matrix product, which autocast would take down to 8 bits.
    similarities = F.cosine_similarity(queries[:, None], keys[None], dim=2)  # (B, B)
    targets = torch.arange(len(queries), device=queries.device)
    return F.cross_entropy(similarities / temperature, targets)


def cross_modal_contrast_loss(first: Tensor, second: Tensor, temperature: float) -> Tensor:
    """Return the mean of both ways, first to second and second to first (reference.md 4 d).

    Unlike SimCLR (Chen et al. 2020), a modality is not contrasted with itself: the negatives of a
    clip are the other modality's clips alone.

    Args:
        first: (B, D) embeddings of one modality.
        second: (B, D) of the other, in the same order.
        temperature: above 0; 0.5 in the release.
    """
    first, second = rows_of_all_ranks(first), rows_of_all_ranks(second)
    forth = one_way_contrast_loss(first, second, temperature)
    return 0.5 * (forth + one_way_contrast_loss(second, first, temperature)) / num_ranks()
