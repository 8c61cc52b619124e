"""The mean over the samples of a batch that count."""

from __future__ import annotations

from torch import Tensor

from vadsdk.ranks import num_ranks, sum_over_ranks


def weighted_mean(values: Tensor, sample_weights: Tensor | None = None) -> Tensor:
    """Return the weighted mean of `values`; a zero connected to the graph where nothing counts.

    Of several ranks, each returns its share of the mean over all their values.

    Args:
        values: (B,).
        sample_weights: (B,), at least 0; None counts every sample once.
    """
    if sample_weights is None:
        return values.sum() / max(len(values) * num_ranks(), 1)
    weights = sample_weights.to(values.dtype)
    total = sum_over_ranks(weights.sum())
    return (values * weights).sum() / total.where(total > 0, 1.0)
