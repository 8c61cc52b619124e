"""Weights that change during training, over a position in steps, epochs or progress.

Where a position may be a tensor of no dimension, the weight is one too, on its device: a step that
is captured as a graph must not have the numbers of the step that it was captured in.
"""

from __future__ import annotations

import math

from torch import Tensor

Position = float | Tensor


def exp_rampup(position: Position, length: float) -> Position:
    """Return exp(-5 (1 - position / length)^2), then 1 (Laine & Aila 2017); 1 at once for length 0.

    It starts at 0.0067, not at the 0 of paper 1's text (section 3.3); the release does the same.
    """
    return _exp(-5.0 * (1.0 - linear_rampup(position, length)) ** 2)


def linear_rampup(position: Position, length: float) -> Position:
    """Return position / length, then 1; 1 at once for length 0."""
    if isinstance(position, Tensor):
        return (position / length).clamp(0.0, 1.0) if length else position * 0.0 + 1.0
    return 1.0 if position >= length else max(position, 0.0) / length


def exp_rampdown(position: float, length: float, total: float) -> float:
    """Return 1, and over the last `length` of `total` exp(-(passed / 2)^2 / length)."""
    passed = position - (total - length)
    return math.exp(-((0.5 * passed) ** 2) / length) if passed >= 0 else 1.0


def cosine_rampdown(position: float, length: float, total: float) -> float:
    """Return 1, and over the last `length` of `total` (cos(pi passed / 2 / length) + 1) / 2."""
    passed = position - (total - length)
    return 0.5 * (math.cos(math.pi * 0.5 * passed / length) + 1.0) if passed >= 0 else 1.0


def gaussian_rampdown(progress: Position, start: float) -> Position:
    """Return 1 up to `start`, then exp(-12.5 u^2) of the share u that has passed of the rest.

    Laine & Aila 2017 (section 3.2) end their training so, and CSD its consistency weight (Jeong et
    al. 2019, section 3.4).

    Args:
        progress: in [0, 1].
        start: in [0, 1]; 1 never falls.
    """
    if start >= 1:
        return progress * 0.0 + 1.0
    return _exp(-12.5 * linear_rampup(progress - start, 1 - start) ** 2)


def delayed_rampup(position: float, start: float, end: float) -> float:
    """Return 0 up to `start`, 1 after `end`, a straight line between (for pseudo labels)."""
    if position <= start:
        return 0.0
    return 1.0 if position > end else (position - start) / (end - start)


def _exp(value: Position) -> Position:
    return value.exp() if isinstance(value, Tensor) else math.exp(value)
