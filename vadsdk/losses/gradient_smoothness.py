"""Gradient smoothness: views agree where the answer bends over time (paper 1, eq. 5)."""

from __future__ import annotations

from torch import Tensor

from vadsdk.losses.localisation_consistency import localisation_consistency_loss


def gradient_smoothness_loss(
    maps: Tensor, other_maps: Tensor, attention: Tensor, *, validity: Tensor | None = None
) -> Tensor:
    """Return mean(M (A - B)^2) over the valid pixels.

    `kernels.coherence_losses` gives the same without ever writing M, for the maps that it knows.

    Args:
        maps: (B, T, H, W) probabilities or logits.
        other_maps: (B, T, H, W) of the other view, in the same frame.
        attention: M, (B, T, H, W), without gradient: `kernels.temporal_maps.gradient_map`. The
            paper's signed map makes this loss negative at times; |M| cannot.
        validity: (B, 1, H, W) or None, as in `localisation_consistency_loss`.
    """
    return localisation_consistency_loss(maps, other_maps, attention=attention, validity=validity)
