"""The forward kernel of EM routing. Legend in `routing_triton_steps`."""

from __future__ import annotations

import triton
import triton.language as tl

from vadsdk.kernels.routing_triton_steps import (
    assignments,
    logit_of,
    offset_of,
    over_pose,
    votes_of,
)


@triton.jit
def forward_kernel(
    poses: tl.tensor,
    activations: tl.tensor,
    transforms: tl.tensor,
    beta_u: tl.tensor,
    beta_a: tl.tensor,
    out_poses: tl.tensor,
    out_activations: tl.tensor,
    fitted: tl.tensor,
    masses: tl.tensor,
    num_positions: int,
    NUM_INPUTS: tl.constexpr,
    NUM_OUTPUTS: tl.constexpr,
    TEMPERATURES: tl.constexpr,
    NUM_ITERATIONS: tl.constexpr,
    PRIOR_VOTES: tl.constexpr,
    PRIOR_SPREAD: tl.constexpr,
    KEEP_FITS: tl.constexpr,
    TILE_N: tl.constexpr,
    TILE_C: tl.constexpr,
) -> None:
    """Route TILE_N positions.

    Args:
        poses: (N, B, 16).
        activations: (N, B).
        transforms: (B, C, 16).
        beta_u: (C, 16).
        beta_a: (C,).
        out_poses: written, (N, C, 16) float32.
        out_activations: written, (N, C) float32.
        fitted: written if KEEP_FITS, (N, T, 2, C, 16) float32: mu, variance of each iteration.
        masses: written if KEEP_FITS, (N, T, C) float32.
        num_positions: N.
        NUM_INPUTS: B.
        NUM_OUTPUTS: C.
        TEMPERATURES: lambda of each iteration.
        NUM_ITERATIONS: T.
        PRIOR_VOTES: as in `RoutingSettings`.
        PRIOR_SPREAD: prior votes times prior variance.
        KEEP_FITS: for the gradient.
        TILE_N: positions of a program.
        TILE_C: C or more.
    """
    n = (tl.program_id(0) * TILE_N + tl.arange(0, TILE_N)).to(tl.int64)
    c = tl.arange(0, TILE_C)
    e_rows = 4 * tl.arange(0, 4)[:, None, None, None]
    e = e_rows + tl.arange(0, 4)[None, :, None, None]  # (i, j, 1, 1)
    n_inside, c_inside = n < num_positions, c < NUM_OUTPUTS
    n4, c4 = n[None, None, :, None], c[None, None, None, :]
    n4_inside, c4_inside = n4 < num_positions, c4 < NUM_OUTPUTS
    inside = n_inside[:, None] & c_inside[None, :]
    inside4 = n4_inside & c4_inside
    pose_rows = poses + n4 * NUM_INPUTS * 16 + e_rows
    transform_columns = transforms + c4 * 16 + tl.arange(0, 4)[None, :, None, None]
    slope = tl.zeros((4, 4, TILE_N, TILE_C), tl.float32)
    curvature = slope
    offset = tl.zeros((TILE_N, TILE_C), tl.float32)
    for t in tl.static_range(NUM_ITERATIONS):
        first = tl.zeros((4, 4, TILE_N, TILE_C), tl.float32)
        second = tl.zeros((4, 4, TILE_N, TILE_C), tl.float32)
        mass = tl.zeros((TILE_N, TILE_C), tl.float32)
        for b in range(NUM_INPUTS):
            votes = votes_of(
                pose_rows + b * 16,
                transform_columns + b * NUM_OUTPUTS * 16,
                n4_inside,
                c4_inside,
            )
            a = tl.load(activations + n * NUM_INPUTS + b, mask=n_inside, other=0).to(tl.float32)
            if t == 0:
                weights = a[:, None] * tl.where(inside, 1.0 / NUM_OUTPUTS, 0.0)
            else:
                r = assignments(votes, slope, curvature, offset, c_inside[None, :])
                weights = r * a[:, None]
            mass += weights
            weighted = over_pose(weights) * votes
            first += weighted
            second += weighted * votes
        mu = first / over_pose(tl.maximum(mass, 1e-12))
        spread = tl.maximum(second - mu * first, 0)
        variance = (spread + PRIOR_SPREAD) / over_pose(mass + PRIOR_VOTES)
        logit = logit_of(
            mass, variance, beta_u, beta_a, TEMPERATURES[t], NUM_INPUTS, NUM_OUTPUTS, TILE_C
        )
        if KEEP_FITS:
            fit = n4 * NUM_ITERATIONS + t
            place = (2 * fit * NUM_OUTPUTS + c4) * 16 + e
            tl.store(fitted + place, mu, mask=inside4)
            tl.store(fitted + place + 16 * NUM_OUTPUTS, variance, mask=inside4)
            fit = n[:, None] * NUM_ITERATIONS + t
            tl.store(masses + fit * NUM_OUTPUTS + c[None, :], mass, mask=inside)
        if t + 1 < NUM_ITERATIONS:
            slope, curvature = mu / variance, -0.5 / variance
            offset = offset_of(logit, mu, variance)
    tl.store(out_poses + (n4 * NUM_OUTPUTS + c4) * 16 + e, mu, mask=inside4)
    place_of_output = n[:, None] * NUM_OUTPUTS + c[None, :]
    tl.store(out_activations + place_of_output, tl.sigmoid(logit), mask=inside)
