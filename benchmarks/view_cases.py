"""The kernels of views at the shapes of paper 1's step, with the bytes that they cannot do without.

Read are the pixels that the drawn views show and no others; see `footprints`. For the brightness of
clips whose contrast changes, every fourth row is read in a pass of its own.

Legend: B clips, L labelled ones, T frames, H, W of the stored frames, h, w of the network's input.
"""

from __future__ import annotations

from typing import Any

import torch
from footprints import brightness_pixels, read_pixels, sector_bytes, seeing_pixels, uncut_pixels
from kernel_cases import Case, Shape
from torch import Tensor

from vadsdk.kernels.augmentation import (
    apply_view,
    apply_view_to_masks,
    apply_view_with_gradients,
    transfer_maps,
    undo_view,
)
from vadsdk.kernels.view_parameters import ViewParameters, sample_view
from vadsdk.kernels.view_sources import IndexedClips

STRENGTH = "strong"
"""Of the views that are drawn."""
FRAME_STRIDE = 2
"""Of paper 1's clips; the frames between are the successors, so that none is read for both."""
IN_FLOAT, IN_BF16 = 4, 2
"""Bytes of a number."""


def view_cases(device: torch.device, shape: Shape) -> list[Case]:
    """Return all cases, with inputs on the device; views are drawn from torch's own generator."""
    return [*_clip_cases(device, shape), _mask_case(device, shape), *_map_cases(device, shape)]


def _clip_cases(device: torch.device, shape: Shape) -> list[Case]:
    clips, successors = _clips(device, shape)
    drawn = sample_view(shape.num_clips, STRENGTH, aspect_ratio=shape.stored[1] / shape.stored[0])
    view, size = drawn.to(device), (shape.side, shape.side)
    read = _bytes_read(drawn, shape)
    numbers = 3 * shape.num_clips * shape.num_frames * shape.side**2
    in_bf16: dict[str, Any] = {
        "dtype": torch.bfloat16,
        "memory_format": torch.channels_last_3d,
    }
    in_float = {**in_bf16, "dtype": torch.float32}
    return [
        Case(
            name="apply_view",
            run=lambda: apply_view(clips, view, size, **in_bf16),
            num_bytes=read + IN_BF16 * numbers,
        ),
        Case(
            name="apply_view_fp32",
            run=lambda: apply_view(clips, view, size, **in_float),
            num_bytes=read + IN_FLOAT * numbers,
            is_as_trained=False,
        ),
        Case(
            name="apply_view_with_gradients",
            run=lambda: apply_view_with_gradients(clips, successors, view, size, **in_bf16),
            num_bytes=2 * (read + IN_BF16 * numbers),
        ),
    ]


def _clips(device: torch.device, shape: Shape) -> tuple[IndexedClips, IndexedClips]:
    """Return clips of a bank and their successors, no two of which share a frame."""
    size = (shape.bank_frames, *shape.stored, 3)
    bank = torch.randint(256, size, dtype=torch.uint8, device=device)
    length = FRAME_STRIDE * shape.num_frames
    starts = torch.randperm(shape.bank_frames // length)[: shape.num_clips, None] * length
    indices = (starts + FRAME_STRIDE * torch.arange(shape.num_frames)).to(device)
    return IndexedClips(bank, indices), IndexedClips(bank, indices + 1)


def _bytes_read(view: ViewParameters, shape: Shape) -> int:
    """Return the bytes of stored frames that views of clips need, in both passes."""
    size = (shape.side, shape.side)
    shown = read_pixels(view.matrices(), size, shape.stored, uncut_pixels(view, size))
    sampled = brightness_pixels(view, shape.stored)
    return shape.num_frames * (sector_bytes(shown, 3) + sector_bytes(sampled, 3))


def _mask_case(device: torch.device, shape: Shape) -> Case:
    count, frames, size = shape.num_labelled, shape.num_frames, (shape.side, shape.side)
    masks = (torch.rand(count, frames, *shape.stored, device=device) > 0.5).to(torch.uint8)
    drawn = sample_view(count, STRENGTH, aspect_ratio=shape.stored[1] / shape.stored[0])
    view = drawn.to(device)
    read = sector_bytes(read_pixels(drawn.matrices(), size, shape.stored, None), 1)
    return Case(
        name="apply_view_to_masks",
        run=lambda: apply_view_to_masks(masks, view, size),
        num_bytes=frames * (read + IN_FLOAT * count * shape.side**2),
    )


def _map_cases(device: torch.device, shape: Shape) -> list[Case]:
    count, frames, size = shape.num_clips, shape.num_frames, (shape.side, shape.side)
    maps = torch.randn(count, frames, *size, device=device, requires_grad=True)
    between = torch.randn_like(maps)
    stored = torch.randn(count, frames, *shape.stored, device=device)
    drawn = [sample_view(count, STRENGTH) for _ in range(2)]
    first, second = (view.to(device) for view in drawn)

    def move() -> None:
        moved, _ = transfer_maps(maps, first, second)
        torch.autograd.grad(moved, maps, between)

    def undo() -> None:
        moved, _ = undo_view(maps, first, shape.stored)
        torch.autograd.grad(moved, maps, stored)

    to_store = drawn[0].inverse_matrices()
    to_first = to_store @ drawn[1].matrices()
    return [
        Case(name="transfer_maps", run=move, num_bytes=_bytes_moved(to_first, maps, size)),
        Case(name="undo_view", run=undo, num_bytes=_bytes_moved(to_store, maps, shape.stored)),
    ]


def _bytes_moved(matrices: Tensor, maps: Tensor, size: tuple[int, int]) -> int:
    """Return the bytes of maps moved to `size` and of their gradients moved back, in float32.

    Forward, what the target shows is read, and all of the target and its validity are written;
    backward, the gradient is read where it shows something, and that of all the maps is written.
    """
    count, frames, *source_size = maps.shape
    source = source_size[0], source_size[1]
    read = sector_bytes(read_pixels(matrices, size, source, None), IN_FLOAT)
    read_back = sector_bytes(seeing_pixels(matrices, size, source), IN_FLOAT)
    target, whole = (IN_FLOAT * count * height * width for height, width in (size, source))
    return frames * (read + target + read_back + whole) + target
