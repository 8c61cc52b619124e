"""Which samples of a batch count, shared by the losses."""

from __future__ import annotations

from torch import Tensor


def known_classes(class_indices: Tensor, sample_weights: Tensor | None) -> tuple[Tensor, Tensor]:
    """Return indices that are safe to gather with, and weights that are 0 where the class is -1.

    Args:
        class_indices: (B,) int64, -1 where no class is known.
        sample_weights: (B,) or None.
    """
    known = class_indices >= 0
    weights = known.float() if sample_weights is None else known * sample_weights
    return class_indices.clamp_min(0), weights
