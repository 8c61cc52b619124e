"""What a clip's view asks of each pixel, worked out on the card from packed parameters.

    parameters (float64) --plan--> a row of float32 numbers a clip --> the kernels that move pixels

A plan is made by one small program a clip, in float64 as on the host, so that the large kernels do
float32 arithmetic only, and a clip that is copied or mirrored gets coefficients that are exact:
its source coordinates are whole numbers in float32.

Legend: B clips, T frames, S sources of frames (2 with successors), H, W rows and columns of the
    source, h, w of the target. Pixel coordinates count centres from 0: source x of target column i
    and row j is `x_i * i + x_j * j + x_0`, in this order in every kernel.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from vadsdk.kernels.affines_triton import (
    in_pixels,
    inverse,
    product,
    read_affine,
    store_coefficients,
)
from vadsdk.kernels.triton_launch import LAUNCH
from vadsdk.kernels.view_parameters import NUM_PACKED, ViewParameters
from vadsdk.kernels.view_sources import IndexedClips, PixelFormat

VIEW_PLAN_WIDTH = 32
"""Columns of a view's plan: 0-5 coefficients of source x, y; 6 time reversed; 7 blurred; 8-16
matrix of colours, row by row; 17-19 offsets; 20-22 grey; 23-26 cut-out x0, y0, x1, y1 in pixels;
27-29 weights of a blur at distance 0, 1, 2."""
MAPS_PLAN_WIDTH = 32
"""Columns of a map's plan: 0-5 coefficients of source x, y; 6-11 of their inverse; 12 time
reversed; 13, 14 half the columns and rows of the target that a source pixel may reach; 15-20
coefficients of x, y in the store."""
LUMA_BLOCK = 1024


def view_plan(
    sources: tuple[IndexedClips, ...],
    parameters: ViewParameters,
    size: tuple[int, int],
    pixels: PixelFormat,
) -> Tensor:
    """Return (B, `VIEW_PLAN_WIDTH`) float32 for views of `size` (h, w).

    Reads every fourth row of the clips (a quarter of their bytes) for their mean brightness, and
    none of a clip whose contrast is left alone.

    Args:
        sources: S equally large ones.
        parameters: B views on the frames' device.
        size: (h, w) of the views.
        pixels: gives mean and deviation.
    """
    batch, num_frames = sources[0].indices.shape
    height, width = sources[0].frames.shape[1:3]
    packed = parameters.packed()
    sums = packed.new_empty((batch, len(sources), num_frames, 3), dtype=torch.int32)
    for position, source in enumerate(sources):
        frames, indices = source.frames, source.indices
        _luma_sums_kernel[(batch, num_frames)](
            frames, indices, packed, sums[:, position], packed.stride(0), len(frames), num_frames,
            height, width, *frames.stride(), sums.stride(0), CONTRAST_COLUMN=8, BLOCK=LUMA_BLOCK,
            **LAUNCH,
        )  # fmt: skip
    plan = packed.new_zeros((batch, VIEW_PLAN_WIDTH), dtype=torch.float32)
    num_sums = len(sources) * num_frames
    _view_plan_kernel[(batch,)](
        packed, sums, plan, packed.stride(0), num_sums,
        float(num_sums * -(-height // 4) * -(-width // 4)),
        *(float(side) for side in (height, width, *size)), *pixels.mean, *pixels.std,
        BLURRED=packed.shape[1] > NUM_PACKED, WIDTH=VIEW_PLAN_WIDTH,
        SUMS_BLOCK=triton.next_power_of_2(num_sums), num_warps=1, **LAUNCH,
    )  # fmt: skip
    return plan


def maps_plan(
    source: ViewParameters | None,
    target: ViewParameters | None,
    source_size: tuple[int, int],
    target_size: tuple[int, int],
) -> Tensor:
    """Return (B, `MAPS_PLAN_WIDTH`) float32 for maps of `source` wanted where `target` is.

    Args:
        source: the views that the maps belong to; None for maps of the store.
        target: the views that they are wanted in; None for the store.
        source_size: (H, W) of the maps.
        target_size: (h, w) of what is wanted; also of the store if both are views.
    """
    given = [view.packed() for view in (source, target) if view is not None]
    batch = len(given[0])
    plan = given[0].new_zeros((batch, MAPS_PLAN_WIDTH), dtype=torch.float32)
    if batch:
        _maps_plan_kernel[(batch,)](
            given[0], given[-1], plan, given[0].stride(0), given[-1].stride(0),
            *(float(side) for side in (*source_size, *target_size)),
            HAS_SOURCE=source is not None, HAS_TARGET=target is not None, WIDTH=MAPS_PLAN_WIDTH,
            num_warps=1, **LAUNCH,
        )  # fmt: skip
    return plan


@triton.jit
def _luma_sums_kernel(
    frames_ptr: tl.tensor,
    indices_ptr: tl.tensor,
    packed_ptr: tl.tensor,
    sums_ptr: tl.tensor,
    packed_stride: tl.tensor,
    num_stored: tl.tensor,
    num_frames: tl.tensor,
    height: tl.tensor,
    width: tl.tensor,
    frame_stride: tl.tensor,
    row_stride: tl.tensor,
    column_stride: tl.tensor,
    channel_stride: tl.tensor,
    sums_stride: tl.tensor,
    CONTRAST_COLUMN: tl.constexpr,
    BLOCK: tl.constexpr,
) -> None:
    """Sum R, G, B of every fourth row and column of one frame; whole numbers, so any order does."""
    clip = tl.program_id(0)
    frame = tl.program_id(1)
    index = tl.load(indices_ptr + clip * num_frames + frame)
    contrast = tl.load(packed_ptr + clip * packed_stride + CONTRAST_COLUMN)
    wanted = (index >= 0) & (index < num_stored) & (contrast != 1.0)
    first = frames_ptr + index * frame_stride
    columns = (width + 3) // 4
    count = tl.where(wanted, columns * ((height + 3) // 4), 0)
    red = tl.zeros((BLOCK,), dtype=tl.int32)
    green = tl.zeros((BLOCK,), dtype=tl.int32)
    blue = tl.zeros((BLOCK,), dtype=tl.int32)
    for start in range(0, count, BLOCK):
        sample = start + tl.arange(0, BLOCK)
        seen = sample < count
        row = sample // columns * 4
        column = sample % columns * 4
        pointers = first + row * row_stride + column * column_stride
        red += tl.load(pointers, mask=seen, other=0).to(tl.int32)
        green += tl.load(pointers + channel_stride, mask=seen, other=0).to(tl.int32)
        blue += tl.load(pointers + 2 * channel_stride, mask=seen, other=0).to(tl.int32)
    place = sums_ptr + clip * sums_stride + frame * 3
    tl.store(place, tl.sum(red, 0))
    tl.store(place + 1, tl.sum(green, 0))
    tl.store(place + 2, tl.sum(blue, 0))


@triton.jit
def _view_plan_kernel(
    packed_ptr: tl.tensor,
    sums_ptr: tl.tensor,
    plan_ptr: tl.tensor,
    packed_stride: tl.tensor,
    num_sums: tl.tensor,
    num_samples: tl.tensor,
    source_height: tl.tensor,
    source_width: tl.tensor,
    target_height: tl.tensor,
    target_width: tl.tensor,
    mean_red: tl.tensor,
    mean_green: tl.tensor,
    mean_blue: tl.tensor,
    std_red: tl.tensor,
    std_green: tl.tensor,
    std_blue: tl.tensor,
    BLURRED: tl.constexpr,
    WIDTH: tl.constexpr,
    SUMS_BLOCK: tl.constexpr,
) -> None:
    """Write one clip's plan; the luma sums of its frames (T or 2 T, 3) are added up here."""
    clip = tl.program_id(0)
    packed = packed_ptr + clip * packed_stride
    plan = plan_ptr + clip * WIDTH
    one = tl.full((), 1.0, tl.float64)
    target_height = one * target_height
    target_width = one * target_width
    store_coefficients(
        plan,
        read_affine(packed),
        one * source_height,
        one * source_width,
        target_height,
        target_width,
    )
    tl.store(plan + 6, tl.load(packed + 6).to(tl.float32))

    order = tl.arange(0, SUMS_BLOCK)
    sums = sums_ptr + clip * num_sums * 3 + order * 3
    red = tl.load(sums, mask=order < num_sums, other=0).to(tl.float64)
    green = tl.load(sums + 1, mask=order < num_sums, other=0).to(tl.float64)
    blue = tl.load(sums + 2, mask=order < num_sums, other=0).to(tl.float64)
    luma = tl.sum(red * 0.299 + green * 0.587 + blue * 0.114, 0) / (num_samples * 255.0 * one)
    gain = tl.load(packed + 7) * tl.load(packed + 8)
    lift = tl.load(packed + 7) * (1.0 - tl.load(packed + 8)) * luma
    saturation = tl.load(packed + 9)
    _store_channel(plan, 0, gain, lift, saturation, one * mean_red, one * std_red)
    _store_channel(plan, 1, gain, lift, saturation, one * mean_green, one * std_green)
    _store_channel(plan, 2, gain, lift, saturation, one * mean_blue, one * std_blue)

    tl.store(plan + 23, _half_to_even(tl.load(packed + 10) * target_width).to(tl.float32))
    tl.store(plan + 24, _half_to_even(tl.load(packed + 11) * target_height).to(tl.float32))
    tl.store(plan + 25, _half_to_even(tl.load(packed + 12) * target_width).to(tl.float32))
    tl.store(plan + 26, _half_to_even(tl.load(packed + 13) * target_height).to(tl.float32))
    if BLURRED:
        sigma = tl.load(packed + 14).to(tl.float32)
        sharpness = -0.5 / tl.where(sigma > 0, sigma * sigma, 1.0)
        near = tl.exp(sharpness)
        far = tl.exp(4.0 * sharpness)
        total = 1.0 + 2.0 * (near + far)
        tl.store(plan + 7, (sigma > 0).to(tl.float32))
        tl.store(plan + 27, 1.0 / total)
        tl.store(plan + 28, near / total)
        tl.store(plan + 29, far / total)


@triton.jit
def _maps_plan_kernel(
    source_ptr: tl.tensor,
    target_ptr: tl.tensor,
    plan_ptr: tl.tensor,
    source_stride: tl.tensor,
    target_stride: tl.tensor,
    source_height: tl.tensor,
    source_width: tl.tensor,
    target_height: tl.tensor,
    target_width: tl.tensor,
    HAS_SOURCE: tl.constexpr,
    HAS_TARGET: tl.constexpr,
    WIDTH: tl.constexpr,
) -> None:
    """Write one clip's plan: target to source is inverse(source view) after (target view)."""
    clip = tl.program_id(0)
    plan = plan_ptr + clip * WIDTH
    one = tl.full((), 1.0, tl.float64)
    source_height = one * source_height
    source_width = one * source_width
    target_height = one * target_height
    target_width = one * target_width
    identity = (one, 0.0 * one, 0.0 * one, 0.0 * one, one, 0.0 * one)
    to_store = identity
    to_source = identity
    turned = 0.0 * one
    if HAS_TARGET:
        to_store = read_affine(target_ptr + clip * target_stride)
        to_source = to_store
        turned = tl.load(target_ptr + clip * target_stride + 6)
    if HAS_SOURCE:
        view = source_ptr + clip * source_stride
        to_source = product(inverse(read_affine(view)), to_store)
        turned = tl.abs(turned - tl.load(view + 6))  # exclusive or
    store_coefficients(plan, to_source, source_height, source_width, target_height, target_width)
    store_coefficients(
        plan + 6, inverse(to_source), target_height, target_width, source_height, source_width
    )
    back = in_pixels(inverse(to_source), target_height, target_width, source_height, source_width)
    tl.store(plan + 12, turned.to(tl.float32))
    tl.store(plan + 13, (tl.abs(back[0]) + tl.abs(back[1])).to(tl.float32))
    tl.store(plan + 14, (tl.abs(back[3]) + tl.abs(back[4])).to(tl.float32))
    store_coefficients(
        plan + 15, to_store, target_height, target_width, target_height, target_width
    )


@triton.jit
def _store_channel(
    plan: tl.tensor,
    CHANNEL: tl.constexpr,
    gain: tl.tensor,
    lift: tl.tensor,
    saturation: tl.tensor,
    mean: tl.tensor,
    std: tl.tensor,
) -> None:
    """Write a row of the colour matrix, its offset and its grey (`_colour_transform`)."""
    row = plan + 8 + 3 * CHANNEL
    kept_red = saturation if CHANNEL == 0 else 0.0 * saturation
    kept_green = saturation if CHANNEL == 1 else 0.0 * saturation
    kept_blue = saturation if CHANNEL == 2 else 0.0 * saturation
    scale = gain / (std * 255.0)
    tl.store(row, (scale * (kept_red + (1.0 - saturation) * 0.299)).to(tl.float32))
    tl.store(row + 1, (scale * (kept_green + (1.0 - saturation) * 0.587)).to(tl.float32))
    tl.store(row + 2, (scale * (kept_blue + (1.0 - saturation) * 0.114)).to(tl.float32))
    tl.store(plan + 17 + CHANNEL, ((lift - mean) / std).to(tl.float32))
    tl.store(plan + 20 + CHANNEL, ((0.5 - mean) / std).to(tl.float32))  # CUTOUT_GREY


@triton.jit
def _half_to_even(value: tl.tensor) -> tl.tensor:
    """Round as torch does."""
    low = tl.floor(value)
    excess = value - low
    is_odd = low - 2.0 * tl.floor(low * 0.5) > 0.5
    return tl.where((excess > 0.5) | ((excess == 0.5) & is_odd), low + 1.0, low)
