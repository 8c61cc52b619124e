"""The backward kernel of EM routing. Legend in `routing_triton_steps`.

From the last iteration t to the first: the gradient of a fit gives that of its moments m, F, S (by
c, small); one loop over the inputs makes votes and assignments again, adds to the gradients of M, W
and a, and sums that of the fit before. The comments give the formulas of a vote v with weight
w = r a; all of it in plain torch is tested against autograd.
"""

from __future__ import annotations

import triton
import triton.language as tl

from vadsdk.kernels.routing_triton_steps import (
    assignments,
    logit_of,
    mean_cost_of,
    offset_of,
    over_pose,
    row_of,
    sum_over_pose,
    votes_of,
)


@triton.jit
def backward_kernel(
    poses: tl.tensor,
    activations: tl.tensor,
    transforms: tl.tensor,
    beta_u: tl.tensor,
    beta_a: tl.tensor,
    fitted: tl.tensor,
    masses: tl.tensor,
    grad_out_poses: tl.tensor,
    grad_out_activations: tl.tensor,
    grad_poses: tl.tensor,
    grad_activations: tl.tensor,
    grad_transforms: tl.tensor,
    grad_beta_u: tl.tensor,
    grad_beta_a: tl.tensor,
    num_positions: int,
    num_tiles: int,
    NUM_INPUTS: tl.constexpr,
    NUM_OUTPUTS: tl.constexpr,
    TEMPERATURES: tl.constexpr,
    NUM_ITERATIONS: tl.constexpr,
    PRIOR_VOTES: tl.constexpr,
    TILE_N: tl.constexpr,
    TILE_C: tl.constexpr,
) -> None:
    """Add up the gradients of the tiles p, p + P, p + 2 P, ... of program p of P.

    Args:
        poses: (N, B, 16).
        activations: (N, B).
        transforms: (B, C, 16).
        beta_u: (C, 16).
        beta_a: (C,).
        fitted: (N, T, 2, C, 16), as the forward kernel kept them.
        masses: (N, T, C).
        grad_out_poses: (N, C, 16).
        grad_out_activations: (N, C).
        grad_poses: written, (N, B, 16) float32.
        grad_activations: written, (N, B) float32.
        grad_transforms: written, (P, B, 16, C) float32, still to be summed over P: each program
            adds to its own part, so the sum has one order.
        grad_beta_u: written, (N, C) float32, for each of the 16 numbers; still to be summed over N.
        grad_beta_a: written, (N, C) float32, still to be summed over N.
        num_positions: N.
        num_tiles: ceil(N / TILE_N).
        NUM_INPUTS: B.
        NUM_OUTPUTS: C.
        TEMPERATURES: lambda of each iteration.
        NUM_ITERATIONS: T.
        PRIOR_VOTES: as in `RoutingSettings`.
        TILE_N: positions of a tile.
        TILE_C: C or more.
    """
    c = tl.arange(0, TILE_C)[None, :]
    c4 = c[None, None, :, :]
    c_inside, c4_inside = c < NUM_OUTPUTS, c4 < NUM_OUTPUTS
    e = 4 * tl.arange(0, 4)[:, None, None, None] + tl.arange(0, 4)[None, :, None, None]
    grad_transforms += tl.program_id(0).to(tl.int64) * NUM_INPUTS * NUM_OUTPUTS * 16
    for tile in range(tl.program_id(0), num_tiles, tl.num_programs(0)):
        n = (tile * TILE_N + tl.arange(0, TILE_N)).to(tl.int64)[:, None]
        n4 = n[None, None, :, :]
        inside, inside4 = (n < num_positions) & c_inside, (n4 < num_positions) & c4_inside
        out = n * NUM_OUTPUTS + c
        fit = fitted + (n4 * NUM_ITERATIONS * 2 * NUM_OUTPUTS + c4) * 16 + e
        mass_of_fit = masses + n * NUM_ITERATIONS * NUM_OUTPUTS + c
        mu, variance, mass = _load_fit(
            fit, mass_of_fit, NUM_OUTPUTS, NUM_ITERATIONS - 1, inside4, inside
        )
        logit = logit_of(
            mass, variance, beta_u, beta_a, TEMPERATURES[NUM_ITERATIONS - 1],
            NUM_INPUTS, NUM_OUTPUTS, TILE_C,
        )  # fmt: skip
        activation = tl.sigmoid(logit)
        grad_logit = tl.load(grad_out_activations + out, mask=inside, other=0)
        grad_logit *= activation * (1 - activation)
        grad_mu = tl.load(grad_out_poses + (n4 * NUM_OUTPUTS + c4) * 16 + e, mask=inside4, other=0)
        grad_variance = tl.zeros_like(grad_mu)
        grad_costs, grad_worths = tl.zeros_like(mass), tl.zeros_like(mass)
        for t in tl.static_range(NUM_ITERATIONS - 1, -1, -1):
            grad_first, grad_second, grad_mass, grad_cost, grad_worth = _moments_gradient(
                grad_mu, grad_variance, grad_logit, mu, variance, mass, beta_u,
                TEMPERATURES[t], PRIOR_VOTES, NUM_INPUTS, NUM_OUTPUTS, TILE_C,
            )  # fmt: skip
            grad_costs += grad_cost
            grad_worths += grad_worth
            slope, curvature, offset = grad_first, grad_second, grad_mass  # not read if t = 0
            if t > 0:
                mu, variance, mass = _load_fit(
                    fit, mass_of_fit, NUM_OUTPUTS, t - 1, inside4, inside
                )
                logit = logit_of(
                    mass, variance, beta_u, beta_a, TEMPERATURES[t - 1],
                    NUM_INPUTS, NUM_OUTPUTS, TILE_C,
                )  # fmt: skip
                slope, curvature = mu / variance, -0.5 / variance
                offset = offset_of(logit, mu, variance)
            grad_slope, grad_curvature, grad_offset = _add_gradients_of_inputs(
                poses, activations, transforms, grad_poses, grad_activations, grad_transforms,
                grad_first, grad_second, grad_mass, slope, curvature, offset,
                tile, num_positions, NUM_INPUTS, NUM_OUTPUTS,
                t + 1 == NUM_ITERATIONS, t == 0, TILE_N, TILE_C,
            )  # fmt: skip
            if t > 0:
                # Read again, so that it holds no registers in the loop over the inputs.
                mu, variance, mass = _load_fit(
                    fit, mass_of_fit, NUM_OUTPUTS, t - 1, inside4, inside
                )
                grad_mu, grad_variance = _density_gradient(
                    grad_slope, grad_curvature, grad_offset, mu, variance
                )
                grad_logit = grad_offset * tl.sigmoid(-logit)
        tl.store(grad_beta_u + out, grad_costs, mask=inside)
        tl.store(grad_beta_a + out, grad_worths, mask=inside)


@triton.jit
def _load_fit(
    fit: tl.tensor,
    mass_of_fit: tl.tensor,
    NUM_OUTPUTS: tl.constexpr,
    t: tl.constexpr,
    inside4: tl.tensor,
    inside: tl.tensor,
) -> tl.tensor:
    """Return mu, variance (i, j, n, c) and mass (n, c) of iteration t."""
    mu = tl.load(fit + 32 * t * NUM_OUTPUTS, mask=inside4, other=0)
    variance = tl.load(fit + (32 * t + 16) * NUM_OUTPUTS, mask=inside4, other=1)
    return mu, variance, tl.load(mass_of_fit + t * NUM_OUTPUTS, mask=inside, other=0)


@triton.jit
def _moments_gradient(
    grad_mu: tl.tensor,
    grad_variance: tl.tensor,
    grad_logit: tl.tensor,
    mu: tl.tensor,
    variance: tl.tensor,
    mass: tl.tensor,
    beta_u: tl.tensor,
    TEMPERATURE: tl.constexpr,
    PRIOR_VOTES: tl.constexpr,
    NUM_INPUTS: tl.constexpr,
    NUM_OUTPUTS: tl.constexpr,
    TILE_C: tl.constexpr,
) -> tl.tensor:
    """Return the gradients of F, S (i, j, n, c), m, of each beta_u and of beta_a (n, c)."""
    # logit = lambda (beta_a - m C / B mean(beta_u + ln s^2 / 2))
    grad_worth = TEMPERATURE * grad_logit
    grad_cost = -grad_worth * (NUM_OUTPUTS / NUM_INPUTS)
    grad_mass = grad_cost * mean_cost_of(variance, beta_u, NUM_OUTPUTS, TILE_C)
    grad_cost *= mass / 16
    grad_variance += over_pose(grad_cost) * 0.5 / variance
    # s^2 = (S - mu F + prior) / (m + prior votes), mu = F / m
    grad_second = grad_variance / over_pose(mass + PRIOR_VOTES)
    floored = tl.maximum(mass, 1e-12)
    grad_mean = grad_mu / over_pose(floored) - grad_second * mu
    grad_first = grad_mean - grad_second * mu
    grad_mass -= sum_over_pose(grad_second * variance)
    grad_mass -= tl.where(mass > 1e-12, sum_over_pose(grad_mean * mu), 0)
    return grad_first, grad_second, grad_mass, grad_cost, grad_worth


@triton.jit
def _density_gradient(
    grad_slope: tl.tensor,
    grad_curvature: tl.tensor,
    grad_offset: tl.tensor,
    mu: tl.tensor,
    variance: tl.tensor,
) -> tl.tensor:
    """Return the gradients of mu, s^2 (i, j, n, c), from those of P, Q and O (n, c)."""
    # P = mu / s^2, Q = -1 / (2 s^2), O = ... - sum_ij (mu^2 / s^2 + ln s^2) / 2
    grad_offset = over_pose(grad_offset)
    grad_mu = (grad_slope - grad_offset * mu) / variance
    grad_variance = 0.5 * grad_curvature - grad_slope * mu + 0.5 * grad_offset * mu * mu
    return grad_mu, grad_variance / (variance * variance) - 0.5 * grad_offset / variance


@triton.jit
def _add_gradients_of_inputs(
    poses: tl.tensor,
    activations: tl.tensor,
    transforms: tl.tensor,
    grad_poses: tl.tensor,
    grad_activations: tl.tensor,
    grad_transforms: tl.tensor,
    grad_first: tl.tensor,
    grad_second: tl.tensor,
    grad_mass: tl.tensor,
    slope: tl.tensor,
    curvature: tl.tensor,
    offset: tl.tensor,
    tile: tl.tensor,
    num_positions: int,
    NUM_INPUTS: tl.constexpr,
    NUM_OUTPUTS: tl.constexpr,
    IS_LAST: tl.constexpr,
    IS_FIRST: tl.constexpr,
    TILE_N: tl.constexpr,
    TILE_C: tl.constexpr,
) -> tl.tensor:
    """Add what one iteration gives to the gradients of M, W and a; return those of P, Q and O."""
    i, c = tl.arange(0, 4), tl.arange(0, TILE_C)
    n = (tile * TILE_N + tl.arange(0, TILE_N)).to(tl.int64)
    n4, c4 = n[None, None, :, None], c[None, None, None, :]
    n_inside, c_inside = n < num_positions, c < NUM_OUTPUTS
    n4_inside, c4_inside = n4 < num_positions, c4 < NUM_OUTPUTS
    pose_rows = poses + n4 * NUM_INPUTS * 16 + 4 * i[:, None, None, None]
    transform_columns = transforms + c4 * 16 + i[None, :, None, None]
    grad_slope, grad_curvature = tl.zeros_like(slope), tl.zeros_like(slope)
    grad_offset = tl.zeros_like(offset)
    for b in range(NUM_INPUTS):
        columns = transform_columns + b * NUM_OUTPUTS * 16
        votes = votes_of(pose_rows + b * 16, columns, n4_inside, c4_inside)
        position = n * NUM_INPUTS + b
        a = tl.load(activations + position, mask=n_inside, other=0).to(tl.float32)[:, None]
        if IS_FIRST:
            r = tl.where(c_inside[None, :], 1.0 / NUM_OUTPUTS, 0.0)
        else:
            r = assignments(votes, slope, curvature, offset, c_inside[None, :])
        # m = sum_b w, F = sum_b w v, S = sum_b w v^2
        change = grad_first + grad_second * votes
        grad_weights = grad_mass + sum_over_pose(change * votes)
        grad_a = tl.sum(r * grad_weights, axis=1)
        grad_votes = over_pose(r * a) * (change + grad_second * votes)
        if not IS_FIRST:
            # r = softmax(sum_ij (P v + Q v^2) + O)
            grad_score = r * a * (grad_weights - grad_a[:, None])
            grad_offset += grad_score
            score4 = over_pose(grad_score)
            grad_slope += score4 * votes
            grad_curvature += score4 * votes * votes
            grad_votes += score4 * (slope + 2 * curvature * votes)
        # By lanes, as the sums lie: a store of shape (n,) would pass through shared memory.
        lane = c[None, :]
        place = (grad_activations + position)[:, None] + tl.zeros_like(lane)
        _add(place, grad_a[:, None] + 0.0 * r, n_inside[:, None] & (lane == 0), IS_LAST)
        place = (grad_poses + position * 16)[:, None] + tl.where(lane < 16, lane, 0)
        grad_pose = _gradient_of_pose(grad_votes, columns, c4_inside)
        _add(place, grad_pose, n_inside[:, None] & (lane < 16), IS_LAST)
        _add_gradient_of_transform(
            grad_votes,
            poses + position * 16,
            grad_transforms + b * NUM_OUTPUTS * 16,
            n_inside,
            NUM_OUTPUTS,
            IS_LAST and tile == tl.program_id(0),
            TILE_C,
        )
    tl.debug_barrier()  # the next iteration adds to what other threads may have stored
    return grad_slope, grad_curvature, grad_offset


@triton.jit
def _gradient_of_pose(grad_votes: tl.tensor, columns: tl.tensor, c4_inside: tl.tensor) -> tl.tensor:
    """Return sum_c,j grad v[i, j] W[k, j], the gradient of M[i, k], at lane 4 i + k of (n, c)."""
    row, lane = tl.arange(0, 4)[:, None, None], tl.arange(0, c4_inside.shape[3])[None, None, :]
    gathered = tl.zeros((grad_votes.shape[2], grad_votes.shape[3]), tl.float32)
    for k in tl.static_range(4):
        products = tl.sum(grad_votes * row_of(columns, k, c4_inside), axis=1)  # (i, n, c)
        sums = tl.sum(products, axis=2, keep_dims=True)
        gathered += tl.sum(tl.where(lane == 4 * row + k, sums, 0.0), axis=0)
    return gathered


@triton.jit
def _add_gradient_of_transform(
    grad_votes: tl.tensor,
    pose: tl.tensor,
    grad_transform: tl.tensor,
    n_inside: tl.tensor,
    NUM_OUTPUTS: tl.constexpr,
    is_first_time: tl.tensor,
    TILE_C: tl.constexpr,
) -> None:
    """Add sum_n,i M[i, k] grad v[i, j] to the gradient of W[k, j]."""
    k, c = tl.arange(0, 4), tl.arange(0, TILE_C)[None, None, :]
    columns = pose[None, None, None, :, None] + k[:, None, None, None, None]
    columns += 4 * k[None, :, None, None, None]  # (k, i, 1, n, 1)
    columns = tl.load(columns, mask=n_inside[None, None, None, :, None], other=0).to(tl.float32)
    products = tl.sum(columns * grad_votes[None, :, :, :, :], axis=1)  # (k, j, n, c)
    place = (4 * k[:, None, None] + k[None, :, None]) * NUM_OUTPUTS + c
    _add(grad_transform + place, tl.sum(products, axis=2), c < NUM_OUTPUTS, is_first_time)


@triton.jit
def _add(place: tl.tensor, x: tl.tensor, inside: tl.tensor, is_first_time: tl.tensor) -> None:
    """Add x to memory that this program alone writes; what was there before it counts as 0."""
    if is_first_time:
        tl.store(place, x, mask=inside)
    else:
        tl.store(place, x + tl.load(place, mask=inside, other=0), mask=inside)
