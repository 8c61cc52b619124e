"""The parts of EM routing that its forward and its backward kernel share.

Legend: n positions and c output capsules of a tile, both powers of two (what stands outside of N or
C is masked); i, j, k rows and columns of a pose; e = 4 i + j. A tile is (i, j, n, c): c lies along
the lanes of a warp and the 16 numbers of a pose in the registers of one thread, so sums over a pose
are free and the softmax over c is a few shuffles.
"""

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def votes_of(
    pose_rows: tl.tensor,
    transform_columns: tl.tensor,
    position_inside: tl.tensor,
    capsule_inside: tl.tensor,
) -> tl.tensor:
    """Return M W (i, j, n, c) in float32; 0 outside.

    Args:
        pose_rows: pointers (i, 1, n, 1) to M[i, 0].
        transform_columns: pointers (1, j, 1, c) to W[0, j].
        position_inside: (1, 1, n, 1).
        capsule_inside: (1, 1, 1, c).
    """
    votes = column_of(pose_rows, 0, position_inside) * row_of(transform_columns, 0, capsule_inside)
    for k in tl.static_range(1, 4):
        column = column_of(pose_rows, k, position_inside)
        votes += column * row_of(transform_columns, k, capsule_inside)
    return votes


@triton.jit
def column_of(pose_rows: tl.tensor, k: tl.constexpr, inside: tl.tensor) -> tl.tensor:
    """Return M[i, k] as (i, 1, n, 1) in float32."""
    return tl.load(pose_rows + k, mask=inside, other=0).to(tl.float32)


@triton.jit
def row_of(transform_columns: tl.tensor, k: tl.constexpr, inside: tl.tensor) -> tl.tensor:
    """Return W[k, j] as (1, j, 1, c) in float32."""
    return tl.load(transform_columns + 4 * k, mask=inside, other=0).to(tl.float32)


@triton.jit
def sum_over_pose(x: tl.tensor) -> tl.tensor:
    """Return the sums (n, c) of (i, j, n, c)."""
    return tl.sum(tl.sum(x, axis=0), axis=0)


@triton.jit
def over_pose(x: tl.tensor) -> tl.tensor:
    """Return (n, c) as (1, 1, n, c)."""
    return x[None, None, :, :]


@triton.jit
def assignments(
    votes: tl.tensor,
    slope: tl.tensor,
    curvature: tl.tensor,
    offset: tl.tensor,
    inside: tl.tensor,
) -> tl.tensor:
    """Return r (n, c): the softmax over c of sum_ij (slope v + curvature v^2) + offset.

    Args:
        votes: (i, j, n, c).
        slope: P, (i, j, n, c).
        curvature: Q, (i, j, n, c).
        offset: O, (n, c).
        inside: (1, c).
    """
    scores = sum_over_pose((slope + curvature * votes) * votes) + offset
    scores = tl.where(inside, scores, float("-inf"))
    scores = tl.exp(scores - tl.max(scores, axis=1)[:, None])
    return scores / tl.sum(scores, axis=1)[:, None]


@triton.jit
def logit_of(
    mass: tl.tensor,
    variance: tl.tensor,
    beta_u: tl.tensor,
    beta_a: tl.tensor,
    TEMPERATURE: tl.constexpr,
    NUM_INPUTS: tl.constexpr,
    NUM_OUTPUTS: tl.constexpr,
    TILE_C: tl.constexpr,
) -> tl.tensor:
    """Return the logit (n, c) of an output capsule's activation.

    Args:
        mass: (n, c).
        variance: (i, j, n, c).
        beta_u: (C, 16) in memory.
        beta_a: (C,) in memory.
        TEMPERATURE: lambda of the iteration.
        NUM_INPUTS: B.
        NUM_OUTPUTS: C.
        TILE_C: C or more.
    """
    c = tl.arange(0, TILE_C)[None, :]
    worth = tl.load(beta_a + c, mask=c < NUM_OUTPUTS, other=0).to(tl.float32)
    cost = mass * (NUM_OUTPUTS / NUM_INPUTS) * mean_cost_of(variance, beta_u, NUM_OUTPUTS, TILE_C)
    return TEMPERATURE * (worth - cost)


@triton.jit
def mean_cost_of(
    variance: tl.tensor, beta_u: tl.tensor, NUM_OUTPUTS: tl.constexpr, TILE_C: tl.constexpr
) -> tl.tensor:
    """Return the mean (n, c) over the pose of beta_u + ln sigma; arguments as in `logit_of`."""
    row, column = tl.arange(0, 4)[:, None, None, None], tl.arange(0, 4)[None, :, None, None]
    c = tl.arange(0, TILE_C)[None, None, None, :]
    # Read for each n, lest the compiler lays out all that follows as suits a smaller tensor.
    place = tl.broadcast_to(beta_u + c * 16 + 4 * row + column, variance.shape)
    cost_of_votes = tl.load(place, mask=c < NUM_OUTPUTS, other=0).to(tl.float32)
    return sum_over_pose(cost_of_votes + 0.5 * tl.log(variance)) / 16


@triton.jit
def offset_of(logit: tl.tensor, mu: tl.tensor, variance: tl.tensor) -> tl.tensor:
    """Return O (n, c): what the density and the activation add to a score whatever the vote."""
    log_activation = tl.minimum(logit, 0) - tl.log(1 + tl.exp(-tl.abs(logit)))
    return log_activation - 0.5 * sum_over_pose(mu * mu / variance + tl.log(variance))
