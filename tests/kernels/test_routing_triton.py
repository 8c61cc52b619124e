"""The kernels against the naive form in float64: on a card, or in Triton's interpreter."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
import torch
from card_or_interpreter import DEVICE, MARKS, ON_CARD, without_card
from hopper_compilation import kernels_compiled_for_hopper
from poisoned_memory import poisoned
from torch import Tensor
from torch.utils.checkpoint import checkpoint
from written_coherence import fresh
from written_routing import routing_inputs

from vadsdk.kernels import routing, routing_triton
from vadsdk.kernels.routing import RoutingSettings, em_routing_naive
from vadsdk.kernels.routing_triton import em_routing

__all__ = ["fresh", "poisoned"]

pytestmark = MARKS

SIZES = [(5, 3, 3, 3), (1, 1, 1, 1), (0, 3, 3, 3)]
if not ON_CARD:  # which has others in `test_routing_gpu.py`, and compiles each for seconds
    SIZES += [(9, 2, 21, 2), (3, 5, 7, 4), (2, 3, 40, 2)]
B, C = 4, 5
"""Of all other tests, as each pair is a kernel of its own."""


def compare(inputs: Sequence[Tensor], settings: RoutingSettings, seed: int) -> None:
    """Capsules and gradients against those of float64 copies, relative to the largest number.

    Args:
        inputs: on `DEVICE`.
        settings: of the routing.
        seed: of the gradients that come from above.
    """
    inputs = [t.detach().requires_grad_() for t in inputs]
    copies = [t.detach().cpu().double().requires_grad_() for t in inputs]
    routed = em_routing(*inputs, settings=settings)
    expected = em_routing_naive(*copies, settings=settings)
    generator = torch.Generator().manual_seed(seed)
    grads = [torch.randn(t.shape, generator=generator) for t in routed]
    came = torch.autograd.grad(routed, inputs, [g.to(DEVICE) for g in grads])
    wanted = torch.autograd.grad(expected, copies, [g.double() for g in grads])
    assert [g.dtype for g in came] == [t.dtype for t in inputs]
    assert {t.dtype for t in routed} == {torch.float32}
    # In 150 draws of such inputs the naive form in float32 is off by up to 2e-5 and 9e-5. A card's
    # functions are less exact, which shows where terms of a gradient cancel.
    of_capsules, least_scale = (3e-4, 1.0) if ON_CARD else (1e-4, 1e-3)
    precisions = [of_capsules] * 2
    precisions += [1e-3 if t.dtype == torch.float32 else 2**-7 for t in inputs]
    for x, y, precision in zip((*routed, *came), (*expected, *wanted), precisions, strict=True):
        scale = y.abs().max().item() if y.numel() else 1.0
        atol = precision * max(scale, least_scale)
        torch.testing.assert_close(x.cpu().double(), y, rtol=0, atol=atol)


def float_inputs(n: int, b: int, c: int, generator: torch.Generator) -> list[Tensor]:
    return [t.float().to(DEVICE) for t in routing_inputs(n, b, c, generator)]


@pytest.mark.parametrize(("n", "b", "c", "num_iterations"), SIZES)
def test_capsules_and_gradients(
    n: int, b: int, c: int, num_iterations: int, fresh: torch.Generator
) -> None:
    inputs = float_inputs(n, b, c, fresh)
    settings = RoutingSettings(num_iterations=num_iterations, prior_votes=1.5, prior_variance=0.7)
    compare(inputs, settings, fresh.initial_seed())


@without_card  # with one: tests/training/test_compiled_steps_gpu.py
@pytest.mark.filterwarnings("ignore:The .grad attribute")  # which the compiler looks at
def test_a_compiled_network_calls_the_kernel_as_it_is(fresh: torch.Generator) -> None:
    inputs = [t.requires_grad_() for t in float_inputs(5, 3, 3, fresh)]
    graphs: list[list[str]] = []

    def keep(graph: torch.fx.GraphModule, examples: object) -> Callable[..., object]:
        graphs.append([str(node.target) for node in graph.graph.nodes if "call" in node.op])
        return graph.forward

    def network(*values: Tensor) -> Tensor:
        doubled = [2 * value for value in values]
        return em_routing(*doubled).poses + 1

    came = torch.compile(network, backend=keep, dynamic=False)(*inputs)
    assert len(graphs) == 2  # before and after; none has a part of the routing
    assert sum(map(len, graphs)) == len(inputs) + 1
    torch.testing.assert_close(came, network(*inputs))


def test_several_tiles_a_program(fresh: torch.Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routing_triton, "_most_programs", lambda _: 2)
    inputs = float_inputs(55, B, C, fresh)  # 4 tiles
    compare(inputs, RoutingSettings(), fresh.initial_seed())


def test_bfloat16_is_computed_in_float32(fresh: torch.Generator) -> None:
    poses, activations, *rest = float_inputs(3, B, C, fresh)
    inputs = [poses.bfloat16(), activations.bfloat16(), *rest]
    compare(inputs, RoutingSettings(), fresh.initial_seed())
    compare([t.bfloat16() for t in inputs], RoutingSettings(), fresh.initial_seed())


def test_inputs_need_not_be_contiguous(fresh: torch.Generator) -> None:
    inputs = float_inputs(3, B, C, fresh)
    strided = [torch.stack([t, -t], dim=-1)[..., 0] for t in inputs]
    assert not any(t.is_contiguous() for t in strided)
    compare(strided, RoutingSettings(), fresh.initial_seed())


def test_gradients_from_above_may_be_expanded(fresh: torch.Generator) -> None:
    inputs = [t.requires_grad_() for t in float_inputs(3, B, C, fresh)]
    routed = em_routing(*inputs)
    rows = [torch.randn((1, *t.shape[1:]), generator=fresh).to(DEVICE) for t in routed]
    expanded = [row.expand(t.shape) for row, t in zip(rows, routed, strict=True)]
    assert [row.stride(0) for row in expanded] == [0, 0]
    came = torch.autograd.grad(routed, inputs, expanded, retain_graph=True)
    wanted = torch.autograd.grad(routed, inputs, [row.contiguous() for row in expanded])
    torch.testing.assert_close(came, wanted, rtol=0, atol=0)


def test_activations_of_empty_capsules_and_huge_votes_are_finite(fresh: torch.Generator) -> None:
    poses, activations, *rest = float_inputs(2, B, C, fresh)
    for scale, activation in ((1.0, 0.0), (1e4, 1.0)):
        filled = torch.full_like(activations, activation)
        inputs = [t.requires_grad_() for t in (poses.detach() * scale, filled, *rest)]
        routed = em_routing(*inputs)
        grads = torch.autograd.grad(routed.activations.sum() + routed.poses.sum(), inputs)
        assert all(t.isfinite().all() for t in (*routed, *grads))


def test_without_a_gradient_no_fits_are_kept(
    fresh: torch.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    inputs = float_inputs(3, B, C, fresh)
    expected = em_routing_naive(*inputs)
    sizes = []
    allocate = torch.empty
    monkeypatch.setattr(
        torch, "empty", lambda size, **like: sizes.append(size) or allocate(size, **like)
    )
    with torch.no_grad():
        routed = em_routing(*(t.requires_grad_() for t in inputs))
    torch.testing.assert_close(routed, expected, rtol=1e-4, atol=1e-4)
    assert sizes[2:] == [(3, 0, 2, C, 16), (3, 0, C)]


def test_autocast_and_activation_checkpointing_change_nothing(fresh: torch.Generator) -> None:
    inputs = [t.requires_grad_() for t in float_inputs(3, B, C, fresh)]
    plain = em_routing(*inputs)
    with torch.autocast(DEVICE, torch.bfloat16):
        inside = checkpoint(em_routing, *inputs, use_reentrant=False)
        loss = inside.poses.square().sum() + inside.activations.sum()
    torch.testing.assert_close(inside, plain, rtol=0, atol=0)
    came = torch.autograd.grad(loss, inputs)
    wanted = torch.autograd.grad(plain.poses.square().sum() + plain.activations.sum(), inputs)
    torch.testing.assert_close(came, wanted, rtol=0, atol=0)


COMPILED = """
import torch
from vadsdk.kernels.routing_triton import em_routing
inputs = [
    torch.zeros(shape, dtype=torch.bfloat16, requires_grad=True)
    for shape in ((400, 32, 4, 4), (400, 32), (32, 24, 4, 4), (24, 16), (24,))
]
routed = em_routing(*inputs)
(routed.poses.sum() + routed.activations.sum()).backward()
"""


@without_card
def test_the_kernels_compile_for_a_card() -> None:
    assert kernels_compiled_for_hopper(COMPILED) == ["backward_kernel", "forward_kernel"]


@pytest.mark.gpu
def test_what_is_called_by_name_on_a_card_are_these_kernels(fresh: torch.Generator) -> None:
    inputs = [t.requires_grad_() for t in float_inputs(3, B, C, fresh)]
    answers = []
    for route in (em_routing, routing.em_routing):
        routed = route(*inputs)
        loss = routed.poses.sum() + routed.activations.sum()
        answers.append((*routed, *torch.autograd.grad(loss, inputs)))
    for own, called in zip(*answers, strict=True):
        assert torch.equal(own, called)
