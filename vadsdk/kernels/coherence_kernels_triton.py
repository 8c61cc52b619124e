"""The kernels of `coherence_losses_triton`.

Legend: B clips, T frames, P pixels of a frame. A tile (FRAME_LANES, BLOCK) holds the frames of some
    pixels of one clip. What is given as 1 at run time is a constant to the compiler, without the
    methods of a tensor.
"""

from __future__ import annotations

import triton
import triton.language as tl

from vadsdk.kernels.coherence_tiles_triton import (
    curvature_tile,
    load_answers,
    on_scale,
    pixel_indices,
    snapped_tile,
    variance_tile,
)

FAR = tl.constexpr(1e30)
"""An extreme of nothing; times 0 it must be 0."""


@triton.jit
def sum_kernel(
    first_ptr: tl.tensor,
    second_ptr: tl.tensor,
    seen_ptr: tl.tensor,
    partials_ptr: tl.tensor,
    num_pixels: tl.tensor,
    STRETCHED: tl.constexpr,
    FRAMES: tl.constexpr,
    FRAME_LANES: tl.constexpr,
    BLOCK: tl.constexpr,
    WINDOW: tl.constexpr,
    CYCLIC: tl.constexpr,
    RELEASED: tl.constexpr,
    HAS_VALIDITY: tl.constexpr,
    COMPARES_LOGITS: tl.constexpr,
    VARIANCE_OF_LOGITS: tl.constexpr,
    GRADIENT_OF_LOGITS: tl.constexpr,
    SNAPPED: tl.constexpr,
    VARIANCE_PLACE: tl.constexpr,
    GRADIENT_PLACE: tl.constexpr,
) -> None:
    """Store what one program adds to a clip's sums, at [k, clip, block] for 8 numbers k."""
    frames = tl.arange(0, FRAME_LANES)[:, None]
    pixels = pixel_indices(BLOCK)
    inside = (frames < FRAMES) & (pixels < num_pixels)
    first, second, seen = load_answers(
        first_ptr, second_ptr, seen_ptr, num_pixels, frames, pixels, FRAMES, HAS_VALIDITY
    )
    distances = on_scale(first, COMPARES_LOGITS) - on_scale(second, COMPARES_LOGITS)
    squares = tl.where(inside, distances * distances * seen, 0.0)
    num_blocks = tl.num_programs(0)
    stride = tl.num_programs(1).to(tl.int64) * num_blocks
    target = partials_ptr + tl.program_id(1).to(tl.int64) * num_blocks + tl.program_id(0)
    tl.store(target, _total(squares))
    tl.store(target + stride, _total(tl.where(inside, seen, 0.0)))
    if VARIANCE_PLACE >= 0:
        variance = variance_tile(
            on_scale(first, VARIANCE_OF_LOGITS),
            on_scale(second, VARIANCE_OF_LOGITS),
            seen,
            frames,
            FRAMES,
            WINDOW,
            CYCLIC,
            RELEASED,
        )
        _store_sums(variance, squares, inside, target + 2 * stride, stride, STRETCHED)
    if GRADIENT_PLACE >= 0:
        probabilities = snapped_tile(on_scale(first, GRADIENT_OF_LOGITS), SNAPPED)
        gradient = curvature_tile(probabilities, frames, FRAMES)
        _store_sums(gradient, squares, inside, target + 5 * stride, stride, STRETCHED)


@triton.jit
def _store_sums(
    attention: tl.tensor,
    squares: tl.tensor,
    inside: tl.tensor,
    target: tl.tensor,
    stride: tl.tensor,
    STRETCHED: tl.constexpr,
) -> None:
    """Store the extremes of a map, and the sum of (map - lowest) * squares: nothing cancels."""
    lowest = 0.0
    if STRETCHED:
        lowest = tl.min(tl.min(tl.where(inside, attention, FAR), axis=0), axis=0)
        highest = tl.max(tl.max(tl.where(inside, attention, -FAR), axis=0), axis=0)
        tl.store(target, lowest)
        tl.store(target + stride, highest)
    tl.store(target + 2 * stride, _total(tl.where(inside, (attention - lowest) * squares, 0.0)))


@triton.jit
def _total(tile: tl.tensor) -> tl.tensor:
    return tl.sum(tl.sum(tile, axis=0), axis=0)


@triton.jit
def finish_kernel(
    partials_ptr: tl.tensor,
    weights_ptr: tl.tensor,
    losses_ptr: tl.tensor,
    stretches_ptr: tl.tensor,
    count_ptr: tl.tensor,
    num_clips: tl.tensor,
    num_blocks: tl.tensor,
    GAIN: tl.constexpr,
    EPSILON: tl.constexpr,
    STRETCHED: tl.constexpr,
    VARIANCE_PLACE: tl.constexpr,
    GRADIENT_PLACE: tl.constexpr,
    CLIP_LANES: tl.constexpr,
    BLOCK_LANES: tl.constexpr,
) -> None:
    """Store the losses; for each clip and map its lowest value and factor; the count of pixels."""
    clips = tl.arange(0, CLIP_LANES)
    sums = partials_ptr + num_clips * num_blocks
    seen = _row_totals(sums, clips, num_clips, num_blocks, CLIP_LANES, BLOCK_LANES)
    count = tl.maximum(tl.sum(seen, axis=0), 1.0)
    tl.store(count_ptr, count)
    if VARIANCE_PLACE >= 0:
        _finish_map(
            partials_ptr,
            weights_ptr + VARIANCE_PLACE,
            losses_ptr + VARIANCE_PLACE,
            stretches_ptr,
            count,
            num_clips,
            num_blocks,
            0,
            GAIN,
            EPSILON,
            STRETCHED,
            CLIP_LANES,
            BLOCK_LANES,
        )
    if GRADIENT_PLACE >= 0:
        _finish_map(
            partials_ptr,
            weights_ptr + GRADIENT_PLACE,
            losses_ptr + GRADIENT_PLACE,
            stretches_ptr,
            count,
            num_clips,
            num_blocks,
            1,
            GAIN,
            EPSILON,
            STRETCHED,
            CLIP_LANES,
            BLOCK_LANES,
        )


@triton.jit
def _finish_map(
    partials_ptr: tl.tensor,
    weight_ptr: tl.tensor,
    loss_ptr: tl.tensor,
    stretches_ptr: tl.tensor,
    count: tl.tensor,
    num_clips: tl.tensor,
    num_blocks: tl.tensor,
    MAP: tl.constexpr,
    GAIN: tl.constexpr,
    EPSILON: tl.constexpr,
    STRETCHED: tl.constexpr,
    CLIP_LANES: tl.constexpr,
    BLOCK_LANES: tl.constexpr,
) -> None:
    clips = tl.arange(0, CLIP_LANES)
    stride = num_clips * num_blocks
    sums_ptr = partials_ptr + (2 + 3 * MAP) * stride  # lowest, highest and above
    squares = _row_totals(partials_ptr, clips, num_clips, num_blocks, CLIP_LANES, BLOCK_LANES)
    above = _row_totals(
        sums_ptr + 2 * stride, clips, num_clips, num_blocks, CLIP_LANES, BLOCK_LANES
    )
    lowest = tl.zeros([CLIP_LANES], tl.float32)
    factor = tl.zeros([CLIP_LANES], tl.float32) + GAIN
    if STRETCHED:
        lows = tl.zeros([CLIP_LANES, BLOCK_LANES], tl.float32) + FAR
        highs = tl.zeros([CLIP_LANES, BLOCK_LANES], tl.float32) - FAR
        for start in range(0, num_blocks, BLOCK_LANES):
            offsets, real = _partials(clips, start, num_clips, num_blocks, BLOCK_LANES)
            lows = tl.minimum(lows, tl.load(sums_ptr + offsets, mask=real, other=FAR))
            high = tl.load(sums_ptr + stride + offsets, mask=real, other=-FAR)
            highs = tl.maximum(highs, high)
        lowest = tl.min(lows, axis=1)
        shifts = tl.zeros([CLIP_LANES, BLOCK_LANES], tl.float32)
        for start in range(0, num_blocks, BLOCK_LANES):
            offsets, real = _partials(clips, start, num_clips, num_blocks, BLOCK_LANES)
            part_squares = tl.load(partials_ptr + offsets, mask=real, other=0.0)
            low = tl.load(sums_ptr + offsets, mask=real, other=0.0)
            shifts += (low - lowest[:, None]) * part_squares
        above += tl.sum(shifts, axis=1)
        factor /= tl.max(highs, axis=1) - lowest + EPSILON
    target = stretches_ptr + 2 * MAP * num_clips + clips
    tl.store(target, lowest, mask=clips < num_clips)
    tl.store(target + num_clips, factor, mask=clips < num_clips)
    weight = tl.load(weight_ptr)
    attended, plain = tl.sum(factor * above, axis=0), tl.sum(squares, axis=0)
    tl.store(loss_ptr, (weight * attended + (1.0 - weight) * plain) / count)


@triton.jit
def _row_totals(
    partials_ptr: tl.tensor,
    clips: tl.tensor,
    num_clips: tl.tensor,
    num_blocks: tl.tensor,
    CLIP_LANES: tl.constexpr,
    BLOCK_LANES: tl.constexpr,
) -> tl.tensor:
    totals = tl.zeros([CLIP_LANES, BLOCK_LANES], tl.float32)
    for start in range(0, num_blocks, BLOCK_LANES):
        offsets, real = _partials(clips, start, num_clips, num_blocks, BLOCK_LANES)
        totals += tl.load(partials_ptr + offsets, mask=real, other=0.0)
    return tl.sum(totals, axis=1)


@triton.jit
def _partials(
    clips: tl.tensor,
    start: tl.tensor,
    num_clips: tl.tensor,
    num_blocks: tl.tensor,
    BLOCK_LANES: tl.constexpr,
) -> tl.tensor:
    """Return where the partials of some blocks lie, (CLIP_LANES, BLOCK_LANES), and which exist."""
    blocks = start + tl.arange(0, BLOCK_LANES)[None, :]
    return clips[:, None] * num_blocks + blocks, (clips[:, None] < num_clips) & (
        blocks < num_blocks
    )


@triton.jit
def slope_kernel(
    first_ptr: tl.tensor,
    second_ptr: tl.tensor,
    seen_ptr: tl.tensor,
    weights_ptr: tl.tensor,
    stretches_ptr: tl.tensor,
    count_ptr: tl.tensor,
    upstream_ptr: tl.tensor,
    first_gradient_ptr: tl.tensor,
    second_gradient_ptr: tl.tensor,
    num_pixels: tl.tensor,
    WANTS_FIRST: tl.constexpr,
    WANTS_SECOND: tl.constexpr,
    FRAMES: tl.constexpr,
    FRAME_LANES: tl.constexpr,
    BLOCK: tl.constexpr,
    WINDOW: tl.constexpr,
    CYCLIC: tl.constexpr,
    RELEASED: tl.constexpr,
    HAS_VALIDITY: tl.constexpr,
    COMPARES_LOGITS: tl.constexpr,
    VARIANCE_OF_LOGITS: tl.constexpr,
    GRADIENT_OF_LOGITS: tl.constexpr,
    SNAPPED: tl.constexpr,
    VARIANCE_PLACE: tl.constexpr,
    GRADIENT_PLACE: tl.constexpr,
) -> None:
    """Store 2 (w M + 1 - w) (A - B) / count, carried on to the logits."""
    frames = tl.arange(0, FRAME_LANES)[:, None]
    pixels = pixel_indices(BLOCK)
    first, second, seen = load_answers(
        first_ptr, second_ptr, seen_ptr, num_pixels, frames, pixels, FRAMES, HAS_VALIDITY
    )
    slopes = tl.zeros([FRAME_LANES, BLOCK], tl.float32)
    if VARIANCE_PLACE >= 0:
        variance = variance_tile(
            on_scale(first, VARIANCE_OF_LOGITS),
            on_scale(second, VARIANCE_OF_LOGITS),
            seen,
            frames,
            FRAMES,
            WINDOW,
            CYCLIC,
            RELEASED,
        )
        slopes += _weighted(variance, stretches_ptr, 0, weights_ptr, upstream_ptr, VARIANCE_PLACE)
    if GRADIENT_PLACE >= 0:
        probabilities = snapped_tile(on_scale(first, GRADIENT_OF_LOGITS), SNAPPED)
        gradient = curvature_tile(probabilities, frames, FRAMES)
        slopes += _weighted(gradient, stretches_ptr, 2, weights_ptr, upstream_ptr, GRADIENT_PLACE)
    first, second = on_scale(first, COMPARES_LOGITS), on_scale(second, COMPARES_LOGITS)
    slopes *= (first - second) * seen * (2.0 / tl.load(count_ptr))
    inside = (frames < FRAMES) & (pixels < num_pixels)
    clip = tl.program_id(1).to(tl.int64)
    offsets = (clip * FRAMES + frames) * num_pixels + pixels
    if WANTS_FIRST:
        gradient = slopes if COMPARES_LOGITS else slopes * first * (1.0 - first)
        tl.store(
            first_gradient_ptr + offsets,
            gradient.to(first_gradient_ptr.dtype.element_ty),
            mask=inside,
        )
    if WANTS_SECOND:
        gradient = -slopes if COMPARES_LOGITS else slopes * second * (second - 1.0)
        tl.store(
            second_gradient_ptr + offsets,
            gradient.to(second_gradient_ptr.dtype.element_ty),
            mask=inside,
        )


@triton.jit
def _weighted(
    attention: tl.tensor,
    stretches_ptr: tl.tensor,
    ROW: tl.constexpr,
    weights_ptr: tl.tensor,
    upstream_ptr: tl.tensor,
    PLACE: tl.constexpr,
) -> tl.tensor:
    """Return w M + 1 - w times the loss's own derivative."""
    num_clips = tl.num_programs(1)
    stretch = stretches_ptr + ROW * num_clips + tl.program_id(1)
    weight = tl.load(weights_ptr + PLACE)
    scale = weight * tl.load(stretch + num_clips)
    blended = scale * (attention - tl.load(stretch)) + (1.0 - weight)
    return blended * tl.load(upstream_ptr + PLACE)
