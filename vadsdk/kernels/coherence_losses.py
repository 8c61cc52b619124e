"""Temporal coherence (eq. 3) and gradient smoothness (eq. 5) of paper 1, maps and losses in one.

    loss = (w sum M (A - B)^2 + (1 - w) sum (A - B)^2) / count      over the pixels both views saw
    M = (V - min V) / (max V - min V)                               V the attention map of a clip

As the loss is linear in V, one pass over the answers gives sum V (A - B)^2, sum (A - B)^2 and the
extremes of V, and from these sums the loss: no map is ever written. The gradient takes a second
pass. The written-out form is `temporal_maps` and `losses.temporal_coherence_loss`.

Legend: B clips, T frames, H, W, F attentions.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from vadsdk.kernels.coherence_form import CoherenceForm
from vadsdk.kernels.coherence_strips import IN_STRIPS
from vadsdk.kernels.coherence_sums import Passes, Slopes, stretch_of
from vadsdk.kernels.temporal_maps import check_window


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
    CUDA tensors take `coherence_losses_triton`, in float32; others are computed in that at least.

    Args:
        first_logits: (B, T, H, W), before the sigmoid, any floating type.
        second_logits: (B, T, H, W), the other view's answer in the frame of the first.
        form: which maps, of what.
        attention_weights: w in [0, 1] for each of `form.attentions`; 1 leaves out the plain squares
            (eq. 5). A float, or a tensor of one element on the maps' device, whose value may change
            between replays of a CUDA graph.
        validity: (B, 1, H, W), 1 where both views saw the pixel, else 0; None means everywhere.

    Returns:
        (F,), float32, or float64 if the first logits are and lie on a CPU.

    Raises:
        ValueError: shapes that do not fit, or a window that does not fit the frames.
    """
    check_answers(first_logits, second_logits, form, attention_weights, validity)
    if first_logits.is_cuda:
        from vadsdk.kernels import coherence_losses_triton

        return coherence_losses_triton.coherence_losses(
            first_logits, second_logits, form, attention_weights, validity
        )
    weights = tuple(float(weight) for weight in attention_weights)
    losses = LossesByPasses.apply(  # type: ignore[no-untyped-call]
        first_logits, second_logits, form, weights, validity, IN_STRIPS
    )
    return cast(Tensor, losses)


def check_answers(
    first: Tensor,
    second: Tensor,
    form: CoherenceForm,
    weights: Sequence[float | Tensor],
    validity: Tensor | None,
) -> None:
    """Raise ValueError as `coherence_losses` does."""
    fits = validity is None or validity.shape == (first.shape[0], 1, *first.shape[2:])
    if first.dim() != 4 or second.shape != first.shape or not fits:
        shapes = [tuple(x.shape) for x in (first, second, validity) if x is not None]
        raise ValueError(
            f"need two answers (B, T, H, W) and a validity (B, 1, H, W) or None; got {shapes}"
        )
    if len(weights) != len(form.attentions):
        raise ValueError(f"need a weight for each of {form.attentions}; got {len(weights)}")
    check_window(first, form.window if "variance" in form.attentions else 1)


class LossesByPasses(torch.autograd.Function):
    """The losses by any `Passes`: everything between them is a handful of numbers a clip."""

    @staticmethod
    def forward(
        ctx: Any,
        first: Tensor,
        second: Tensor,
        form: CoherenceForm,
        weights: tuple[float, ...],
        validity: Tensor | None,
        passes: Passes,
    ) -> Tensor:
        """Pass once, for the sums of each clip; they make the losses."""
        clips = passes.sums(first, second, validity, form)
        pixels = first[:, :1].numel() if validity is None else float(validity.sum())
        ctx.count = max(pixels * first.shape[1], 1)
        ctx.form, ctx.weights, ctx.passes = form, weights, passes
        ctx.stretches = [[stretch_of(sums, form) for sums in clip] for clip in clips]
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
        """Pass again: 2 (w M + 1 - w) (A - B) / count for each pixel."""
        first, second, validity = ctx.saved_tensors
        factors = [float(g) * 2 / ctx.count for g in gradient]
        slopes = Slopes(ctx.stretches, ctx.weights, factors, tuple(ctx.needs_input_grad[:2]))
        gradients = ctx.passes.gradients(first, second, validity, ctx.form, slopes)
        return *gradients, None, None, None, None
