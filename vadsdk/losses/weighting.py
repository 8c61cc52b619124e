"""Means over the samples of a batch that count, shared by the losses."""

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


def known_classes(class_indices: Tensor, sample_weights: Tensor | None) -> tuple[Tensor, Tensor]:
    """Return indices that are safe to gather with, and weights that are 0 where the class is -1.

    Args:
        class_indices: (B,) int64, -1 where no class is known.
        sample_weights: (B,) or None.
    """
    known = class_indices >= 0
    weights = known.float() if sample_weights is None else known * sample_weights
    return class_indices.clamp_min(0), weights
