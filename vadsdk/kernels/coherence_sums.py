"""What `coherence_losses` needs to know of a clip, however its pixels were passed through."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import NamedTuple

from torch import Tensor

from vadsdk.kernels.coherence_form import CoherenceForm
from vadsdk.kernels.temporal_maps import MIN_MAX_EPSILON


class Sums(NamedTuple):
    """Of one attention over a clip, or a part of one."""

    lowest: float
    highest: float
    above: float
    """Sum of (V - lowest) (A - B)^2: no terms of different sign that could cancel."""
    squares: float
    """Sum of (A - B)^2."""


class Stretch(NamedTuple):
    """Makes M of V: factor * (V - lowest)."""

    factor: float
    lowest: float


class Slopes(NamedTuple):
    """What the derivative by A of all losses together is made of."""

    stretches: list[list[Stretch]]
    """Of each clip and attention."""
    weights: tuple[float, ...]
    """w of each attention."""
    factors: list[float]
    """Of each attention's loss: 2 / count, times the gradient from above."""
    wanted: tuple[bool, bool]
    """Whether the first and whether the second answer is to have a gradient."""

    def of_clip(self, index: int) -> tuple[list[float], float]:
        """Return factors k of the maps and an offset o: the derivative is (sum k V + o) (A - B)."""
        scales, offset = [], 0.0
        stretches = self.stretches[index]
        for stretch, weight, factor in zip(stretches, self.weights, self.factors, strict=True):
            scales.append(factor * weight * stretch.factor)
            offset += factor * (1 - weight) - scales[-1] * stretch.lowest
        return scales, offset


class Passes(NamedTuple):
    """A way to pass through all pixels of two answers (B, T, H, W) with a validity or None."""

    sums: Callable[[Tensor, Tensor, Tensor | None, CoherenceForm], list[list[Sums]]]
    """Gives those of each clip and attention."""
    gradients: Callable[
        [Tensor, Tensor, Tensor | None, CoherenceForm, Slopes], tuple[Tensor | None, Tensor | None]
    ]
    """Gives those by both answers, where they are wanted."""


def joined(parts_of_attentions: Iterable[list[Sums]]) -> list[Sums]:
    """Return each attention's sums over a clip, from those over its parts; nothing of no parts."""
    answer = []
    for parts in zip(*parts_of_attentions, strict=True):
        lowest = min(part.lowest for part in parts)
        above = math.fsum(part.above + (part.lowest - lowest) * part.squares for part in parts)
        squares = math.fsum(part.squares for part in parts)
        answer.append(Sums(lowest, max(part.highest for part in parts), above, squares))
    return answer


def stretch_of(sums: Sums, form: CoherenceForm) -> Stretch:
    """Return what makes the map of an attention."""
    if not form.stretched:
        return Stretch(form.gain, 0.0)
    return Stretch(form.gain / (sums.highest - sums.lowest + MIN_MAX_EPSILON), sums.lowest)
