"""Cross entropy of the action class."""

from __future__ import annotations

from torch import Tensor

from vadsdk.kernels.weighting import weighted_mean
from vadsdk.losses.class_distribution import log_class_distribution
from vadsdk.losses.weighting import known_classes


def cross_entropy_loss(
    class_scores: Tensor,
    class_indices: Tensor,
    sample_weights: Tensor | None = None,
    *,
    label_smoothing: float = 0.0,
) -> Tensor:
    """Mean over samples of -log p(target), p from `log_class_distribution`.

    With smoothing s the target is 1 - s + s/K for its class and s/K for every other (Szegedy et al.
    2016, section 7).

    Args:
        class_scores: (B, K) activations in [0, 1].
        class_indices: (B,) int64; rows with -1 do not count.
        sample_weights: (B,) or None.
        label_smoothing: s in [0, 1).
    """
    targets, weights = known_classes(class_indices, sample_weights)
    log_probabilities = log_class_distribution(class_scores)  # (B, K)
    costs = -log_probabilities.gather(1, targets[:, None])[:, 0]
    if label_smoothing:
        costs = (1 - label_smoothing) * costs - label_smoothing * log_probabilities.mean(1)
    return weighted_mean(costs, weights)
