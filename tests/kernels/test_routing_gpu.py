"""The kernels on a card, at the sizes of paper 1's training: 16 views of 20 x 20 positions."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint
from written_routing import routing_inputs

from vadsdk.kernels import routing
from vadsdk.kernels.routing import RoutingSettings, em_routing

pytestmark = pytest.mark.gpu

N, B, C = 6400, 32, 24


def inputs_on_card(dtype: torch.dtype, shape: tuple[int, int, int] = (N, B, C)) -> list[Tensor]:
    generator = torch.Generator("cuda").manual_seed(0)
    return [t.to(dtype).requires_grad_() for t in routing_inputs(*shape, generator)]


def loss_of(poses: Tensor, activations: Tensor) -> Tensor:
    """Any function that gives every output its own gradient."""
    weights = torch.linspace(-1, 1, poses.numel(), device="cuda").view_as(poses)
    others = torch.linspace(-1, 1, activations.numel(), device="cuda").view_as(activations)
    return (weights * poses).sum() + (others * activations).sum()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["fp32", "bf16"])
@pytest.mark.parametrize("shape", [(N, B, C), (N + 3, B, 21), (333, 400, 5), (77, 3, 40)])
def test_capsules_and_gradients_equal_the_reference(
    dtype: torch.dtype, shape: tuple[int, int, int]
) -> None:
    inputs = inputs_on_card(dtype, shape)
    copies = [t.detach().double().requires_grad_() for t in inputs]
    routed, expected = em_routing(*inputs), em_routing(*copies)
    assert routed.poses.dtype == torch.float32
    assert expected.poses.dtype == torch.float64  # the reference
    came = torch.autograd.grad(loss_of(*routed), inputs)
    wanted = torch.autograd.grad(loss_of(*expected), copies)
    rtol = 1e-3 if dtype == torch.float32 else 2**-7
    for x, y in zip((*routed, *came), (*expected, *wanted), strict=True):
        scale = y.abs().max().item()
        torch.testing.assert_close(x.double(), y, rtol=0, atol=rtol * scale)


def peak_of(route: Callable[..., tuple[Tensor, Tensor]], inputs: list[Tensor]) -> int:
    """Return the bytes that forward and backward take beyond the inputs."""
    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    poses, activations = route(*inputs)
    torch.autograd.grad(poses.sum() + activations.sum(), inputs)
    return torch.cuda.max_memory_allocated() - before


def test_memory_is_a_tenth_of_the_reference_s() -> None:
    inputs = inputs_on_card(torch.float32)
    kernel = peak_of(em_routing, inputs)
    reference = peak_of(lambda *x: routing._route_em(RoutingSettings(), *x), inputs)
    votes = N * B * C * 16 * 4
    assert kernel < votes < reference
    assert kernel * 10 <= reference


def test_gradients_are_the_same_from_run_to_run() -> None:
    inputs = inputs_on_card(torch.float32)
    runs = [torch.autograd.grad(loss_of(*em_routing(*inputs)), inputs) for _ in range(4)]
    assert all(torch.equal(x, y) for run in runs for x, y in zip(run, runs[0], strict=True))


def test_autocast_and_activation_checkpointing_change_nothing() -> None:
    inputs = inputs_on_card(torch.float32, (900, B, C))
    plain = em_routing(*inputs)
    wanted = torch.autograd.grad(loss_of(*plain), inputs)
    with torch.autocast("cuda", torch.bfloat16):
        inside = checkpoint(em_routing, *inputs, use_reentrant=False)
    came = torch.autograd.grad(loss_of(*inside), inputs)
    for x, y in zip((*inside, *came), (*plain, *wanted), strict=True):
        torch.testing.assert_close(x, y, rtol=0, atol=0)


def test_a_captured_graph_follows_its_inputs() -> None:
    inputs = inputs_on_card(torch.float32, (900, B, C))

    def step() -> tuple[Tensor, ...]:
        routed = em_routing(*inputs)
        gradients = torch.autograd.grad(loss_of(*routed), inputs)
        return (*(capsules.detach() for capsules in routed), *gradients)

    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(3):
            step()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        captured = step()
    with torch.no_grad():
        for t in inputs:
            t *= 0.9
    graph.replay()
    for came, expected in zip(captured, step(), strict=True):
        torch.testing.assert_close(came, expected, rtol=0, atol=0)


def test_positions_beyond_the_range_of_32_bits() -> None:
    n, b, c = 2**22 + 5, 32, 2  # 16 b n > 2^31
    small = [t.detach() for t in inputs_on_card(torch.bfloat16, (64, b, c))]
    poses = small[0].repeat(-(-n // 64), 1, 1, 1)[:n]
    activations = small[1].repeat(-(-n // 64), 1)[:n]
    routed = em_routing(poses, activations, *small[2:])
    last = em_routing(poses[-5:], activations[-5:], *small[2:])
    for came, expected in zip(routed, last, strict=True):
        torch.testing.assert_close(came[-5:], expected, rtol=1e-6, atol=1e-6)
