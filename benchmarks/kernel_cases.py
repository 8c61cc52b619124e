"""Each kernel at the shapes of paper 1's step, with the bytes that it cannot do without.

Legend: B clips, T frames, H, W of the stored frames, h, w of the network's input. A byte is counted
once for each pass that must read or write it; what a kernel reads again counts against it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from vadsdk.kernels.augmentation import apply_view, apply_view_with_gradients, transfer_maps
from vadsdk.kernels.coherence_form import CoherenceForm
from vadsdk.kernels.coherence_losses import coherence_losses
from vadsdk.kernels.mask_losses import mask_losses
from vadsdk.kernels.routing import em_routing
from vadsdk.kernels.view_parameters import sample_view
from vadsdk.kernels.view_sources import IndexedClips

NUM_CAPSULES, NUM_CLASSES, POSITIONS_A_CLIP = 32, 24, 400
"""Of the network at 224 pixels: 20 x 20 places for capsules."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Case:
    """One kernel at one shape."""

    name: str
    run: Callable[[], Any]
    """Forward, and backward where there is one."""
    num_bytes: int | None
    """Read and written at least; None where memory is not the limit."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Shape:
    """Sizes of the cases."""

    num_clips: int
    num_frames: int
    stored: tuple[int, int]
    side: int
    bank_frames: int


CARD = Shape(num_clips=16, num_frames=8, stored=(256, 256), side=224, bank_frames=8192)
SMALL = Shape(num_clips=4, num_frames=8, stored=(128, 128), side=112, bank_frames=256)


def kernel_cases(device: torch.device, shape: Shape) -> list[Case]:
    """Return all cases, with inputs on the device."""
    torch.manual_seed(0)
    return [*_view_cases(device, shape), _routing_case(device, shape), *_map_cases(device, shape)]


def _view_cases(device: torch.device, shape: Shape) -> list[Case]:
    count, frames, (height, width), side = (
        shape.num_clips,
        shape.num_frames,
        shape.stored,
        shape.side,
    )
    bank = torch.randint(
        256, (shape.bank_frames, height, width, 3), dtype=torch.uint8, device=device
    )
    starts = torch.randint(shape.bank_frames - frames - 1, (count, 1), device=device)
    indices = starts + torch.arange(frames, device=device)
    clips, successors = (IndexedClips(bank, part) for part in (indices, indices + 1))
    generator = torch.Generator().manual_seed(0)
    parameters = sample_view(count, "strong", generator, aspect_ratio=width / height)
    given = parameters.to(device)
    form: dict[str, Any] = {"dtype": torch.bfloat16, "memory_format": torch.channels_last_3d}
    read, written = count * frames * height * width * 3, count * frames * side * side * 3 * 2
    size = (side, side)
    maps = torch.randn(count // 2, frames, side, side, device=device, requires_grad=True)
    upstream = torch.randn_like(maps)
    views = [
        sample_view(count // 2, "strong", generator, aspect_ratio=1.0).to(device) for _ in range(2)
    ]

    def move() -> None:
        moved, _ = transfer_maps(maps, *views)
        torch.autograd.grad(moved, maps, upstream)

    return [
        Case(
            name="apply_view",
            run=lambda: apply_view(clips, given, size, **form),
            num_bytes=read + written,
        ),
        Case(
            name="apply_view_with_gradients",
            run=lambda: apply_view_with_gradients(clips, successors, given, size, **form),
            num_bytes=2 * (read + written),
        ),
        # maps read, written, their gradients likewise, and the validity written
        Case(
            name="transfer_maps",
            run=move,
            num_bytes=(4 * maps.numel() + maps[:, 0].numel()) * 4,
        ),
    ]


def _routing_case(device: torch.device, shape: Shape) -> Case:
    count = shape.num_clips // 2 * POSITIONS_A_CLIP
    inputs = [
        torch.randn(count, NUM_CAPSULES, 4, 4, device=device, requires_grad=True),
        torch.rand(count, NUM_CAPSULES, device=device, requires_grad=True),
        (torch.randn(NUM_CAPSULES, NUM_CLASSES, 4, 4, device=device) / 2).requires_grad_(),
        torch.zeros(NUM_CLASSES, 16, device=device, requires_grad=True),
        torch.zeros(NUM_CLASSES, device=device, requires_grad=True),
    ]

    def run() -> None:
        routed = em_routing(*inputs)
        torch.autograd.grad(routed.poses.sum() + routed.activations.sum(), inputs)

    return Case(name="em_routing", run=run, num_bytes=None)


def _map_cases(device: torch.device, shape: Shape) -> list[Case]:
    count = shape.num_clips // 2
    size = (count, shape.num_frames, shape.side, shape.side)
    first, second = (torch.randn(size, device=device, requires_grad=True) for _ in range(2))
    masks = (torch.rand(size, device=device) > 0.9).to(torch.uint8)
    weights = torch.ones(count, device=device)
    bytes_of_map = first.numel() * 4

    def consistency(kind: Any) -> Callable[[], None]:
        form = CoherenceForm(attentions=(kind,))

        def run() -> None:
            losses = coherence_losses(first, second, form, [0.5])
            torch.autograd.grad(losses.sum(), (first, second))

        return run

    def supervised() -> None:
        bce, dice = mask_losses(first, masks, weights)
        torch.autograd.grad(bce + dice, first)

    return [
        Case(name="temporal_coherence", run=consistency("variance"), num_bytes=6 * bytes_of_map),
        Case(name="gradient_smoothness", run=consistency("gradient"), num_bytes=6 * bytes_of_map),
        Case(name="bce_and_dice", run=supervised, num_bytes=3 * bytes_of_map + 2 * masks.numel()),
    ]
