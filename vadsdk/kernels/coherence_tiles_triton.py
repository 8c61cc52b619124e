"""What `coherence_kernels_triton` makes of the frames that a program holds.

Legend: T frames; a tile (FRAME_LANES, BLOCK) holds T frames, rounded up, of some pixels of a clip.
    `frames` is the column (FRAME_LANES, 1) of their indices: constants to the compiler, so that
    picking a frame and adding a window cost what they need and no more.
"""

from __future__ import annotations

import triton
import triton.language as tl

from vadsdk.kernels.temporal_maps import SNAP_HIGH, SNAP_LOW

THREAD_PIXELS = tl.constexpr(4)
"""Pixels that lie together in a thread, which has all their frames."""
_SNAP_LOW, _SNAP_HIGH = tl.constexpr(SNAP_LOW), tl.constexpr(SNAP_HIGH)


@triton.jit
def pixel_indices(BLOCK: tl.constexpr) -> tl.tensor:
    """Return the row (1, BLOCK) of the pixels of a program.

    Left to itself the compiler reads 8 bfloat16 at once, too many for as few threads as have all
    frames of their pixels; sums over time would then go through shared memory.
    """
    pixels = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    return tl.max_contiguous(pixels, THREAD_PIXELS)[None, :]


@triton.jit
def load_answers(
    first_ptr: tl.tensor,
    second_ptr: tl.tensor,
    seen_ptr: tl.tensor,
    num_pixels: tl.tensor,
    frames: tl.tensor,
    pixels: tl.tensor,
    FRAMES: tl.constexpr,
    HAS_VALIDITY: tl.constexpr,
) -> tl.tensor:
    """Return both answers as float32 tiles, and (1, BLOCK): 1 where both views saw, else 0."""
    clip = tl.program_id(1).to(tl.int64)
    offsets = (clip * FRAMES + frames) * num_pixels + pixels
    inside = (frames < FRAMES) & (pixels < num_pixels)
    first = tl.load(first_ptr + offsets, mask=inside, other=0.0).to(tl.float32)
    second = tl.load(second_ptr + offsets, mask=inside, other=0.0).to(tl.float32)
    if HAS_VALIDITY:
        seen_ptr += clip * num_pixels
        valid = tl.load(seen_ptr + pixels, mask=pixels < num_pixels, other=0.0).to(tl.float32)
        seen = (valid > 0).to(tl.float32)
    else:
        seen = (pixels < num_pixels).to(tl.float32)
    return first, second, seen


@triton.jit
def on_scale(logits: tl.tensor, AS_LOGITS: tl.constexpr) -> tl.tensor:
    """Return logits, or their probabilities."""
    return logits if AS_LOGITS else tl.sigmoid(logits)


@triton.jit
def snapped_tile(probabilities: tl.tensor, SNAPPED: tl.constexpr) -> tl.tensor:
    """Return `temporal_maps.snap_confident` of a tile, if it is asked for."""
    if SNAPPED:
        probabilities = tl.where(probabilities < _SNAP_LOW, 0.0, probabilities)
        probabilities = tl.where(probabilities > _SNAP_HIGH, 1.0, probabilities)
    return probabilities


@triton.jit
def variance_tile(
    first: tl.tensor,
    second: tl.tensor,
    seen: tl.tensor,
    frames: tl.tensor,
    FRAMES: tl.constexpr,
    WINDOW: tl.constexpr,
    CYCLIC: tl.constexpr,
    RELEASED: tl.constexpr,
) -> tl.tensor:
    """Return eq. 4 for each frame; with its twin's added if RELEASED.

    The first answer stands for the second where that saw nothing. All is counted from the first
    frame: squares of large logits would eat digits.
    """
    start = _frame(first, frames, 0)
    second = tl.where(seen > 0, second, first) - start
    first = first - start
    variance = tl.zeros_like(first)
    for t in tl.static_range(FRAMES):
        value = _window_variance(first, second, frames, t, FRAMES, WINDOW, CYCLIC)
        if RELEASED:
            twin = (2 * FRAMES - 2 - t) % (2 * FRAMES - 2)
            value += _window_variance(first, second, frames, twin, FRAMES, WINDOW, CYCLIC)
        variance = tl.where(frames == t, value[None, :], variance)
    return variance


@triton.jit
def curvature_tile(maps: tl.tensor, frames: tl.tensor, FRAMES: tl.constexpr) -> tl.tensor:
    """Return |eq. 6| for each frame."""
    curvature = tl.zeros_like(maps)
    for t in tl.static_range(FRAMES):
        curvature = tl.where(frames == t, tl.abs(_bend(maps, frames, t, FRAMES)), curvature)
    return curvature


@triton.jit
def _window_variance(
    first: tl.tensor,
    second: tl.tensor,
    frames: tl.tensor,
    CENTRE: tl.constexpr,
    FRAMES: tl.constexpr,
    WINDOW: tl.constexpr,
    CYCLIC: tl.constexpr,
) -> tl.tensor:
    """Return (BLOCK,), the variance of the frames around CENTRE.

    In the cycle of 2 T - 2 frames the first answer's frame t is at t, and the second's, its end
    frames left out, at 2 T - 2 - t.
    """
    gap = tl.abs(frames - CENTRE)
    if CYCLIC:
        LENGTH: tl.constexpr = 2 * FRAMES - 2
        gap = tl.minimum(gap, LENGTH - gap)
    near = (gap <= WINDOW // 2) & (frames < FRAMES)
    values = tl.where(near, first, 0.0)
    total, total_squares = tl.sum(values, axis=0), tl.sum(values * values, axis=0)
    count = tl.sum(near.to(tl.float32), axis=0)
    if CYCLIC:
        gap = tl.abs(LENGTH - frames - CENTRE)
        gap = tl.minimum(gap, LENGTH - gap)
        near = (gap <= WINDOW // 2) & (frames > 0) & (frames < FRAMES - 1)
        values = tl.where(near, second, 0.0)
        total += tl.sum(values, axis=0)
        total_squares += tl.sum(values * values, axis=0)
        count += tl.sum(near.to(tl.float32), axis=0)
    share = 1.0 / count
    mean = total * share
    return tl.maximum(total_squares * share - mean * mean, 0.0)


@triton.jit
def _bend(
    maps: tl.tensor, frames: tl.tensor, FRAME: tl.constexpr, FRAMES: tl.constexpr
) -> tl.tensor:
    """Return (1, BLOCK), what changes of `_difference` at a frame."""
    BEFORE: tl.constexpr = FRAME - 1 if FRAME > 0 else FRAME
    AFTER: tl.constexpr = FRAME + 1 if FRAME + 1 < FRAMES else FRAME
    change = _difference(maps, frames, AFTER, FRAMES) - _difference(maps, frames, BEFORE, FRAMES)
    return change * (1.0 / (AFTER - BEFORE))


@triton.jit
def _difference(
    maps: tl.tensor, frames: tl.tensor, FRAME: tl.constexpr, FRAMES: tl.constexpr
) -> tl.tensor:
    """Return (1, BLOCK), what changes at a frame: central inside, one-sided at the ends."""
    BEFORE: tl.constexpr = FRAME - 1 if FRAME > 0 else FRAME
    AFTER: tl.constexpr = FRAME + 1 if FRAME + 1 < FRAMES else FRAME
    change = _frame(maps, frames, AFTER) - _frame(maps, frames, BEFORE)
    return change * (1.0 / (AFTER - BEFORE))


@triton.jit
def _frame(maps: tl.tensor, frames: tl.tensor, FRAME: tl.constexpr) -> tl.tensor:
    """Return (1, BLOCK), one frame of a tile."""
    return tl.sum(tl.where(frames == FRAME, maps, 0.0), axis=0)[None, :]
