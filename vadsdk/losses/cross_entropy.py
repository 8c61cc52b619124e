"""Cross entropy of the action class."""

from __future__ import annotations

from torch import Tensor

from vadsdk.losses.class_distribution import log_class_distribution
from vadsdk.losses.weighting import known_classes, weighted_mean


def cross_entropy_loss(
    class_scores: Tensor, class_indices: Tensor, sample_weights: Tensor | None = None
) -> Tensor:
    """Mean over samples of -log p(target), p from `log_class_distribution`.

    Args:
        class_scores: (B, K) activations in [0, 1].
        class_indices: (B,) int64; rows with -1 do not count.
        sample_weights: (B,) or None.
    """
    targets, weights = known_classes(class_indices, sample_weights)
    log_probabilities = log_class_distribution(class_scores).gather(1, targets[:, None])[:, 0]
    return weighted_mean(-log_probabilities, weights)
