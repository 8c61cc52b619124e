"""`mask_losses` on the card; see there for the mathematics.

Bytes for each pixel of float32 logits and masks: 8 read forward, 8 read and 4 written backward;
with masks of a byte (uint8, bool) 5, and 5 and 4. At 16 x 8 x 224 x 224 that is 51 and 77 MB, or 32
and 58 MB. Partial sums (4 numbers a program) are added up in a fixed order, without atomics, so
that losses are the same from run to run.

    _sum_kernel      (blocks, B) programs   logits, masks -> partial sums
    _finish_kernel   one program            partial sums -> losses, and what backward needs of them
    _slope_kernel    (blocks, B) programs   logits, masks, and the latter -> gradient

Legend: B clips, N pixels of all frames of a clip.
"""

from __future__ import annotations

from typing import Any, cast

import torch
import triton
import triton.language as tl
from torch import Tensor
from torch.autograd.function import once_differentiable

from vadsdk.kernels.mask_losses import DICE_SMOOTH
from vadsdk.kernels.triton_launch import LAUNCH
from vadsdk.ranks import num_ranks, sum_in_place

BLOCK, NUM_WARPS = 4096, 8
FINISH_TILE = 2048
"""Programs whose sums are added up at once."""
NUM_PARTIALS = 4
"""Sums of the cross entropy, s t, s and t."""


def mask_losses(
    mask_logits: Tensor, masks: Tensor, sample_weights: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Return what `mask_losses.mask_losses` does, in float32 whatever the logits are.

    Args:
        mask_logits: (B, ...).
        masks: (B, ...).
        sample_weights: (B,) or None.
    """
    with torch.cuda.device_of(mask_logits):
        losses = _MaskLosses.apply(mask_logits, masks, sample_weights)  # type: ignore[no-untyped-call]
    return cast(tuple[Tensor, Tensor], losses)


class _MaskLosses(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, logits: Tensor, masks: Tensor, sample_weights: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        logits, masks = logits.contiguous(), _readable(masks.contiguous())
        has_weights = sample_weights is not None
        # Without weights the kernels are given something that they do not read.
        weights = logits if sample_weights is None else _readable(sample_weights.contiguous())
        num_clips = len(logits)
        num_pixels = logits[:1].numel() if num_clips else 0
        num_blocks = triton.cdiv(num_pixels, BLOCK)
        partials = _empty(logits, NUM_PARTIALS, num_clips, num_blocks)
        if num_clips * num_blocks:
            _sum_kernel[(num_blocks, num_clips)](
                logits, masks, partials, num_pixels, BLOCK=BLOCK, num_warps=NUM_WARPS, **LAUNCH
            )
        bce, dice, totals = _empty(logits), _empty(logits), _empty(logits, 3)
        clip_lanes = triton.next_power_of_2(max(num_clips, 1))
        _finish_kernel[(1,)](
            partials,
            weights,
            bce,
            dice,
            totals,
            num_clips,
            num_blocks,
            num_pixels,
            SMOOTH=DICE_SMOOTH,
            HAS_WEIGHTS=has_weights,
            CLIP_LANES=clip_lanes,
            BLOCK_LANES=max(FINISH_TILE // clip_lanes, 1),
            **LAUNCH,
        )
        if num_ranks() > 1:
            bce, dice = _shares(bce, totals)
        ctx.save_for_backward(logits, masks, weights, totals)
        ctx.has_weights, ctx.grid = has_weights, (num_blocks, num_clips)
        return bce, dice

    @staticmethod
    @once_differentiable
    def backward(
        ctx: Any, bce_gradient: Tensor, dice_gradient: Tensor
    ) -> tuple[Tensor | None, ...]:
        logits, masks, weights, totals = ctx.saved_tensors
        gradient = torch.empty_like(logits)
        if ctx.grid[0] * ctx.grid[1]:
            with torch.cuda.device_of(logits):
                _slope_kernel[ctx.grid](
                    logits,
                    masks,
                    weights,
                    totals,
                    bce_gradient.contiguous(),
                    dice_gradient.contiguous(),
                    gradient,
                    logits[:1].numel(),
                    SMOOTH=DICE_SMOOTH,
                    HAS_WEIGHTS=ctx.has_weights,
                    BLOCK=BLOCK,
                    num_warps=NUM_WARPS,
                    **LAUNCH,
                )
        return gradient, None, None


def _shares(bce: Tensor, totals: Tensor) -> tuple[Tensor, Tensor]:
    """Return this rank's shares of both losses; makes `totals` those of all ranks, in place.

    With these, the slopes are those of the whole batch's losses by this rank's logits.
    """
    own_weight = totals[0].clone()
    sum_in_place([totals])
    weight = totals[0]
    bce = bce * own_weight.where(own_weight > 0, 1.0) / weight.where(weight > 0, 1.0)
    dice = 1 - (2 * totals[1] + DICE_SMOOTH) / (totals[2] + DICE_SMOOTH)
    return bce, dice / num_ranks()


def _readable(values: Tensor) -> Tensor:
    """Return values, bytes where they are bools: a kernel reads no bools."""
    return values.view(torch.uint8) if values.dtype == torch.bool else values


def _empty(like: Tensor, *size: int) -> Tensor:
    return torch.empty(size, dtype=torch.float32, device=like.device)


@triton.jit
def _sum_kernel(
    logits_ptr: tl.tensor,
    masks_ptr: tl.tensor,
    partials_ptr: tl.tensor,
    num_pixels: tl.tensor,
    BLOCK: tl.constexpr,
) -> None:
    """Store what one program adds to a clip's sums, at [k, clip, block] for 4 numbers k."""
    logits, masks, _, inside = _load(logits_ptr, masks_ptr, num_pixels, BLOCK)
    small = tl.exp(-tl.abs(logits))  # in (0, 1]: nothing overflows
    # sigmoid and log(1 + small) of one division: the card has few units that divide
    shared = 1.0 / ((1.0 + small) * (2.0 + small))
    positive = (2.0 + small) * shared  # 1 / (1 + small)
    sigmoid = tl.where(logits >= 0, positive, small * positive)
    costs = tl.maximum(logits, 0.0) - logits * masks + _log1p(small * (1.0 + small) * shared)
    num_blocks = tl.num_programs(0)
    stride = tl.num_programs(1).to(tl.int64) * num_blocks
    target = partials_ptr + tl.program_id(1).to(tl.int64) * num_blocks + tl.program_id(0)
    tl.store(target, tl.sum(tl.where(inside, costs, 0.0), axis=0))
    tl.store(target + stride, tl.sum(sigmoid * masks, axis=0))
    tl.store(target + 2 * stride, tl.sum(tl.where(inside, sigmoid, 0.0), axis=0))
    tl.store(target + 3 * stride, tl.sum(masks, axis=0))


@triton.jit
def _log1p(ratio: tl.tensor) -> tl.tensor:
    """Return log(1 + x) for ratio = x / (2 + x) in [0, 1/3]: 2 atanh(ratio), exact for small x."""
    square = ratio * ratio
    series = 1.0 / 13 + square * (1.0 / 15)
    series = 1.0 / 11 + square * series
    series = 1.0 / 9 + square * series
    series = 1.0 / 7 + square * series
    series = 1.0 / 5 + square * series
    series = 1.0 / 3 + square * series
    return 2.0 * ratio * (1.0 + square * series)


@triton.jit
def _load(
    logits_ptr: tl.tensor, masks_ptr: tl.tensor, num_pixels: tl.tensor, BLOCK: tl.constexpr
) -> tl.tensor:
    """Return logits and masks as float32, where they lie, and which exist; 0 where none is."""
    pixels = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    # 4 at once whatever the types: else logits and masks would meet through shared memory
    pixels = tl.max_contiguous(pixels, 4)
    inside = pixels < num_pixels
    offsets = tl.program_id(1).to(tl.int64) * num_pixels + pixels
    logits = tl.load(logits_ptr + offsets, mask=inside, other=0.0).to(tl.float32)
    masks = tl.load(masks_ptr + offsets, mask=inside, other=0.0).to(tl.float32)
    return logits, masks, offsets, inside


@triton.jit
def _finish_kernel(
    partials_ptr: tl.tensor,
    weights_ptr: tl.tensor,
    bce_ptr: tl.tensor,
    dice_ptr: tl.tensor,
    totals_ptr: tl.tensor,
    num_clips: tl.tensor,
    num_blocks: tl.tensor,
    num_pixels: tl.tensor,
    SMOOTH: tl.constexpr,
    HAS_WEIGHTS: tl.constexpr,
    CLIP_LANES: tl.constexpr,
    BLOCK_LANES: tl.constexpr,
) -> None:
    """Store both losses, and the totals of weights, w s t and w (s + t)."""
    clips = tl.arange(0, CLIP_LANES)
    real = clips < num_clips
    if HAS_WEIGHTS:
        weights = tl.load(weights_ptr + clips, mask=real, other=0.0).to(tl.float32)
    else:
        weights = real.to(tl.float32)
    stride = num_clips * num_blocks
    costs = tl.zeros([CLIP_LANES, BLOCK_LANES], tl.float32)
    both = tl.zeros([CLIP_LANES, BLOCK_LANES], tl.float32)
    either = tl.zeros([CLIP_LANES, BLOCK_LANES], tl.float32)
    for start in range(0, num_blocks, BLOCK_LANES):
        blocks = start + tl.arange(0, BLOCK_LANES)[None, :]
        offsets = partials_ptr + clips[:, None] * num_blocks + blocks
        present = real[:, None] & (blocks < num_blocks)
        costs += tl.load(offsets, mask=present, other=0.0)
        both += tl.load(offsets + stride, mask=present, other=0.0)
        either += tl.load(offsets + 2 * stride, mask=present, other=0.0)
        either += tl.load(offsets + 3 * stride, mask=present, other=0.0)
    weight_total = tl.sum(weights, axis=0)
    both_total = tl.sum(weights * tl.sum(both, axis=1), axis=0)
    either_total = tl.sum(weights * tl.sum(either, axis=1), axis=0)
    tl.store(totals_ptr, weight_total)
    tl.store(totals_ptr + 1, both_total)
    tl.store(totals_ptr + 2, either_total)
    divisor = tl.where(weight_total > 0, weight_total, 1.0) * tl.maximum(num_pixels, 1)
    tl.store(bce_ptr, tl.sum(weights * tl.sum(costs, axis=1), axis=0) / divisor)
    tl.store(dice_ptr, 1.0 - (2.0 * both_total + SMOOTH) / (either_total + SMOOTH))


@triton.jit
def _slope_kernel(
    logits_ptr: tl.tensor,
    masks_ptr: tl.tensor,
    weights_ptr: tl.tensor,
    totals_ptr: tl.tensor,
    bce_gradient_ptr: tl.tensor,
    dice_gradient_ptr: tl.tensor,
    gradient_ptr: tl.tensor,
    num_pixels: tl.tensor,
    SMOOTH: tl.constexpr,
    HAS_WEIGHTS: tl.constexpr,
    BLOCK: tl.constexpr,
) -> None:
    """Store the derivative of both losses by the logits."""
    logits, masks, offsets, inside = _load(logits_ptr, masks_ptr, num_pixels, BLOCK)
    weight_total = tl.load(totals_ptr)
    weight = 1.0
    if HAS_WEIGHTS:
        weight = tl.load(weights_ptr + tl.program_id(1)).to(tl.float32)
    divisor = tl.where(weight_total > 0, weight_total, 1.0) * num_pixels
    of_bce = tl.load(bce_gradient_ptr).to(tl.float32) * weight / divisor
    below = tl.load(totals_ptr + 2) + SMOOTH
    of_dice = tl.load(dice_gradient_ptr).to(tl.float32) * weight / below
    ratio = (2.0 * tl.load(totals_ptr + 1) + SMOOTH) / below
    sigmoid = tl.sigmoid(logits)
    slopes = of_bce * (sigmoid - masks)
    slopes += of_dice * (ratio - 2.0 * masks) * sigmoid * (1.0 - sigmoid)
    tl.store(gradient_ptr + offsets, slopes.to(gradient_ptr.dtype.element_ty), mask=inside)
