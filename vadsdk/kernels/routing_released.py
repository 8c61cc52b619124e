"""The routing arithmetic of paper 1's released code, to run its checkpoints as they were trained.

Three things in it are not what EM routing means (reference.md 2.2): the square in the standard
deviation of the cost stands outside the sum, so that it is 1e-4 plus rounding; the activation rises
with the cost; and the input activations nearly cancel. Do not train new networks with it.

Legend: N positions, B input capsules, C output capsules, 16 = the numbers of a pose, row-major.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

NUM_ITERATIONS = 3
EPSILON = 1e-8
INVERSE_TEMPERATURE = 1e-6


class ReleasedMStep(NamedTuple):
    """All quantities of one M-step."""

    weights: Tensor
    """(N, B, C): assignments times input activations, made to sum to 1 over C again."""
    mass: Tensor
    """(N, C)."""
    mu: Tensor
    """(N, C, 16)."""
    variance: Tensor
    """(N, C, 16)."""
    cost: Tensor
    """(N, C)."""
    cost_mean: Tensor
    """(N,): over the output capsules."""
    cost_std: Tensor
    """(N,): 1e-4 plus rounding."""
    activations: Tensor
    """(N, C)."""


def released_votes(poses: Tensor, transforms: Tensor) -> Tensor:
    """Return the votes (N, B, C, 16) of poses (N, B, 4, 4) under transforms (B, C, 4, 4)."""
    return torch.einsum("nbij,bcjk->nbcik", poses, transforms).flatten(3)


def released_m_step(
    votes: Tensor, assigned: Tensor, activations: Tensor, beta_u: Tensor, beta_a: Tensor
) -> ReleasedMStep:
    """Fit every output capsule to the votes (N, B, C, 16) assigned to it by (N, B, C)."""
    weights = assigned * activations[:, :, None]
    weights = weights / (weights.sum(2, keepdim=True) + EPSILON)
    mass = weights.sum(1)
    shares = (weights / (mass[:, None] + EPSILON))[..., None]
    mu = (shares * votes).sum(1)
    variance = (shares * (votes - mu[:, None]) ** 2).sum(1) + EPSILON
    cost = mass * (beta_u + variance.sqrt().log()).sum(2)
    mean = cost.mean(1, keepdim=True)
    std = ((cost - mean).sum(1, keepdim=True) ** 2 / cost.shape[1] + EPSILON).sqrt()
    logits = INVERSE_TEMPERATURE * (beta_a - (mean - cost) / (std + EPSILON))
    return ReleasedMStep(
        weights, mass, mu, variance, cost, mean.squeeze(1), std.squeeze(1), torch.sigmoid(logits)
    )


def released_e_step(votes: Tensor, fitted: ReleasedMStep) -> Tensor:
    """Return ln(a p(vote)) of every vote, (N, B, C); its softmax over C is the new assignment."""
    mu, variance = fitted.mu[:, None], fitted.variance[:, None]
    density = -((votes - mu) ** 2) / (2 * variance) - variance.sqrt().log()
    density = density - 0.5 * math.log(2 * math.pi)
    return density.sum(3) + (EPSILON + fitted.activations).log()[:, None]


def route_released(
    poses: Tensor, activations: Tensor, transforms: Tensor, beta_u: Tensor, beta_a: Tensor
) -> tuple[Tensor, Tensor]:
    """Return the mean votes (N, C, 16) and the activations (N, C)."""
    votes = released_votes(poses, transforms)
    assigned = torch.full_like(votes[..., 0], 1 / transforms.shape[1])
    fitted = released_m_step(votes, assigned, activations, beta_u, beta_a)
    for _ in range(NUM_ITERATIONS - 1):
        assigned = released_e_step(votes, fitted).softmax(2)
        fitted = released_m_step(votes, assigned, activations, beta_u, beta_a)
    return fitted.mu, fitted.activations
