"""Difference of pixels: two answers change alike from frame to frame (Stable Mean Teacher)."""

from __future__ import annotations

from torch import Tensor

from vadsdk.losses.localisation_consistency import localisation_consistency_loss


def difference_of_pixels_loss(
    maps: Tensor, other_maps: Tensor, *, validity: Tensor | None = None
) -> Tensor:
    """Mean over valid pixels of ((A[t + 1] - A[t]) - (B[t + 1] - B[t]))^2; 0 for a single frame.

    What stands wrongly still in both is left to the plain difference of the maps.

    Args:
        maps: (B, T, H, W) probabilities or logits.
        other_maps: (B, T, H, W), in the same frame.
        validity: (B, 1, H, W), 1 where both views saw the pixel, else 0; None means everywhere.
    """
    if maps.shape[1] < 2:
        return maps.sum() * 0
    return localisation_consistency_loss(
        maps.diff(dim=1), other_maps.diff(dim=1), validity=validity
    )
