"""Maps and masks moved between views on the card, and the exact adjoint of that.

Forward, each target pixel reads the four source pixels around it. Backward, each source pixel
gathers from the target pixels that read it: those whose source position lies less than a pixel away
in x and y. They lie in a parallelogram about the inverse image of the pixel, whose bounding box is
searched (3 x 3 pixels without zoom, 5 x 5 at a zoom of 0.6); the weights are the forward's own, so
the result is the adjoint to rounding. Scattering by atomics would need a buffer of zeros first and
four read-modify-writes in L2 for each value, and would add up in another order in each run.

Bytes at 16 x 8 x 224 x 224 in float32, forward and backward each: 26 MB read, 26 MB written, and
forward 3 MB of validity: 55 MB, 16 us at an H200's 3.4 TB/s of copying.

Legend: B clips, T frames, H, W rows and columns of the source, h, w of the target.
"""

from __future__ import annotations

from typing import Any, cast

import torch
import triton
import triton.language as tl
from torch import Tensor
from torch.autograd.function import once_differentiable

from vadsdk.kernels.triton_launch import LAUNCH
from vadsdk.kernels.view_parameters import ViewParameters
from vadsdk.kernels.view_plan_triton import MAPS_PLAN_WIDTH, maps_plan

FRAMES_BLOCK, PIXELS_BLOCK = 8, 256
GRADIENT_PIXELS_BLOCK = 128


def undo_view(
    maps: Tensor, parameters: ViewParameters, size: tuple[int, int]
) -> tuple[Tensor, Tensor]:
    """Take maps of a view back into the store's frame; see `augmentation.undo_view`."""
    return _moved(maps, parameters.to(maps.device), None, size, in_store=False)


def transfer_maps(
    maps: Tensor, source: ViewParameters, target: ViewParameters
) -> tuple[Tensor, Tensor]:
    """Take maps of one view into another view's frame; see `augmentation.transfer_maps`."""
    size = (maps.shape[-2], maps.shape[-1])
    source, target = source.to(maps.device), target.to(maps.device)
    return _moved(maps, source, target, size, in_store=True)


@torch.no_grad()
def apply_view_to_masks(masks: Tensor, parameters: ViewParameters, size: tuple[int, int]) -> Tensor:
    """Return masks as the view shows them; see `augmentation.apply_view_to_masks`."""
    if masks.dtype == torch.bool:
        masks = masks.view(torch.uint8)
    with torch.cuda.device_of(masks):
        _require_views(masks, parameters)
        view = parameters.to(masks.device)
        plan = maps_plan(None, view, (masks.shape[-2], masks.shape[-1]), size)
        seen = masks.new_empty((*masks.shape[:2], *size), dtype=torch.float32)
        _move(masks, plan, seen, None, in_store=False, is_mask=True)
    return seen


def _moved(
    maps: Tensor,
    source: ViewParameters,
    target: ViewParameters | None,
    size: tuple[int, int],
    *,
    in_store: bool,
) -> tuple[Tensor, Tensor]:
    _require_views(maps, source)
    if target is not None:
        _require_views(maps, target)
    with torch.cuda.device_of(maps):
        plan = maps_plan(source, target, (maps.shape[-2], maps.shape[-1]), size)
        moved, valid = cast("Any", _MovedMaps).apply(maps, plan, size, in_store)
    return moved, valid


def _require_views(maps: Tensor, parameters: ViewParameters) -> None:
    if len(parameters.affines) != len(maps):
        raise ValueError(f"{len(maps)} clips need {len(maps)} views, not {len(parameters.affines)}")


class _MovedMaps(torch.autograd.Function):
    """Moved maps and their validity; gradients flow into the maps."""

    @staticmethod
    def forward(
        ctx: Any, maps: Tensor, plan: Tensor, size: tuple[int, int], in_store: bool
    ) -> tuple[Tensor, Tensor]:
        moved = maps.new_empty((*maps.shape[:2], *size), dtype=torch.float32)
        valid = maps.new_empty((len(maps), 1, *size), dtype=torch.float32)
        _move(maps, plan, moved, valid, in_store=in_store, is_mask=False)
        ctx.save_for_backward(plan)
        ctx.maps_shape, ctx.maps_dtype = maps.shape, maps.dtype
        ctx.mark_non_differentiable(valid)
        return moved, valid

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, moved_gradient: Tensor, _: Tensor) -> tuple[Tensor, None, None, None]:
        (plan,) = ctx.saved_tensors
        gradient = moved_gradient.new_empty(ctx.maps_shape, dtype=ctx.maps_dtype)
        with torch.cuda.device_of(gradient):
            _move_back(moved_gradient, plan, gradient)
        return gradient, None, None, None


def _move(
    maps: Tensor,
    plan: Tensor,
    moved: Tensor,
    valid: Tensor | None,
    *,
    in_store: bool,
    is_mask: bool,
) -> None:
    batch, num_frames, height, width = moved.shape
    if not batch * height * width:
        return
    # One program more than none, so that the validity of clips without frames is written, too.
    chunks = max(triton.cdiv(num_frames, FRAMES_BLOCK), 1)
    grid = (triton.cdiv(height * width, PIXELS_BLOCK), chunks, batch)
    _move_kernel[grid](
        maps, plan, moved, moved if valid is None else valid,
        num_frames, maps.shape[2], maps.shape[3], height, width, *maps.stride(),
        HAS_VALID=valid is not None, IN_STORE=in_store, IS_MASK=is_mask,
        WIDTH=MAPS_PLAN_WIDTH, FRAMES=FRAMES_BLOCK, PIXELS=PIXELS_BLOCK, **LAUNCH,
    )  # fmt: skip


def _move_back(moved_gradient: Tensor, plan: Tensor, gradient: Tensor) -> None:
    batch, num_frames, height, width = gradient.shape
    if not gradient.numel():
        return
    grid = (triton.cdiv(height * width, GRADIENT_PIXELS_BLOCK), triton.cdiv(num_frames, 4), batch)
    _move_back_kernel[grid](
        moved_gradient, plan, gradient,
        num_frames, height, width, *moved_gradient.shape[2:], *moved_gradient.stride(),
        WIDTH=MAPS_PLAN_WIDTH, PIXELS=GRADIENT_PIXELS_BLOCK, **LAUNCH,
    )  # fmt: skip


@triton.jit
def _move_kernel(
    maps_ptr: tl.tensor,
    plan_ptr: tl.tensor,
    moved_ptr: tl.tensor,
    valid_ptr: tl.tensor,
    num_frames: tl.tensor,
    source_height: tl.tensor,
    source_width: tl.tensor,
    target_height: tl.tensor,
    target_width: tl.tensor,
    clip_stride: tl.tensor,
    frame_stride: tl.tensor,
    row_stride: tl.tensor,
    column_stride: tl.tensor,
    HAS_VALID: tl.constexpr,
    IN_STORE: tl.constexpr,
    IS_MASK: tl.constexpr,
    WIDTH: tl.constexpr,
    FRAMES: tl.constexpr,
    PIXELS: tl.constexpr,
) -> None:
    """Write moved maps (B, T, h, w) and validity: (pixels, frames, clips) programs."""
    clip = tl.program_id(2)
    plan = plan_ptr + clip * WIDTH
    long_one = tl.full((), 1, tl.int64)
    pixel = tl.program_id(0) * PIXELS + tl.arange(0, PIXELS)
    area = long_one * target_height * target_width
    seen = pixel < area
    i = (pixel % target_width).to(tl.float32)
    j = (pixel // target_width).to(tl.float32)
    x = tl.load(plan) * i + tl.load(plan + 1) * j + tl.load(plan + 2)
    y = tl.load(plan + 3) * i + tl.load(plan + 4) * j + tl.load(plan + 5)
    if HAS_VALID:
        if tl.program_id(1) == 0:
            valid = _lies_inside(x, y, source_height, source_width)
            if IN_STORE:
                x_store = tl.load(plan + 15) * i + tl.load(plan + 16) * j + tl.load(plan + 17)
                y_store = tl.load(plan + 18) * i + tl.load(plan + 19) * j + tl.load(plan + 20)
                valid = valid & _lies_inside(x_store, y_store, target_height, target_width)
            tl.store(valid_ptr + clip * area + pixel, valid.to(tl.float32), mask=seen)
    left, left_weight, right_weight = _neighbours(x, source_width)
    top, top_weight, bottom_weight = _neighbours(y, source_height)
    corner = maps_ptr + clip * long_one * clip_stride
    corner = corner + top * (long_one * row_stride) + left * (long_one * column_stride)
    has_left = seen & (left_weight > 0)
    has_right = seen & (right_weight > 0)
    frame_step = long_one * frame_stride
    is_reversed = tl.load(plan + 12) > 0
    start = tl.program_id(1) * FRAMES
    for frame in range(start, tl.minimum(start + FRAMES, num_frames)):
        above = corner + tl.where(is_reversed, num_frames - 1 - frame, frame) * frame_step
        below = above + row_stride
        # A pixel without weight is not read: it may lie outside, or not be finite.
        nw = tl.load(above, mask=has_left & (top_weight > 0), other=0).to(tl.float32)
        ne = tl.load(above + column_stride, mask=has_right & (top_weight > 0), other=0)
        sw = tl.load(below, mask=has_left & (bottom_weight > 0), other=0).to(tl.float32)
        se = tl.load(below + column_stride, mask=has_right & (bottom_weight > 0), other=0)
        value = top_weight * left_weight * nw + top_weight * right_weight * ne.to(tl.float32)
        value += bottom_weight * left_weight * sw
        value += bottom_weight * right_weight * se.to(tl.float32)
        if IS_MASK:
            value = tl.where(value >= 0.5, 1.0, 0.0)
        tl.store(moved_ptr + (clip * num_frames + frame) * area + pixel, value, mask=seen)


@triton.jit
def _move_back_kernel(
    moved_gradient_ptr: tl.tensor,
    plan_ptr: tl.tensor,
    gradient_ptr: tl.tensor,
    num_frames: tl.tensor,
    source_height: tl.tensor,
    source_width: tl.tensor,
    target_height: tl.tensor,
    target_width: tl.tensor,
    clip_stride: tl.tensor,
    frame_stride: tl.tensor,
    row_stride: tl.tensor,
    column_stride: tl.tensor,
    WIDTH: tl.constexpr,
    PIXELS: tl.constexpr,
) -> None:
    """Write gradients (B, T, H, W): (pixels, fours of frames, clips) programs.

    Weights are worked out once for the four frames; those beyond the last read the last again.
    """
    clip = tl.program_id(2)
    plan = plan_ptr + clip * WIDTH
    long_one = tl.full((), 1, tl.int64)
    pixel = tl.program_id(0) * PIXELS + tl.arange(0, PIXELS)
    column = (pixel % source_width).to(tl.float32)
    row = (pixel // source_width).to(tl.float32)
    centre_x = tl.load(plan + 6) * column + tl.load(plan + 7) * row + tl.load(plan + 8)
    centre_y = tl.load(plan + 9) * column + tl.load(plan + 10) * row + tl.load(plan + 11)
    first_x, count_x = _reach(centre_x, tl.load(plan + 13), target_width)
    first_y, count_y = _reach(centre_y, tl.load(plan + 14), target_height)
    x_i = tl.load(plan)
    x_j = tl.load(plan + 1)
    x_0 = tl.load(plan + 2)
    y_i = tl.load(plan + 3)
    y_j = tl.load(plan + 4)
    y_0 = tl.load(plan + 5)
    first_frame = tl.program_id(1) * 4
    is_reversed = tl.load(plan + 12) > 0
    clip_ptr = moved_gradient_ptr + clip * long_one * clip_stride
    frame_step = long_one * frame_stride
    place_0 = clip_ptr + _moved_frame(first_frame, num_frames, is_reversed) * frame_step
    place_1 = clip_ptr + _moved_frame(first_frame + 1, num_frames, is_reversed) * frame_step
    place_2 = clip_ptr + _moved_frame(first_frame + 2, num_frames, is_reversed) * frame_step
    place_3 = clip_ptr + _moved_frame(first_frame + 3, num_frames, is_reversed) * frame_step
    total_0 = tl.zeros((PIXELS,), dtype=tl.float32)
    total_1 = tl.zeros((PIXELS,), dtype=tl.float32)
    total_2 = tl.zeros((PIXELS,), dtype=tl.float32)
    total_3 = tl.zeros((PIXELS,), dtype=tl.float32)
    for down in range(count_y):
        target_row = first_y + down
        j = target_row.to(tl.float32)
        for right in range(count_x):
            target_column = first_x + right
            i = target_column.to(tl.float32)
            x = x_i * i + x_j * j + x_0
            y = y_i * i + y_j * j + y_0
            weight = tl.maximum(1 - tl.abs(x - column), 0.0) * tl.maximum(1 - tl.abs(y - row), 0.0)
            reads = (weight > 0) & (target_row < target_height) & (target_column < target_width)
            offset = target_row * (long_one * row_stride)
            offset = offset + target_column * (long_one * column_stride)
            total_0 += weight * tl.load(place_0 + offset, mask=reads, other=0).to(tl.float32)
            total_1 += weight * tl.load(place_1 + offset, mask=reads, other=0).to(tl.float32)
            total_2 += weight * tl.load(place_2 + offset, mask=reads, other=0).to(tl.float32)
            total_3 += weight * tl.load(place_3 + offset, mask=reads, other=0).to(tl.float32)
    area = long_one * source_height * source_width
    seen = pixel < area
    gradient = gradient_ptr + (clip * num_frames + first_frame) * area + pixel
    _store_gradient(gradient, total_0, seen)
    if first_frame + 1 < num_frames:
        _store_gradient(gradient + area, total_1, seen)
    if first_frame + 2 < num_frames:
        _store_gradient(gradient + 2 * area, total_2, seen)
    if first_frame + 3 < num_frames:
        _store_gradient(gradient + 3 * area, total_3, seen)


@triton.jit
def _moved_frame(frame: tl.tensor, num_frames: tl.tensor, is_reversed: tl.tensor) -> tl.tensor:
    """Return the target's frame that shows a frame of the source, or the last one."""
    frame = tl.minimum(frame, num_frames - 1)
    return tl.where(is_reversed, num_frames - 1 - frame, frame)


@triton.jit
def _store_gradient(pointers: tl.tensor, total: tl.tensor, seen: tl.tensor) -> None:
    tl.store(pointers, total.to(pointers.dtype.element_ty), mask=seen)


@triton.jit
def _neighbours(position: tl.tensor, side: tl.tensor) -> tl.tensor:
    """Return the pixel before a position, its weight and the next one's: 0 for those outside."""
    position = tl.minimum(tl.maximum(position, -2.0), side + 1.0)  # farther out is as empty
    low = tl.floor(position)
    share = position - low
    before = low.to(tl.int32)
    before_weight = tl.where((before >= 0) & (before < side), 1 - share, 0.0)
    after_weight = tl.where((before >= -1) & (before < side - 1), share, 0.0)
    return before, before_weight, after_weight


@triton.jit
def _lies_inside(x: tl.tensor, y: tl.tensor, height: tl.tensor, width: tl.tensor) -> tl.tensor:
    """Return whether positions fall between centres (`warping.EDGE_TOLERANCE_PIXELS` beyond)."""
    inside = (x >= -1e-3) & (x <= width - 1 + 1e-3)
    return inside & (y >= -1e-3) & (y <= height - 1 + 1e-3)


@triton.jit
def _reach(centre: tl.tensor, extent: tl.tensor, side: tl.tensor) -> tl.tensor:
    """Return the first target pixel to search along an axis and how many, for any rounding."""
    extent = tl.minimum(extent, side) + 1e-2
    first = tl.minimum(tl.maximum(tl.ceil(centre - extent), 0.0), side).to(tl.int32)
    count = tl.minimum(tl.floor(2 * extent).to(tl.int32) + 1, side)
    return first, count
