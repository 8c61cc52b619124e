"""`coherence_losses` on the card; see there for the mathematics.

A program holds all T frames of some pixels of a clip in registers, so that windows along time cost
no memory. Bytes for each pixel and frame of float32 answers with a validity (bfloat16 answers:
half): forward reads 8 + 4 / T; backward reads the same and writes 4 for each answer that wants a
gradient. At 16 x 8 x 224 x 224 that is 55 MB and 106 MB. Partial sums (8 numbers a program, 50 kB)
are added up in a fixed order, without atomics, so that losses are the same from run to run.

    sum_kernel      (blocks, B) programs   answers -> partial sums and extremes
    finish_kernel   one program            partial sums -> losses, and what backward needs of them
    slope_kernel    (blocks, B) programs   answers, and the former -> gradients

Legend: B clips, T frames, H, W, F attentions.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import torch
import triton
from torch import Tensor
from torch.autograd.function import once_differentiable

from vadsdk.kernels.coherence_form import AttentionKind, CoherenceForm
from vadsdk.kernels.coherence_kernels_triton import finish_kernel, slope_kernel, sum_kernel
from vadsdk.kernels.coherence_tiles_triton import THREAD_PIXELS
from vadsdk.kernels.temporal_maps import MIN_MAX_EPSILON
from vadsdk.kernels.triton_launch import LAUNCH

TILE = 4096
"""Frames, rounded up to a power of two, times the pixels of a program."""
FINISH_TILE = 2048
"""Programs whose sums are added up at once."""
LEAST_BLOCK = 32 * THREAD_PIXELS.value
"""Pixels of a warp: a program has as many warps as hold its pixels with all their frames."""

_NUM_PARTIALS = 8  # squares, seen pixels, then lowest, highest and above of either map


def coherence_losses(
    first_logits: Tensor,
    second_logits: Tensor,
    form: CoherenceForm,
    attention_weights: Sequence[float | Tensor],
    validity: Tensor | None = None,
) -> Tensor:
    """Return what `coherence_losses.coherence_losses` does, in float32 whatever the logits are.

    Args:
        first_logits: (B, T, H, W).
        second_logits: (B, T, H, W).
        form: which maps, of what.
        attention_weights: for each attention; tensors are read on the device alone.
        validity: (B, 1, H, W) or None.
    """
    device = first_logits.device
    weights = torch.stack(
        [
            weight.detach().reshape(()).to(device, torch.float32)
            if isinstance(weight, Tensor)
            else torch.full((), weight, device=device)
            for weight in attention_weights
        ]
    )
    with torch.cuda.device_of(first_logits):
        losses = _CoherenceLosses.apply(  # type: ignore[no-untyped-call]
            first_logits, second_logits, form, weights, validity
        )
    return cast(Tensor, losses)


class _Launch:
    """How the pixels of a batch are shared out among programs."""

    def __init__(self, maps: Tensor, form: CoherenceForm, *, with_validity: bool) -> None:
        self.num_clips, self.frames = maps.shape[:2]
        self.num_pixels = maps.shape[2:].numel()
        lanes = triton.next_power_of_2(self.frames)
        block = max(TILE // lanes, LEAST_BLOCK)
        self.num_blocks = triton.cdiv(self.num_pixels, block)
        self.grid = (self.num_blocks, self.num_clips)
        self.num_programs = self.num_blocks * self.num_clips
        self.options = {"num_warps": block // LEAST_BLOCK, **LAUNCH}
        self._device = maps.device
        self.constants = {
            "FRAMES": self.frames,
            "FRAME_LANES": lanes,
            "BLOCK": block,
            "WINDOW": form.window,
            "CYCLIC": form.cyclic,
            "RELEASED": form.scaling == "released",
            "HAS_VALIDITY": with_validity,
            "COMPARES_LOGITS": form.compared == "logits",
            "VARIANCE_OF_LOGITS": form.variance_of == "logits",
            "GRADIENT_OF_LOGITS": form.gradient_of == "logits",
            "SNAPPED": form.snapped,
            "VARIANCE_PLACE": place("variance", form),
            "GRADIENT_PLACE": place("gradient", form),
        }

    def empty(self, *size: int) -> Tensor:
        """Return memory for results, on the maps' device."""
        return torch.empty(size, dtype=torch.float32, device=self._device)


def place(kind: AttentionKind, form: CoherenceForm) -> int:
    """Return which loss is that of an attention; -1 for one that is not asked for."""
    return form.attentions.index(kind) if kind in form.attentions else -1


class _CoherenceLosses(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        first: Tensor,
        second: Tensor,
        form: CoherenceForm,
        weights: Tensor,
        validity: Tensor | None,
    ) -> Tensor:
        first, second = first.contiguous(), second.contiguous()
        # Without a validity the kernels are given something that they do not read.
        seen = first if validity is None else validity.contiguous()
        launch = _Launch(first, form, with_validity=validity is not None)
        partials = launch.empty(_NUM_PARTIALS, launch.num_clips, launch.num_blocks)
        if launch.num_programs:
            sum_kernel[launch.grid](
                first,
                second,
                seen,
                partials,
                launch.num_pixels,
                STRETCHED=form.stretched,
                **launch.constants,
                **launch.options,
            )
        losses = launch.empty(len(form.attentions))
        # Lowest value and factor of either map for each clip; the number of pixels that count.
        stretches, count = launch.empty(4, launch.num_clips), launch.empty(1)
        clip_lanes = triton.next_power_of_2(max(launch.num_clips, 1))
        finish_kernel[(1,)](
            partials,
            weights,
            losses,
            stretches,
            count,
            launch.num_clips,
            launch.num_blocks,
            GAIN=form.gain,
            EPSILON=MIN_MAX_EPSILON,
            STRETCHED=form.stretched,
            VARIANCE_PLACE=place("variance", form),
            GRADIENT_PLACE=place("gradient", form),
            CLIP_LANES=clip_lanes,
            BLOCK_LANES=max(FINISH_TILE // clip_lanes, 1),
            **LAUNCH,
        )
        ctx.save_for_backward(first, second, seen, weights, stretches, count)
        ctx.launch = launch
        return losses

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        first, second, seen, weights, stretches, count = ctx.saved_tensors
        launch: _Launch = ctx.launch
        wants_first, wants_second = ctx.needs_input_grad[:2]
        first_gradient = torch.empty_like(first) if wants_first else None
        second_gradient = torch.empty_like(second) if wants_second else None
        if launch.num_programs:
            with torch.cuda.device_of(first):
                slope_kernel[launch.grid](
                    first,
                    second,
                    seen,
                    weights,
                    stretches,
                    count,
                    gradient.contiguous(),
                    first if first_gradient is None else first_gradient,  # not written
                    second if second_gradient is None else second_gradient,
                    launch.num_pixels,
                    WANTS_FIRST=wants_first,
                    WANTS_SECOND=wants_second,
                    **launch.constants,
                    **launch.options,
                )
        return first_gradient, second_gradient, None, None, None
