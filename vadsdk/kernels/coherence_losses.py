"""Temporal coherence (eq. 3) and gradient smoothness (eq. 5) of paper 1, maps and losses in one.

    loss = (w sum M (A - B)^2 + (1 - w) sum (A - B)^2) / count      over the pixels both views saw
    M = (V - min V) / (max V - min V)                               V the attention map of a clip

As the loss is linear in V, one pass over the answers gives sum V (A - B)^2, sum (A - B)^2 and the
extremes of V, and from these sums the loss: no map is ever written. The gradient takes a second
pass. The written-out form is `temporal_maps` and `losses.temporal_coherence_loss`.

Legend: B clips, T frames, H, W, P pixels of a strip, F attentions.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from vadsdk.kernels.coherence_form import CoherenceForm
from vadsdk.kernels.coherence_strips import Strip, Walk
from vadsdk.kernels.temporal_maps import MIN_MAX_EPSILON, check_window


def coherence_losses(
    first_logits: Tensor,
    second_logits: Tensor,
    form: CoherenceForm,
    attention_weights: Sequence[float | Tensor],
    validity: Tensor | None = None,
) -> Tensor:
    """Return w mean(M (A - B)^2) + (1 - w) mean((A - B)^2) over valid pixels, for each attention.

    The maps M carry no gradient; A and B do, and a view that is to be a fixed target comes
    detached. Where only the first view saw a pixel, its answer stands for both in the maps:
    nothing but motion gets attention there. Where no pixel is valid the losses are 0, connected.
    CUDA tensors take `coherence_losses_triton`; arithmetic is float32 at least in every case.

    Args:
        first_logits: (B, T, H, W), before the sigmoid, any floating type.
        second_logits: (B, T, H, W), the other view's answer in the frame of the first.
        form: which maps, of what.
        attention_weights: w in [0, 1] for each of `form.attentions`; 1 leaves out the plain squares
            (eq. 5). A float, or a tensor of one element on the maps' device, whose value may change
            between replays of a CUDA graph.
        validity: (B, 1, H, W), 1 where both views saw the pixel, else 0; None means everywhere.

    Returns:
        (F,), float32, or float64 if the first logits are.

    Raises:
        ValueError: shapes that do not fit, or a window that does not fit the frames.
    """
    _check(first_logits, second_logits, form, attention_weights, validity)
    if first_logits.is_cuda:
        from vadsdk.kernels import coherence_losses_triton

        return coherence_losses_triton.coherence_losses(
            first_logits, second_logits, form, attention_weights, validity
        )
    weights = tuple(float(weight) for weight in attention_weights)
    losses = _CoherenceLosses.apply(first_logits, second_logits, form, weights, validity)  # type: ignore[no-untyped-call]
    return cast(Tensor, losses)


def _check(
    first: Tensor,
    second: Tensor,
    form: CoherenceForm,
    weights: Sequence[float | Tensor],
    validity: Tensor | None,
) -> None:
    fits = validity is None or validity.shape == (first.shape[0], 1, *first.shape[2:])
    if first.dim() != 4 or second.shape != first.shape or not fits:
        shapes = [tuple(x.shape) for x in (first, second, validity) if x is not None]
        raise ValueError(
            f"need two answers (B, T, H, W) and a validity (B, 1, H, W) or None; got {shapes}"
        )
    if len(weights) != len(form.attentions):
        raise ValueError(f"need a weight for each of {form.attentions}; got {len(weights)}")
    check_window(first, form.window if "variance" in form.attentions else 1)


class _Sums(NamedTuple):
    """Of one attention over a strip or a clip."""

    lowest: float
    highest: float
    above: float
    """Sum of (V - lowest) (A - B)^2: no terms of different sign that could cancel."""
    squares: float
    """Sum of (A - B)^2."""


class _Stretch(NamedTuple):
    """Makes M of V: factor * (V - lowest)."""

    factor: float
    lowest: float


class _CoherenceLosses(torch.autograd.Function):
    """The CPU form, which computes wherever its tensors are."""

    @staticmethod
    def forward(
        ctx: Any,
        first: Tensor,
        second: Tensor,
        form: CoherenceForm,
        weights: tuple[float, ...],
        validity: Tensor | None,
    ) -> Tensor:
        """Sum over the strips of each clip, then over the clips."""
        walk = Walk(first, second, validity, form)
        clips = [
            _joined([_strip_sums(strip, form) for strip in walk.clip(index)])
            for index in range(len(first))
        ]
        pixels = first[:, :1].numel() if validity is None else float(validity.sum())
        ctx.count = max(pixels * first.shape[1], 1)
        ctx.form, ctx.weights = form, weights
        ctx.stretches = [[_stretch(sums, form) for sums in clip] for clip in clips]
        ctx.save_for_backward(first, second, validity)
        totals = [0.0] * len(weights)
        for clip, stretches in zip(clips, ctx.stretches, strict=True):
            for k, weight in enumerate(weights):
                attended = stretches[k].factor * clip[k].above
                totals[k] += weight * attended + (1 - weight) * clip[k].squares
        dtype = torch.promote_types(first.dtype, torch.float32)
        mean = [total / ctx.count for total in totals]
        return torch.tensor(mean, dtype=dtype, device=first.device)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        """Walk through the strips again: 2 (w M + 1 - w) (A - B) / count for each pixel."""
        first, second, validity = ctx.saved_tensors
        answers = [
            torch.empty(x.shape, dtype=x.dtype, device=x.device) if needed else None
            for x, needed in zip((first, second), ctx.needs_input_grad, strict=False)
        ]
        factors = [float(g) * 2 / ctx.count for g in gradient]
        walk = Walk(first, second, validity, ctx.form)
        for index, stretches in enumerate(ctx.stretches):
            for strip in walk.clip(index):
                slopes = walk.memory("slopes", *strip.distances.shape)
                _fill_slopes(slopes, strip, stretches, ctx.weights, factors)
                for answer, maps in zip(answers, strip.compared.chunk(2), strict=True):
                    if answer is not None:
                        target = answer[index].flatten(1)[:, strip.columns]
                        target.copy_(_of_logits(slopes, maps, walk, ctx.form))
                    slopes.neg_()  # the second answer is taken off the first
        return answers[0], answers[1], None, None, None


def _strip_sums(strip: Strip, form: CoherenceForm) -> list[_Sums]:
    squares = strip.distances.square_().flatten()
    total = squares.sum().item()
    answer = []
    for attention in strip.attentions:
        lowest, highest = 0.0, 0.0
        if form.stretched:
            lowest, highest = (extreme.item() for extreme in attention.aminmax())
            attention.sub_(lowest)
        above = torch.dot(attention.flatten(), squares).item()
        answer.append(_Sums(lowest, highest, above, total))
    return answer


def _joined(strips: list[list[_Sums]]) -> list[_Sums]:
    """Return each attention's sums over a clip."""
    answer = []
    for parts in zip(*strips, strict=True):
        lowest = min(part.lowest for part in parts)
        above = math.fsum(part.above + (part.lowest - lowest) * part.squares for part in parts)
        squares = math.fsum(part.squares for part in parts)
        answer.append(_Sums(lowest, max(part.highest for part in parts), above, squares))
    return answer


def _stretch(sums: _Sums, form: CoherenceForm) -> _Stretch:
    if not form.stretched:
        return _Stretch(form.gain, 0.0)
    return _Stretch(form.gain / (sums.highest - sums.lowest + MIN_MAX_EPSILON), sums.lowest)


def _fill_slopes(
    slopes: Tensor,
    strip: Strip,
    stretches: list[_Stretch],
    weights: tuple[float, ...],
    factors: list[float],
) -> None:
    """Write the derivative of all losses together by A into `slopes` (T, P)."""
    slopes.zero_()
    offset = 0.0
    for attention, stretch, weight, factor in zip(
        strip.attentions, stretches, weights, factors, strict=True
    ):
        scale = factor * weight * stretch.factor
        offset += factor * (1 - weight) - scale * stretch.lowest
        slopes.add_(attention, alpha=scale)
    slopes.add_(offset).mul_(strip.distances)


def _of_logits(slopes: Tensor, maps: Tensor, walk: Walk, form: CoherenceForm) -> Tensor:
    """Return derivatives by logits for those by `maps` (T, P), A or B: times p (1 - p)."""
    if form.compared == "logits":
        return slopes
    part = torch.mul(slopes, maps, out=walk.memory("part", *slopes.shape))
    return part.addcmul_(part, maps, value=-1)
