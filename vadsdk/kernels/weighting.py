"""The mean over the samples of a batch that count."""

from __future__ import annotations

from torch import Tensor


def weighted_mean(values: Tensor, sample_weights: Tensor | None = None) -> Tensor:
    """Return the weighted mean of `values`; a zero connected to the graph where nothing counts.

    Args:
        values: (B,).
        sample_weights: (B,), at least 0; None counts every sample once.
    """
    if sample_weights is None:
        return values.sum() / max(len(values), 1)
    weights = sample_weights.to(values.dtype)
    total = weights.sum()
    return (values * weights).sum() / total.where(total > 0, 1.0)
