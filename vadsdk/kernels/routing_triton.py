"""EM routing on a CUDA card: votes are made where they are used, forward and backward.

The softmax over the output capsules couples them, so a program has some positions and all C. It
reads the inputs once an iteration, makes the votes of each from M and W[b] (all of W is some 100 kB
and stays in the L2 cache) and keeps only sums, in registers: one (n, c) a thread, c along the lanes
of a warp, so sums over a pose cost nothing and the softmax is 10 shuffles.

Why plain FMAs and no tensor cores: a vote is a 4 x 4 product, so `tl.dot`, which wants 16 a side,
would multiply zeros for 3/4 or more of its time and at less than float32's precision, and the sums
of w v^2 and the density differ for each position, so that they are no matrix products at all. One
(n, b, c) costs 64 FMAs for the vote and 32 each for sums and density, about 370 forward and 950
backward. At paper 1's step (N 6,400, B 32, C 24: 4.9 million of them) that is 3.6 + 9.3 GFLOP, on
inputs, outputs and kept fits of some 150 MB: bound by instructions, not by memory. Compiled for an
H200, a warp takes 780 instructions forward and 2,950 backward for one (n, b): 0.2 and 0.7 ms at the
full rate of issue.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
import triton
from torch import Tensor
from torch.autograd.function import once_differentiable

from vadsdk.kernels.routing import RoutedCapsules, RoutingSettings
from vadsdk.kernels.routing_triton_backward import backward_kernel
from vadsdk.kernels.routing_triton_forward import forward_kernel
from vadsdk.kernels.triton_launch import LAUNCH

POSE_SIZE = 16
NUM_WARPS = 8
PROGRAMS_PER_PROCESSOR = 2
"""Programs of the backward kernel; each holds one gradient of the transforms in memory."""


@torch.compiler.disable
def em_routing(
    poses: Tensor,
    activations: Tensor,
    transforms: Tensor,
    beta_u: Tensor,
    beta_a: Tensor,
    *,
    settings: RoutingSettings | None = None,
) -> RoutedCapsules:
    """Return what `routing.em_routing` returns, in float32, for float32 or bfloat16 inputs.

    A compiled network calls it as it is: torch would else break its graphs within, and have
    another compiler write the kernel down again.
    """
    inputs = (poses, activations, transforms, beta_u, beta_a)
    keep_fits = torch.is_grad_enabled() and any(t.requires_grad for t in inputs)
    with torch.cuda.device_of(poses):
        routed = _Routing.apply(  # type: ignore[no-untyped-call]
            settings or RoutingSettings(), keep_fits, *inputs
        )
    return RoutedCapsules(*routed)


def tile_of(num_outputs: int) -> tuple[int, int]:
    """Return how many positions and output capsules a program holds: one pair a thread."""
    tile_c = max(16, triton.next_power_of_2(num_outputs))  # 16 lanes store a pose
    return max(1, 32 * NUM_WARPS // tile_c), tile_c


class _Routing(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, settings: RoutingSettings, keep_fits: bool, *inputs: Tensor
    ) -> tuple[Tensor, Tensor]:
        inputs = tuple(t.contiguous() for t in inputs)
        poses, _, transforms, _, _ = inputs
        num_positions, num_inputs = poses.shape[:2]
        num_outputs = transforms.shape[1]
        num_fits = settings.num_iterations if keep_fits else 0
        new = partial(torch.empty, dtype=torch.float32, device=poses.device)
        out_poses = new((num_positions, num_outputs, 4, 4))
        out_activations = new((num_positions, num_outputs))
        fitted = new((num_positions, num_fits, 2, num_outputs, POSE_SIZE))
        masses = new((num_positions, num_fits, num_outputs))
        tile_n, tile_c = tile_of(num_outputs)
        if num_positions:
            forward_kernel[(triton.cdiv(num_positions, tile_n),)](
                *inputs,
                out_poses,
                out_activations,
                fitted,
                masses,
                num_positions,
                PRIOR_SPREAD=settings.prior_votes * settings.prior_variance,
                KEEP_FITS=keep_fits,
                NUM_INPUTS=num_inputs,
                NUM_OUTPUTS=num_outputs,
                TILE_N=tile_n,
                TILE_C=tile_c,
                num_warps=NUM_WARPS,
                **LAUNCH,
                **_constants(settings),
            )
        ctx.settings = settings
        ctx.save_for_backward(*inputs, fitted, masses)
        return out_poses, out_activations

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor | None, ...]:
        *inputs, fitted, masses = ctx.saved_tensors
        poses, activations, transforms, *_ = inputs
        num_positions, num_inputs = activations.shape
        num_outputs = transforms.shape[1]
        new = partial(torch.empty, dtype=torch.float32, device=poses.device)
        tile_n, tile_c = tile_of(num_outputs)
        num_tiles = triton.cdiv(num_positions, tile_n)
        num_programs = min(num_tiles, _most_programs(poses.device))
        grad_poses = new(poses.shape)
        grad_activations = new(activations.shape)
        grad_transforms = new((num_programs, num_inputs, POSE_SIZE, num_outputs))
        grad_beta_u, grad_beta_a = new((2, num_positions, num_outputs))
        if num_positions:
            backward_kernel[(num_programs,)](
                *inputs,
                fitted,
                masses,
                *(grad.contiguous() for grad in grad_outputs),
                grad_poses,
                grad_activations,
                grad_transforms,
                grad_beta_u,
                grad_beta_a,
                num_positions,
                num_tiles,
                NUM_INPUTS=num_inputs,
                NUM_OUTPUTS=num_outputs,
                TILE_N=tile_n,
                TILE_C=tile_c,
                num_warps=NUM_WARPS,
                **LAUNCH,
                **_constants(ctx.settings),
            )
        grad_transforms = grad_transforms.sum(0).mT.unflatten(2, (4, 4))
        grad_beta_u = grad_beta_u.sum(0)[:, None].expand(-1, POSE_SIZE)
        grads = (grad_poses, grad_activations, grad_transforms, grad_beta_u, grad_beta_a.sum(0))
        typed = (grad.to(x.dtype) for grad, x in zip(grads, inputs, strict=True))
        return (None, None, *typed)


def _constants(settings: RoutingSettings) -> dict[str, Any]:
    iterations = range(settings.num_iterations)
    return {
        "TEMPERATURES": tuple(settings.inverse_temperature(t) for t in iterations),
        "NUM_ITERATIONS": settings.num_iterations,
        "PRIOR_VOTES": settings.prior_votes,
    }


def _most_programs(device: torch.device) -> int:
    """Return how many programs share the tiles: enough to fill the card, two without a card."""
    if device.type != "cuda":
        return 2
    properties = torch.cuda.get_device_properties(device)
    return PROGRAMS_PER_PROCESSOR * int(properties.multi_processor_count)
