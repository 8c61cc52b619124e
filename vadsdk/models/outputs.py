"""What every clip network returns, and whose masks it decodes.

Legend: B clips, T frames, H, W of the input, K classes, P positions.
"""

from __future__ import annotations

from typing import NamedTuple, TypeVar

import torch
from torch import Tensor


class ClipOutputs(NamedTuple):
    """The answer to B clips."""

    class_scores: Tensor
    """(B, K) in [0, 1]."""
    mask_logits: Tensor
    """(B, T, H, W): before the sigmoid, one map for all actors of the decoded class."""
    features: Tensor
    """(B, P, K) class activations at each position."""


class BoxClipOutputs(NamedTuple):
    """A box network's answer to the last frames of B clips."""

    predictions: Tensor
    """(B, A, 5 + K, gh, gw): x, y, w, h, confidence and class logits of A anchors in each cell."""
    frame_logits: Tensor
    """(B, K + 1) logits of what the frame shows, the last one background; (B, K) of independent
    actions in a multi-label network; (B, 0) without a frame head."""


class RecognitionClipOutputs(NamedTuple):
    """A recogniser's answer to B clips."""

    class_logits: Tensor
    """(B, K), before the softmax."""


Outputs = TypeVar("Outputs", ClipOutputs, BoxClipOutputs, RecognitionClipOutputs)


def rows_of(outputs: Outputs, rows: Tensor) -> Outputs:
    """Return the answer to the clips at `rows` (N,)."""
    return type(outputs)(*(values[rows] for values in outputs))


def class_weights(classes: Tensor, num_classes: int) -> Tensor:
    """Return (B, K) float: 1 for each row's class, zeros for a class of -1.

    Unlike torch's `one_hot` it never reads a class, so that no device is waited for.

    Args:
        classes: (B,) int64.
        num_classes: K.
    """
    return (classes[:, None] == torch.arange(num_classes, device=classes.device)).float()


def condition_or_own_class(condition: Tensor | None, class_scores: Tensor) -> Tensor:
    """Return (B, K) class weights; rows of zeros become the one-hot best class of the sample.

    Without branches on data, so that it exports (reference.md 2.3).

    Args:
        condition: (B, K), or None for zeros everywhere.
        class_scores: (B, K).
    """
    own = class_weights(class_scores.argmax(1), class_scores.shape[1]).to(class_scores.dtype)
    if condition is None:
        return own
    condition = condition.to(class_scores.dtype)
    return torch.where((condition == 0).all(1, keepdim=True), own, condition)
