"""Each kernel at the shapes of paper 1's step, with the bytes that it cannot do without.

A network sees one view at a time, so a call has the 8 clips of a batch, of which 4 are labelled,
and a step has two calls of each kernel. Types are those of a step in bf16 autocast: views and
capsules come in bfloat16, masks' logits in float32 (the decoder's last sum is one).

Legend: B clips, T frames, h, w of the network's input. A byte is counted once for each pass that
must read or write it, forward and backward; what a kernel reads again counts against it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from vadsdk.kernels.coherence_form import CoherenceForm
from vadsdk.kernels.coherence_losses import coherence_losses
from vadsdk.kernels.mask_losses import mask_losses
from vadsdk.kernels.routing import em_routing

NUM_CAPSULES, NUM_CLASSES, POSE_SIZE = 32, 24, 16


@dataclass(frozen=True, kw_only=True, slots=True)
class Case:
    """One kernel at one shape."""

    name: str
    run: Callable[[], Any]
    """Forward, and backward where there is one."""
    num_bytes: int
    """Read and written at least."""
    is_memory_bound: bool = True
    """Whether its bytes are what it takes its time for."""
    is_as_trained: bool = True
    """Whether a step calls it with these types; what others take is for comparison."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Shape:
    """Sizes of the cases."""

    num_clips: int
    num_labelled: int
    num_frames: int
    stored: tuple[int, int]
    side: int
    bank_frames: int
    positions_a_clip: int


CARD = Shape(
    num_clips=8,
    num_labelled=4,
    num_frames=8,
    stored=(256, 256),
    side=224,
    bank_frames=8192,
    positions_a_clip=400,
)
"""20 x 20 places for capsules at 224 pixels: 3,200 positions a call."""
CARD_BOTH_VIEWS = Shape(
    num_clips=16,
    num_labelled=8,
    num_frames=8,
    stored=(256, 256),
    side=224,
    bank_frames=8192,
    positions_a_clip=400,
)
"""As large as both views together, the size that the kernels' own texts and GPU tests speak of."""
SMALL = Shape(
    num_clips=4,
    num_labelled=2,
    num_frames=8,
    stored=(128, 128),
    side=112,
    bank_frames=256,
    positions_a_clip=100,
)


def routing_cases(device: torch.device, shape: Shape) -> list[Case]:
    """Return routing with capsules in bfloat16, as trained, and in float32."""
    return [
        _routing_case("em_routing", device, shape, torch.bfloat16, is_as_trained=True),
        _routing_case("em_routing_fp32", device, shape, torch.float32, is_as_trained=False),
    ]


def loss_cases(device: torch.device, shape: Shape) -> list[Case]:
    """Return consistencies and mask losses on logits in float32, as trained, and in bfloat16."""
    return [
        *_consistency_cases(device, shape, torch.float32, "", is_as_trained=True),
        *_consistency_cases(device, shape, torch.bfloat16, "_bf16", is_as_trained=False),
        _mask_case("bce_and_dice", device, shape, torch.float32, is_as_trained=True),
        _mask_case("bce_and_dice_bf16", device, shape, torch.bfloat16, is_as_trained=False),
    ]


def _routing_case(
    name: str, device: torch.device, shape: Shape, dtype: torch.dtype, *, is_as_trained: bool
) -> Case:
    count = shape.num_clips * shape.positions_a_clip
    capsules = [
        torch.randn(count, NUM_CAPSULES, 4, 4, device=device).to(dtype).requires_grad_(),
        torch.rand(count, NUM_CAPSULES, device=device).to(dtype).requires_grad_(),
    ]
    parameters = [
        (torch.randn(NUM_CAPSULES, NUM_CLASSES, 4, 4, device=device) / 2).requires_grad_(),
        torch.zeros(NUM_CLASSES, POSE_SIZE, device=device, requires_grad=True),
        torch.zeros(NUM_CLASSES, device=device, requires_grad=True),
    ]
    inputs = [*capsules, *parameters]
    upstream = [
        torch.randn(count, NUM_CLASSES, 4, 4, device=device),
        torch.randn(count, NUM_CLASSES, device=device),
    ]

    def run() -> None:
        torch.autograd.grad(tuple(em_routing(*inputs)), inputs, upstream)

    # Inputs are read twice, and their gradients written; outputs are written, their gradients read.
    num_bytes = 3 * sum(map(_bytes_of, inputs)) + 2 * sum(map(_bytes_of, upstream))
    return Case(
        name=name,
        run=run,
        num_bytes=num_bytes,
        is_memory_bound=False,
        is_as_trained=is_as_trained,
    )


def _consistency_cases(
    device: torch.device, shape: Shape, dtype: torch.dtype, suffix: str, *, is_as_trained: bool
) -> list[Case]:
    size = (shape.num_clips, shape.num_frames, shape.side, shape.side)
    first = torch.randn(size, device=device).to(dtype).requires_grad_()
    second = torch.randn(size, device=device, requires_grad=True)  # moved between views in float32
    validity = (torch.rand(size, device=device)[:, :1] > 0.1).float()
    # Answers are read twice, and their gradients written; the validity is read twice.
    num_bytes = 3 * (_bytes_of(first) + _bytes_of(second)) + 2 * _bytes_of(validity)

    def case(name: str, kind: Any) -> Case:
        form = CoherenceForm(attentions=(kind,))

        def run() -> None:
            losses = coherence_losses(first, second, form, [0.5], validity)
            torch.autograd.grad(losses.sum(), (first, second))

        return Case(name=name + suffix, run=run, num_bytes=num_bytes, is_as_trained=is_as_trained)

    return [case("temporal_coherence", "variance"), case("gradient_smoothness", "gradient")]


def _mask_case(
    name: str, device: torch.device, shape: Shape, dtype: torch.dtype, *, is_as_trained: bool
) -> Case:
    size = (shape.num_labelled, shape.num_frames, shape.side, shape.side)
    logits = torch.randn(size, device=device).to(dtype).requires_grad_()
    masks = (torch.rand(size, device=device) > 0.9).float()  # as `apply_view_to_masks` gives them

    def run() -> None:
        bce, dice = mask_losses(logits, masks)
        torch.autograd.grad(bce + dice, logits)

    num_bytes = 3 * _bytes_of(logits) + 2 * _bytes_of(masks)
    return Case(name=name, run=run, num_bytes=num_bytes, is_as_trained=is_as_trained)


def _bytes_of(tensor: Tensor) -> int:
    return tensor.numel() * tensor.element_size()
