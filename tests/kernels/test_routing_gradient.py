from __future__ import annotations

import pytest
import torch
from written_coherence import fresh
from written_routing import routing_gradient, routing_inputs

from vadsdk.kernels.routing import RoutingSettings, em_routing_naive

__all__ = ["fresh"]


@pytest.mark.parametrize("num_iterations", [1, 2, 3, 5])
def test_the_written_out_gradient_is_that_of_the_naive_form(
    num_iterations: int, fresh: torch.Generator
) -> None:
    settings = RoutingSettings(num_iterations=num_iterations, prior_votes=1.5, prior_variance=0.7)
    inputs = tuple(t.requires_grad_() for t in routing_inputs(4, 7, 5, fresh))
    routed = em_routing_naive(*inputs, settings=settings)
    grads = [torch.randn(t.shape, generator=fresh, dtype=t.dtype) for t in routed]
    expected = torch.autograd.grad(routed, inputs, grads)
    came = routing_gradient(inputs, *grads, settings)
    for gradient, wanted in zip(came, expected, strict=True):
        scale = wanted.abs().max().item()
        torch.testing.assert_close(gradient, wanted, rtol=1e-8, atol=1e-10 * scale)
