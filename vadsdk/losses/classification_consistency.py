"""Classification consistency of two views (paper 1, eq. 1); not in the paper's release."""

from __future__ import annotations

import math

from torch import Tensor

from vadsdk.kernels.weighting import weighted_mean
from vadsdk.losses.class_distribution import log_class_distribution


def classification_consistency_loss(
    features: Tensor,
    other_features: Tensor,
    sample_weights: Tensor | None = None,
    *,
    temperature: float = 1.0,
) -> Tensor:
    """Jensen-Shannon divergence of the views' class distributions, in [0, ln 2], mean over samples.

    The paper compares "features of the penultimate layer" and does not say how they become
    distributions. Here the activations are averaged over the positions first, since position p of
    a flipped or cropped view is another place in the video, and the K averages become one
    distribution a sample.

    Args:
        features: (B, P, K) class activations in [0, 1] at P positions.
        other_features: (B, P, K) of the other view.
        sample_weights: (B,) or None.
        temperature: of the distributions; below 1 sharpens.
    """
    first = log_class_distribution(features.mean(1), temperature)
    second = log_class_distribution(other_features.mean(1), temperature)
    return weighted_mean(jensen_shannon(first, second), sample_weights)


def jensen_shannon(log_p: Tensor, log_q: Tensor) -> Tensor:
    """Return the Jensen-Shannon divergence (...,) in nats of log distributions (..., K)."""
    log_middle = log_p.logaddexp(log_q) - math.log(2)
    to_p = (log_p.exp() * (log_p - log_middle)).sum(-1)
    to_q = (log_q.exp() * (log_q - log_middle)).sum(-1)
    return 0.5 * (to_p + to_q)
