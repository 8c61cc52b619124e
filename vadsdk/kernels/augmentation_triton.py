"""The views of `augmentation.py` in one pass on the card.

Each pixel of a view is gathered from the uint8 frames where they lie (a bank, or the clips), moved,
coloured, normalised and written once in the network's type and memory format; temporal gradients
are made of the same gathered pixels.

Bytes at 16 x 8 x 224 x 224 from 256 x 256: 25 MB read at most once (a crop reads less), 39 MB
written in bfloat16, 77 MB in float32; 6 MB (a quarter of the rows) are read before that for the
mean brightness of clips whose contrast changes. At the 3.4 TB/s that an H200 copies at, 64 MB take
19 us and 102 MB 30 us. With gradients all doubles; views that were stored in between would be
154 MB written and 154 MB read again. The compiler's code for sm_90 takes about 105 instructions a
pixel and frame (12 loads of a byte, as many conversions, 21 products), which 132 SMs issue in
23 us: in bfloat16 instructions and memory are near balance, so those count as much as bytes here.
Coordinates, weights and cut-outs are worked out once for the frames of a program.

A blur needs the 5 x 5 sharp pixels around. Gathering those anew is 25 x 12 loads a pixel and
frame, about 20 us for each blurred clip on the whole card. So clips that blur are first moved into
float32 scratch with two pixels of margin (10 MB a clip), and a second pass smooths them from there:
24 bytes a pixel and frame more than the 9 of a sharp clip in bfloat16, 3 us a clip at copying
speed, 5 us of instructions. Programs of sharp clips end at once; views that never blur
(`blur_sigmas` is None) have neither pass nor scratch.

Legend: B clips, T frames, S sources of frames (2 with successors), N frames that lie together,
    H, W their size, h, w the view's. A program moves P pixels of some frames of one clip.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from vadsdk.kernels.triton_launch import LAUNCH
from vadsdk.kernels.view_parameters import ViewParameters
from vadsdk.kernels.view_pixels_triton import (
    find_cut,
    find_taps,
    gather,
    read_colours,
    smooth,
    write_gradient,
    write_view,
)
from vadsdk.kernels.view_plan_triton import VIEW_PLAN_WIDTH, view_plan
from vadsdk.kernels.view_reference import BLUR_RADIUS
from vadsdk.kernels.view_sources import IndexedClips, PixelFormat

FRAMES_BLOCK, PIXELS_BLOCK = 8, 256
FLOAT_TYPES = (torch.float32, torch.bfloat16, torch.float16)


def make_views(
    sources: tuple[IndexedClips, ...],
    parameters: ViewParameters,
    size: tuple[int, int],
    pixels: PixelFormat,
) -> tuple[Tensor, ...]:
    """Return views (B, 3, T, h, w): of the clips, and of their temporal gradients if S is 2.

    Args:
        sources: the clips' frames and, for gradients, those of their successors.
        parameters: B views, on any device.
        size: (h, w).
        pixels: how they are written.

    Raises:
        ValueError: clips, successors and parameters do not fit, or no kernel writes the type.
    """
    batch, num_frames = sources[0].indices.shape
    if len(parameters.affines) != batch:
        raise ValueError(f"{batch} clips need {batch} views, not {len(parameters.affines)}")
    if pixels.dtype not in FLOAT_TYPES:
        raise ValueError(f"a view is written as one of {FLOAT_TYPES}, not {pixels.dtype}")
    sources = _alike(sources)
    frames = sources[0].frames
    views = tuple(
        torch.empty(
            (batch, 3, num_frames, *size),
            dtype=pixels.dtype,
            device=frames.device,
            memory_format=pixels.memory_format,
        )
        for _ in sources
    )
    if views[0].numel():
        if not frames.numel():
            raise ValueError(f"there are no frames to see in {tuple(frames.shape)}")
        with torch.cuda.device_of(frames):
            parameters = parameters.to(frames.device)
            plan = view_plan(sources, parameters, size, pixels)
            _fill(sources, views, plan, blurs=parameters.blur_sigmas is not None)
    return views


def _alike(sources: tuple[IndexedClips, ...]) -> tuple[IndexedClips, ...]:
    """Return sources whose frames have the same strides, within reach of 32-bit offsets."""
    first = sources[0].frames
    if any(s.frames.shape[1:] != first.shape[1:] for s in sources) or any(
        s.indices.shape != sources[0].indices.shape for s in sources
    ):
        shapes = [(tuple(s.indices.shape), tuple(s.frames.shape[1:])) for s in sources]
        raise ValueError(f"clips and successors are alike, not {shapes}")
    reach = sum((n - 1) * s for n, s in zip(first.shape[1:], first.stride()[1:], strict=True))
    same = all(s.frames.stride() == first.stride() for s in sources) and reach < 2**31
    return tuple(
        IndexedClips(s.frames if same else s.frames.contiguous(), s.indices.contiguous())
        for s in sources
    )


def _fill(
    sources: tuple[IndexedClips, ...], views: tuple[Tensor, ...], plan: Tensor, *, blurs: bool
) -> None:
    batch, _, num_frames, height, width = views[0].shape
    frames = sources[0].frames
    num_stored = min(len(source.frames) for source in sources)
    geometry = (num_stored, num_frames, *frames.shape[1:3], *frames.stride(), height, width)
    inputs = (sources[0].frames, sources[-1].frames, sources[0].indices, sources[-1].indices, plan)
    outputs = (views[0], views[-1], *views[0].stride())
    blocks: dict[str, int] = {
        "SOURCES": len(sources),
        "WIDTH": VIEW_PLAN_WIDTH,
        "FRAMES": FRAMES_BLOCK,
        "PIXELS": PIXELS_BLOCK,
        **LAUNCH,
    }
    chunks = triton.cdiv(num_frames, FRAMES_BLOCK)
    grid = (triton.cdiv(height * width, PIXELS_BLOCK), chunks, batch)
    _view_kernel[grid](*inputs, *outputs, *geometry, **blocks)
    if not blurs:
        return
    wide_height, wide_width = height + 2 * BLUR_RADIUS, width + 2 * BLUR_RADIUS
    scratch = plan.new_empty((batch, len(sources), 3, num_frames, wide_height, wide_width))
    wide_grid = (triton.cdiv(wide_height * wide_width, PIXELS_BLOCK), chunks, batch)
    _move_kernel[wide_grid](*inputs, scratch, *geometry, **blocks)
    _blur_kernel[grid](scratch, plan, *outputs, num_frames, height, width, **blocks)


# Were a stride of 1 known, a thread would write pixels side by side, and gather them so; lanes that
# gather side by side touch fewer lines of the cache.
@triton.jit(do_not_specialize=["view_column_stride"])
def _view_kernel(
    frames_ptr: tl.tensor,
    successors_ptr: tl.tensor,
    indices_ptr: tl.tensor,
    successor_indices_ptr: tl.tensor,
    plan_ptr: tl.tensor,
    view_ptr: tl.tensor,
    gradient_ptr: tl.tensor,
    view_clip_stride: tl.tensor,
    view_channel_stride: tl.tensor,
    view_frame_stride: tl.tensor,
    view_row_stride: tl.tensor,
    view_column_stride: tl.tensor,
    num_stored: tl.tensor,
    num_frames: tl.tensor,
    source_height: tl.tensor,
    source_width: tl.tensor,
    frame_stride: tl.tensor,
    row_stride: tl.tensor,
    column_stride: tl.tensor,
    channel_stride: tl.tensor,
    target_height: tl.tensor,
    target_width: tl.tensor,
    SOURCES: tl.constexpr,
    WIDTH: tl.constexpr,
    FRAMES: tl.constexpr,
    PIXELS: tl.constexpr,
) -> None:
    """Write the views of clips that do not blur: (pixels, frames, clips) programs."""
    clip = tl.program_id(2)
    plan = plan_ptr + clip * WIDTH
    if tl.load(plan + 7) > 0:
        return
    pixel = tl.program_id(0) * PIXELS + tl.arange(0, PIXELS)
    seen = pixel < target_height * target_width
    row = pixel // target_width
    column = pixel % target_width
    taps = find_taps(plan, row, column, source_height, source_width, row_stride, column_stride)
    is_cut = find_cut(plan, row, column)
    colours = read_colours(plan)
    place = clip.to(tl.int64) * view_clip_stride
    place = place + (row * view_row_stride + column * view_column_stride)
    frame_step = tl.full((), 1, tl.int64) * view_frame_stride
    start = tl.program_id(1) * FRAMES
    is_reversed = tl.load(plan + 6) > 0
    for frame in range(start, tl.minimum(start + FRAMES, num_frames)):
        at = clip * num_frames + tl.where(is_reversed, num_frames - 1 - frame, frame)
        rgb = gather(
            frames_ptr, tl.load(indices_ptr + at), num_stored, frame_stride, channel_stride, taps
        )
        view = view_ptr + frame * frame_step + place
        write_view(colours, rgb, view, view_channel_stride, is_cut, seen)
        if SOURCES == 2:
            half = tl.where(is_reversed, -0.5, 0.5)
            index = tl.load(successor_indices_ptr + at)
            after = gather(successors_ptr, index, num_stored, frame_stride, channel_stride, taps)
            gradient = gradient_ptr + frame * frame_step + place
            write_gradient(colours, half, rgb, after, gradient, view_channel_stride, is_cut, seen)


@triton.jit
def _move_kernel(
    frames_ptr: tl.tensor,
    successors_ptr: tl.tensor,
    indices_ptr: tl.tensor,
    successor_indices_ptr: tl.tensor,
    plan_ptr: tl.tensor,
    scratch_ptr: tl.tensor,
    num_stored: tl.tensor,
    num_frames: tl.tensor,
    source_height: tl.tensor,
    source_width: tl.tensor,
    frame_stride: tl.tensor,
    row_stride: tl.tensor,
    column_stride: tl.tensor,
    channel_stride: tl.tensor,
    target_height: tl.tensor,
    target_width: tl.tensor,
    SOURCES: tl.constexpr,
    WIDTH: tl.constexpr,
    FRAMES: tl.constexpr,
    PIXELS: tl.constexpr,
) -> None:
    """Write moved pixels of clips that blur, with a margin: (B, S, 3, T, h + 4, w + 4)."""
    clip = tl.program_id(2)
    plan = plan_ptr + clip * WIDTH
    if tl.load(plan + 7) == 0:
        return
    wide_width = target_width + 4
    area = wide_width * (target_height + 4)
    channel = tl.full((), 1, tl.int64) * num_frames * area
    pixel = tl.program_id(0) * PIXELS + tl.arange(0, PIXELS)
    seen = pixel < area
    row = pixel // wide_width - 2
    column = pixel % wide_width - 2
    taps = find_taps(plan, row, column, source_height, source_width, row_stride, column_stride)
    frame_step = tl.full((), 1, tl.int64) * area
    clip_corner = scratch_ptr + clip * SOURCES * 3 * channel + pixel
    start = tl.program_id(1) * FRAMES
    is_reversed = tl.load(plan + 6) > 0
    for frame in range(start, tl.minimum(start + FRAMES, num_frames)):
        at = clip * num_frames + tl.where(is_reversed, num_frames - 1 - frame, frame)
        place = clip_corner + frame * frame_step
        rgb = gather(
            frames_ptr, tl.load(indices_ptr + at), num_stored, frame_stride, channel_stride, taps
        )
        for colour in tl.static_range(3):
            tl.store(place + colour * channel, rgb[colour], mask=seen)
        if SOURCES == 2:
            index = tl.load(successor_indices_ptr + at)
            rgb = gather(successors_ptr, index, num_stored, frame_stride, channel_stride, taps)
            for colour in tl.static_range(3):
                tl.store(place + (3 + colour) * channel, rgb[colour], mask=seen)


@triton.jit
def _blur_kernel(
    scratch_ptr: tl.tensor,
    plan_ptr: tl.tensor,
    view_ptr: tl.tensor,
    gradient_ptr: tl.tensor,
    view_clip_stride: tl.tensor,
    view_channel_stride: tl.tensor,
    view_frame_stride: tl.tensor,
    view_row_stride: tl.tensor,
    view_column_stride: tl.tensor,
    num_frames: tl.tensor,
    target_height: tl.tensor,
    target_width: tl.tensor,
    SOURCES: tl.constexpr,
    WIDTH: tl.constexpr,
    FRAMES: tl.constexpr,
    PIXELS: tl.constexpr,
) -> None:
    """Write the views of clips that blur from what `_move_kernel` wrote."""
    clip = tl.program_id(2)
    plan = plan_ptr + clip * WIDTH
    if tl.load(plan + 7) == 0:
        return
    pixel = tl.program_id(0) * PIXELS + tl.arange(0, PIXELS)
    seen = pixel < target_height * target_width
    row = pixel // target_width
    column = pixel % target_width
    is_cut = find_cut(plan, row, column)
    wide_width = target_width + 4
    area = wide_width * (target_height + 4)
    channel = tl.full((), 1, tl.int64) * num_frames * area
    scratch_step = tl.full((), 1, tl.int64) * area
    clip_corner = scratch_ptr + clip * SOURCES * 3 * channel + (row * wide_width + column)
    colours = read_colours(plan)
    place = clip.to(tl.int64) * view_clip_stride
    place = place + (row * view_row_stride + column * view_column_stride)
    frame_step = tl.full((), 1, tl.int64) * view_frame_stride
    start = tl.program_id(1) * FRAMES
    is_reversed = tl.load(plan + 6) > 0
    for frame in range(start, tl.minimum(start + FRAMES, num_frames)):
        corner = clip_corner + frame * scratch_step
        rgb = smooth(plan, corner, channel, wide_width, seen)
        view = view_ptr + frame * frame_step + place
        write_view(colours, rgb, view, view_channel_stride, is_cut, seen)
        if SOURCES == 2:
            half = tl.where(is_reversed, -0.5, 0.5)
            after = smooth(plan, corner + 3 * channel, channel, wide_width, seen)
            gradient = gradient_ptr + frame * frame_step + place
            write_gradient(colours, half, rgb, after, gradient, view_channel_stride, is_cut, seen)
