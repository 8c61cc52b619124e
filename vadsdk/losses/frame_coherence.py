"""Neighbouring frames show the same action (paper 2, eq. 10)."""

from __future__ import annotations

from torch import Tensor

from vadsdk.kernels.weighting import weighted_mean


def frame_coherence_loss(probabilities: Tensor, next_probabilities: Tensor) -> Tensor:
    """Return the L1 distance of the answers to a frame and to the next, mean over the clips.

    Args:
        probabilities: (B, C) of what a frame shows.
        next_probabilities: (B, C) of the frame after it.
    """
    distances = (probabilities - next_probabilities).abs().sum(1)
    return weighted_mean(distances)
