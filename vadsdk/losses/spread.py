"""Spread loss of capsule networks and its margin schedule."""

from __future__ import annotations

import math

from torch import Tensor

from vadsdk.kernels.weighting import weighted_mean
from vadsdk.losses.ramps import Position
from vadsdk.losses.weighting import known_classes
from vadsdk.ranks import sum_over_ranks

FIRST_MARGIN = 0.2
LAST_MARGIN = 0.9
MARGIN_STEP = 0.1
EPOCHS_A_STEP = 5
"""VideoCapsuleNet raises the margin after so many."""
STEP_PROGRESS = EPOCHS_A_STEP / 100
"""The share of a training that these are, of one of 100 epochs."""


def spread_margin(progress: Position, step_progress: float = STEP_PROGRESS) -> Position:
    """Return the margin: 0.2, raised by 0.1 after each `step_progress` of the training, up to 0.9.

    Paper 1's release leaves it at 0.2 for the whole training.

    Args:
        progress: in [0, 1].
        step_progress: above 0.
    """
    position = progress / step_progress + 1e-9
    if isinstance(position, Tensor):
        return (FIRST_MARGIN + MARGIN_STEP * position.floor()).clamp_max(LAST_MARGIN)
    return min(LAST_MARGIN, FIRST_MARGIN + MARGIN_STEP * math.floor(position))


def spread_loss(
    class_scores: Tensor,
    class_indices: Tensor,
    margin: float | Tensor,
    sample_weights: Tensor | None = None,
) -> Tensor:
    """Mean over samples of sum_{k != t} max(0, margin - (a_t - a_k))^2 (Hinton et al. 2018, eq. 3).

    Args:
        class_scores: (B, K), activations a in [0, 1].
        class_indices: (B,) int64, the target t; rows with -1 do not count.
        margin: by how much the target should lead.
        sample_weights: (B,) or None.
    """
    targets, weights = known_classes(class_indices, sample_weights)
    target_scores = class_scores.gather(1, targets[:, None])  # (B, 1)
    shortfalls = (margin - (target_scores - class_scores)).clamp_min(0).square()
    # The target's own term is the constant margin^2; taking it off leaves the sum over k != t.
    return weighted_mean(shortfalls.sum(1) - margin**2, weights)


def released_spread_loss(class_scores: Tensor, class_indices: Tensor) -> Tensor:
    """Spread loss as paper 1's release computes it: margin 0.2, divided by the batch size twice.

    Args:
        class_scores: (B, K), labelled samples only.
        class_indices: (B,) int64; rows with -1 are not counted as samples.
    """
    count = sum_over_ranks((class_indices >= 0).sum()).clamp_min(1)
    return spread_loss(class_scores, class_indices, FIRST_MARGIN) / count
