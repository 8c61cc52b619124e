"""EM routing between two layers of capsules, each position routed alone.

An input capsule b has a pose M[b] (4 x 4) and an activation a[b]; its vote for output capsule c is
M[b] W[b, c]. An output capsule is a Gaussian over the 16 numbers of a vote, fitted to the votes
assigned to it by a few rounds of EM (Hinton, Sabour and Frosst 2018, "Matrix capsules with EM
routing", section 4 and procedure 1). `RoutingSettings` says where scales depart from that paper.

`em_routing` is the fast form: moments of the votes instead of their differences, positions
innermost, and few positions at once, whose votes stay in the cache and are made again for the
gradient. It computes in float32 at least, whatever autocast says. `em_routing_naive` is the plain
form it is tested against. On a CUDA card "em" is a Triton kernel (`routing_triton`).

Legend: N positions, B input capsules, C output capsules, 16 = the numbers of a pose, row-major.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from vadsdk.kernels.routing_released import route_released

RoutingMode = Literal["em", "released"]

VOTE_NUMBERS_AT_ONCE = 2**19
"""How many numbers of votes are made at once on a CPU: 2 MiB in float32, for its cache."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RoutingSettings:
    """Numbers of the "em" routing, for votes whose variance is about 1 at the start.

    With the paper's plain sums the activations start saturated (its cost is a sum over 16 numbers
    times all assigned votes) and a capsule that holds one vote has sigma = 0, an infinite density.
    Here the cost is the capsule's share of the votes, S C / B (1 if all inputs are fully active and
    evenly assigned), times the mean over the pose of beta_u + ln sigma; and sigma^2 is the
    posterior estimate under an inverse-gamma prior. So the activations start near 1/2.
    """

    num_iterations: int = 3
    final_inverse_temperature: float = 14.0
    """lambda of iteration i is final (1 - 0.95^(i + 1)): about 0.7, 1.4, 2.0."""
    prior_votes: float = 2.0
    """Weight of the prior of sigma^2, in votes."""
    prior_variance: float = 1.0
    """Where the prior puts sigma^2."""

    def inverse_temperature(self, iteration: int) -> float:
        """Return lambda of an iteration, counted from 0."""
        return self.final_inverse_temperature * (1 - 0.95 ** (iteration + 1))


class RoutedCapsules(NamedTuple):
    """The output capsules of every position."""

    poses: Tensor
    """(N, C, 4, 4)."""
    activations: Tensor
    """(N, C) in (0, 1)."""


def em_routing(
    poses: Tensor,
    activations: Tensor,
    transforms: Tensor,
    beta_u: Tensor,
    beta_a: Tensor,
    *,
    mode: RoutingMode = "em",
    settings: RoutingSettings | None = None,
) -> RoutedCapsules:
    """Route B input capsules to C output capsules at each of N positions.

    CUDA tensors take a kernel, which has no second derivatives, but for "released", for float64 and
    while a graph is traced for export: these take the plain form below.

    Args:
        poses: (N, B, 4, 4).
        activations: (N, B) in [0, 1]; a capsule with 0 has no say.
        transforms: (B, C, 4, 4), the matrices W of the votes.
        beta_u: (C, 16), the cost of describing a vote, less ln sigma.
        beta_a: (C,), what activating a capsule is worth.
        mode: "em", or "released" for the arithmetic of paper 1's code (`routing_released`).
        settings: numbers of "em"; "released" has its own.
    """
    settings = settings or RoutingSettings()
    if poses.is_cuda and mode == "em" and poses.dtype != torch.float64 and not _is_exporting():
        from vadsdk.kernels import routing_triton  # not needed, nor Triton, on other devices

        routed: RoutedCapsules = routing_triton.em_routing(
            poses, activations, transforms, beta_u, beta_a, settings=settings
        )
        return routed

    def route(poses: Tensor, activations: Tensor, *parameters: Tensor) -> tuple[Tensor, Tensor]:
        if mode == "released":
            return route_released(poses, activations, *parameters)
        return _route_em(settings, poses, activations, *parameters)

    tensors = [
        t.to(torch.promote_types(t.dtype, torch.float32))
        for t in (poses, activations, transforms, beta_u, beta_a)
    ]
    with torch.autocast(poses.device.type, enabled=False):
        mu, activated = _in_chunks(route, *tensors)
    return RoutedCapsules(mu.unflatten(2, (4, 4)), activated)


def em_routing_naive(
    poses: Tensor,
    activations: Tensor,
    transforms: Tensor,
    beta_u: Tensor,
    beta_a: Tensor,
    *,
    settings: RoutingSettings | None = None,
) -> RoutedCapsules:
    """Return what `em_routing` returns, with every vote and every difference written out."""
    settings = settings or RoutingSettings()
    num_inputs, num_outputs = transforms.shape[:2]
    votes = torch.einsum("nbij,bcjk->nbcik", poses, transforms).flatten(3)  # (N, B, C, 16)
    assigned = torch.full_like(votes[..., 0], 1 / num_outputs)  # (N, B, C)
    for iteration in range(settings.num_iterations):
        weights = assigned * activations[:, :, None]
        mass = weights.sum(1)[..., None]  # (N, C, 1)
        mu = (weights[..., None] * votes).sum(1) / mass.clamp_min(1e-12)  # (N, C, 16)
        squares = (votes - mu[:, None]) ** 2
        prior = settings.prior_votes * settings.prior_variance
        variance = (weights[..., None] * squares).sum(1) + prior
        variance = variance / (mass + settings.prior_votes)
        share = mass.squeeze(-1) * num_outputs / num_inputs
        cost = share * (beta_u + variance.sqrt().log()).mean(-1)
        activated = torch.sigmoid(settings.inverse_temperature(iteration) * (beta_a - cost))
        density = -squares / (2 * variance[:, None]) - variance.sqrt().log()[:, None]
        assigned = (activated.log()[:, None] + density.sum(-1)).softmax(2)
    return RoutedCapsules(mu.unflatten(2, (4, 4)), activated)


def _is_exporting() -> bool:
    """Return whether a graph is traced for export; torch 2.11 says so of compiling, too."""
    return torch.compiler.is_exporting() and not torch.compiler.is_dynamo_compiling()


def _route_em(
    settings: RoutingSettings,
    poses: Tensor,
    activations: Tensor,
    transforms: Tensor,
    beta_u: Tensor,
    beta_a: Tensor,
) -> tuple[Tensor, Tensor]:
    """Return the mean votes (N, C, 16) and the activations (N, C)."""
    num_inputs, num_outputs = transforms.shape[:2]
    votes = _transposed_votes(poses, transforms)  # (B, C, 16, N)
    beta_u = _transposed(beta_u)[..., None]  # (C, 16, 1)
    inputs = activations.t()[:, None]  # (B, 1, N)
    weights = inputs.expand(-1, num_outputs, -1) / num_outputs  # (B, C, N)
    for iteration in range(settings.num_iterations):
        mass = weights.sum(0)[:, None]  # (C, 1, N)
        weighted = weights[:, :, None] * votes
        first, second = weighted.sum(0), (weighted * votes).sum(0)  # (C, 16, N)
        mu = first / mass.clamp_min(1e-12)
        # The prior keeps the variance well above the rounding of this difference.
        spread = (second - mu * first).clamp_min(0)
        prior = settings.prior_votes * settings.prior_variance
        variance = (spread + prior) / (mass + settings.prior_votes)
        log_variance = variance.log()
        share = mass.squeeze(1) * (num_outputs / num_inputs)  # (C, N)
        cost = share * (beta_u + 0.5 * log_variance).mean(1)
        logits = settings.inverse_temperature(iteration) * (beta_a[:, None] - cost)
        if iteration + 1 < settings.num_iterations:
            # ln N(v; mu, s^2) = (mu / s^2 - v / (2 s^2)) v - (mu^2 / s^2 + ln s^2) / 2 + constant
            scaled = mu / variance
            density = (torch.addcmul(scaled, votes, -0.5 / variance) * votes).sum(2)
            offset = F.logsigmoid(logits) - 0.5 * (mu * scaled + log_variance).sum(1)
            weights = (density + offset).softmax(1) * inputs
    return _transposed(mu.permute(2, 0, 1)), torch.sigmoid(logits).t()


def _transposed_votes(poses: Tensor, transforms: Tensor) -> Tensor:
    """Return the votes (B, C, 16, N), column-major: positions innermost, so sums run over rows."""
    num_inputs, num_outputs = transforms.shape[:2]
    rows = transforms.transpose(2, 3).flatten(1, 2)  # W^T: (B, C * 4, 4)
    columns = poses.permute(1, 3, 2, 0).flatten(2)  # M^T: (B, 4, 4 * N)
    return torch.bmm(rows, columns).view(num_inputs, num_outputs, 16, -1)


def _transposed(poses: Tensor) -> Tensor:
    """Return 4 x 4 matrices (..., 16) in column-major order as row-major ones, or back."""
    matrices: Tensor = poses.unflatten(-1, (4, 4))
    return matrices.transpose(-1, -2).flatten(-2)


def _in_chunks(
    route: Callable[..., tuple[Tensor, Tensor]],
    poses: Tensor,
    activations: Tensor,
    *parameters: Tensor,
) -> tuple[Tensor, Tensor]:
    """Route few positions at once where that is quicker: on a CPU, unless the graph is traced."""
    if poses.device.type != "cpu" or torch.compiler.is_compiling():
        return route(poses, activations, *parameters)
    num_inputs, num_outputs = parameters[0].shape[:2]
    size = max(1, VOTE_NUMBERS_AT_ONCE // (num_inputs * num_outputs * 16))
    if len(poses) <= size:
        return route(poses, activations, *parameters)
    chunks = []
    for chunk in zip(poses.split(size), activations.split(size), strict=True):
        if torch.is_grad_enabled():
            routed = checkpoint(
                route, *chunk, *parameters, use_reentrant=False, preserve_rng_state=False
            )
        else:
            routed = route(*chunk, *parameters)
        chunks.append(routed)
    mu, activated = zip(*chunks, strict=True)
    return torch.cat(mu), torch.cat(activated)
