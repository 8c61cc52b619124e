"""Localisation consistency of two views (paper 1, eq. 2), also under an attention map (eq. 5)."""

from __future__ import annotations

from torch import Tensor

from vadsdk.ranks import num_ranks, sum_over_ranks


def localisation_consistency_loss(
    maps: Tensor,
    other_maps: Tensor,
    *,
    attention: Tensor | None = None,
    validity: Tensor | None = None,
) -> Tensor:
    """Mean over the valid pixels of attention * (A - B)^2; zero, connected, where none is valid.

    Args:
        maps: (B, T, H, W) probabilities or logits.
        other_maps: (B, T, H, W) of the other view, in the same frame.
        attention: (B, T, H, W), or (1, T, H, W) for the whole batch; None weighs every pixel by 1.
        validity: (B, 1, H, W), 1 where both views saw the pixel, else 0; None means everywhere.
    """
    squares = (maps - other_maps).square()
    if validity is None:
        return (squares if attention is None else squares * attention).mean() / num_ranks()
    weights = validity if attention is None else attention * validity  # outside the graph
    count = (sum_over_ranks(validity.sum()) * maps.shape[1]).clamp_min(1)
    return (squares * weights).sum() / count
