"""Class activations, each in [0, 1] on its own, as one distribution over the classes."""

from __future__ import annotations

import torch
from torch import Tensor

EDGE = 1e-6
"""Activations are kept so far from 0 and 1, where their logits are infinite."""


def log_class_distribution(class_scores: Tensor, temperature: float = 1.0) -> Tensor:
    """Return log probabilities (..., K): the softmax over the logits of the activations.

    If each activation is the probability of a yes/no question, this is the chance of each class
    given that exactly one is true. Dividing by the sum instead would leave the best of 21 confident
    activations (one 0.95, the others 0.05) at 0.49; this gives it 0.95.

    Args:
        class_scores: (..., K) in [0, 1].
        temperature: below 1 sharpens.
    """
    scores = class_scores if class_scores.dtype == torch.float64 else class_scores.float()
    return (scores.clamp(EDGE, 1 - EDGE).logit() / temperature).log_softmax(-1)
