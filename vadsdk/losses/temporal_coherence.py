"""Temporal coherence: views agree where the answer changes over time (paper 1, eq. 3)."""

from __future__ import annotations

from torch import Tensor

from vadsdk.losses.localisation_consistency import localisation_consistency_loss


def temporal_coherence_loss(
    maps: Tensor,
    other_maps: Tensor,
    attention: Tensor,
    attention_weight: float | Tensor,
    *,
    validity: Tensor | None = None,
) -> Tensor:
    """Return w mean(M (A - B)^2) + (1 - w) mean((A - B)^2) over the valid pixels.

    `kernels.coherence_losses` gives the same without ever writing M, for the maps that it knows.

    Args:
        maps: (B, T, H, W) probabilities or logits.
        other_maps: (B, T, H, W) of the other view, in the same frame.
        attention: M, (B, T, H, W), without gradient; see `kernels.temporal_maps`.
        attention_weight: w in [0, 1], ramped up over the training (`exp_rampup`); a tensor has one
            element.
        validity: (B, 1, H, W) or None, as in `localisation_consistency_loss`.
    """
    blend = attention_weight * attention + (1 - attention_weight)
    return localisation_consistency_loss(maps, other_maps, attention=blend, validity=validity)
