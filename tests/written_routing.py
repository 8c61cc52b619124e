"""The gradient of EM routing written out: the mathematics of the kernel, with every vote in memory.

For one position, iteration t: weights w = r a with r = 1/C, later the softmax over c of
L[b, c] = sum_ij (P v + Q v^2) + O, where P = mu / s^2, Q = -1 / (2 s^2) and O come from the fit of
t - 1. A fit depends on the votes through the moments m = sum_b w, F = sum_b w v, S = sum_b w v^2.

Legend: N positions, B input capsules, C output capsules, E = 16 numbers of a pose.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from vadsdk.kernels.routing import RoutingSettings

Inputs = tuple[Tensor, Tensor, Tensor, Tensor, Tensor]


def routing_inputs(n: int, b: int, c: int, generator: torch.Generator) -> Inputs:
    """Poses, activations, transforms, beta_u, beta_a in float64, on the generator's device.

    Votes have variance 1. With larger ones the assignments get so sharp that float32 alone, even of
    the naive form, moves gradients by 1 %.
    """
    like = {"generator": generator, "dtype": torch.float64, "device": generator.device}
    return (
        torch.randn(n, b, 4, 4, **like),
        torch.rand(n, b, **like),
        0.5 * torch.randn(b, c, 4, 4, **like),
        torch.randn(c, 16, **like),
        torch.randn(c, **like),
    )


class Fit(NamedTuple):
    """Output capsules after one M-step, (N, C, E) or (N, C)."""

    mass: Tensor
    mu: Tensor
    variance: Tensor
    logits: Tensor


def routing_gradient(
    inputs: Inputs,
    grad_poses: Tensor,
    grad_activations: Tensor,
    settings: RoutingSettings,
) -> Inputs:
    """Return the gradients of poses, activations, transforms, beta_u, beta_a."""
    poses, activations, transforms, beta_u, beta_a = inputs
    votes = torch.einsum("nbij,bcjk->nbcik", poses, transforms).flatten(3)
    fits, shares = _forward(votes, activations, beta_u, beta_a, settings)
    grad_votes, grad_inputs = torch.zeros_like(votes), torch.zeros_like(activations)
    grad_beta_u, grad_beta_a = torch.zeros_like(beta_u), torch.zeros_like(beta_a)
    grad_mu, grad_variance = grad_poses.flatten(2), torch.zeros_like(fits[0].mu)
    scores = torch.sigmoid(fits[-1].logits)
    grad_logits = grad_activations * scores * (1 - scores)
    for t in reversed(range(settings.num_iterations)):
        fit, r = fits[t], shares[t]
        temperature = settings.inverse_temperature(t)
        grad_beta_a += (temperature * grad_logits).sum(0)
        share_scale = transforms.shape[1] / transforms.shape[0]
        per_number = -temperature * grad_logits * fit.mass * share_scale / 16
        grad_beta_u += per_number[..., None].sum(0)
        mean_cost = (beta_u + 0.5 * fit.variance.log()).mean(-1)
        grad_mass = -temperature * grad_logits * mean_cost * share_scale
        grad_variance = grad_variance + per_number[..., None] * 0.5 / fit.variance
        # s^2 = (S - mu F + prior) / (m + prior votes), mu = F / m
        votes_held = (fit.mass + settings.prior_votes)[..., None]
        grad_second = grad_variance / votes_held
        grad_mass = grad_mass - (grad_second * fit.variance).sum(-1)
        floored = fit.mass.clamp_min(1e-12)[..., None]
        grad_mean = (grad_mu - grad_second * fit.mu * floored) / floored
        grad_first = grad_mean - grad_second * fit.mu
        seen = fit.mass > 1e-12
        grad_mass = grad_mass - torch.where(seen, (grad_mean * fit.mu).sum(-1), 0)
        # the moments
        slope = grad_first[:, None] + grad_second[:, None] * votes
        grad_weights = grad_mass[:, None] + (slope * votes).sum(-1)  # (N, B, C)
        weights = (r * activations[..., None])[..., None]
        grad_votes += weights * (slope + grad_second[:, None] * votes)
        inner = (r * grad_weights).sum(-1, keepdim=True)
        grad_inputs += inner.squeeze(-1)
        if t == 0:
            break
        # the softmax and the density under the fit before
        grad_scores = r * activations[..., None] * (grad_weights - inner)
        before = fits[t - 1]
        grad_density = grad_scores[..., None]
        grad_votes += grad_density * (before.mu[:, None] - votes) / before.variance[:, None]
        grad_p, grad_q = (grad_density * votes).sum(1), (grad_density * votes**2).sum(1)
        grad_o = grad_scores.sum(1)
        grad_mu = (grad_p - grad_o[..., None] * before.mu) / before.variance
        grad_variance = 0.5 * grad_q - grad_p * before.mu + 0.5 * grad_o[..., None] * before.mu**2
        grad_variance = (
            grad_variance / before.variance**2 - 0.5 * grad_o[..., None] / before.variance
        )
        grad_logits = grad_o * torch.sigmoid(-before.logits)
    grad_votes = grad_votes.unflatten(3, (4, 4))
    return (
        torch.einsum("nbcik,bcjk->nbij", grad_votes, transforms),
        grad_inputs,
        torch.einsum("nbij,nbcik->bcjk", poses, grad_votes),
        grad_beta_u,
        grad_beta_a,
    )


def _forward(
    votes: Tensor, activations: Tensor, beta_u: Tensor, beta_a: Tensor, settings: RoutingSettings
) -> tuple[list[Fit], list[Tensor]]:
    """Return the fit of each iteration and the assignments r (N, B, C) it was made from."""
    num_inputs, num_outputs = votes.shape[1:3]
    r = torch.full_like(votes[..., 0], 1 / num_outputs)
    fits, shares = [], []
    for t in range(settings.num_iterations):
        weights = (r * activations[..., None])[..., None]
        mass = weights.sum(1).squeeze(-1)
        mu = (weights * votes).sum(1) / mass.clamp_min(1e-12)[..., None]
        spread = (weights * (votes - mu[:, None]) ** 2).sum(1)
        prior = settings.prior_votes * settings.prior_variance
        variance = (spread + prior) / (mass + settings.prior_votes)[..., None]
        cost = mass * num_outputs / num_inputs * (beta_u + 0.5 * variance.log()).mean(-1)
        fit = Fit(mass, mu, variance, settings.inverse_temperature(t) * (beta_a - cost))
        fits.append(fit)
        shares.append(r)
        squares = (votes - mu[:, None]) ** 2 / variance[:, None] + variance.log()[:, None]
        r = (F.logsigmoid(fit.logits)[:, None] - 0.5 * squares.sum(-1)).softmax(2)
    return fits, shares
