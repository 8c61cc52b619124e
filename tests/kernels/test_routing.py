from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from vadsdk.kernels import routing
from vadsdk.kernels.routing import RoutingSettings, em_routing, em_routing_naive

Inputs = tuple[Tensor, Tensor, Tensor, Tensor, Tensor]


def random_inputs(
    n: int, b: int, c: int, dtype: torch.dtype = torch.float32, seed: int = 0
) -> Inputs:
    """Poses, activations, transforms, beta_u, beta_a that all want a gradient."""
    g = torch.Generator().manual_seed(seed)
    tensors = (
        torch.randn(n, b, 4, 4, generator=g, dtype=dtype),
        torch.rand(n, b, generator=g, dtype=dtype),
        torch.randn(b, c, 4, 4, generator=g, dtype=dtype),
        torch.randn(c, 16, generator=g, dtype=dtype),
        torch.randn(c, generator=g, dtype=dtype),
    )
    return tuple(t.requires_grad_() for t in tensors)  # type: ignore[return-value]


def gradients(result: tuple[Tensor, Tensor], inputs: Inputs) -> list[Tensor]:
    g = torch.Generator().manual_seed(1)
    total = sum((t * torch.randn(t.shape, generator=g, dtype=t.dtype)).sum() for t in result)
    return list(torch.autograd.grad(total, inputs))


@pytest.mark.parametrize("numbers_at_once", [2**19, 3 * 6 * 5 * 16], ids=["whole", "chunks of 3"])
def test_fast_form_equals_the_naive_one_with_its_gradients(
    monkeypatch: pytest.MonkeyPatch, numbers_at_once: int
) -> None:
    monkeypatch.setattr(routing, "VOTE_NUMBERS_AT_ONCE", numbers_at_once)
    inputs = random_inputs(7, 6, 5, torch.float64)
    fast, naive = em_routing(*inputs), em_routing_naive(*inputs)
    torch.testing.assert_close(fast, naive, rtol=1e-9, atol=1e-9)
    for came, expected in zip(gradients(fast, inputs), gradients(naive, inputs), strict=True):
        torch.testing.assert_close(came, expected, rtol=1e-7, atol=1e-9)
    with torch.no_grad():
        torch.testing.assert_close(em_routing(*inputs), naive, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("mode", ["em", "released"])
def test_gradients_equal_finite_differences(mode: routing.RoutingMode) -> None:
    inputs = random_inputs(1, 3, 2, torch.float64)
    assert torch.autograd.gradcheck(lambda *x: tuple(em_routing(*x, mode=mode)), inputs)


@pytest.mark.parametrize("magnitude", [1e-3, 1.0, 1e2])
def test_float32_stays_close_to_float64(magnitude: float) -> None:
    poses, *rest = random_inputs(9, 8, 5, torch.float64)
    exact = em_routing_naive(poses * magnitude, *rest)
    single = em_routing(*(x.detach().float() for x in (poses * magnitude, *rest)))
    assert (single.activations - exact.activations).abs().max() < 2e-4
    assert (single.poses - exact.poses).abs().max() < 2e-4 * magnitude


def test_autocast_does_not_reach_the_routing() -> None:
    inputs = random_inputs(9, 8, 5)
    with torch.autocast("cpu", torch.bfloat16):
        inside = em_routing(*inputs)
    assert inside.poses.dtype == torch.float32
    torch.testing.assert_close(inside, em_routing_naive(*inputs), rtol=1e-4, atol=1e-4)


def test_activation_falls_with_the_cost() -> None:
    # One position, one output capsule, identity transforms: the votes are the poses themselves.
    b, settings = 6, RoutingSettings()
    poses = torch.randn(1, b, 4, 4, generator=torch.Generator().manual_seed(3))
    centred = poses - poses.mean(1, keepdim=True)
    transforms = torch.eye(4).expand(b, 1, 4, 4)
    rest = (torch.ones(1, b), transforms, torch.zeros(1, 16), torch.zeros(1))
    activations = [em_routing(centred * s, *rest).activations.item() for s in (0.1, 0.5, 1, 2, 4)]
    assert activations == sorted(activations, reverse=True)
    assert activations[0] > 0.6 > 0.4 > activations[-1]
    # The closed form of one output capsule: everything is assigned to it in every iteration.
    variance = (centred.square().sum(1).flatten() + settings.prior_votes) / (
        b + settings.prior_votes
    )
    expected = torch.sigmoid(-14 * (1 - 0.95**3) * 0.5 * variance.log().mean())
    torch.testing.assert_close(activations[2], expected.item(), rtol=1e-5, atol=0)


def test_an_input_with_activation_zero_has_no_say() -> None:
    poses, activations, *rest = (x.detach() for x in random_inputs(3, 5, 4))
    activations[:, 2] = 0
    other = poses.clone()
    other[:, 2] = 50.0
    torch.testing.assert_close(
        em_routing(poses, activations, *rest), em_routing(other, activations, *rest)
    )


def test_halving_the_input_activations_lowers_confident_outputs() -> None:
    poses = torch.zeros(1, 6, 4, 4)  # all votes agree: the cheapest description there is
    rest = (torch.randn(6, 3, 4, 4), torch.zeros(3, 16), torch.zeros(3))
    full = em_routing(poses, torch.ones(1, 6), *rest).activations
    half = em_routing(poses, torch.full((1, 6), 0.5), *rest).activations
    assert (full > half + 0.01).all()
    assert (half > 0.5).all()


def test_activations_start_unsaturated_for_votes_of_unit_variance() -> None:
    g = torch.Generator().manual_seed(0)
    routed = em_routing(
        torch.randn(400, 32, 4, 4, generator=g),
        torch.rand(400, 32, generator=g),
        0.5 * torch.randn(32, 24, 4, 4, generator=g),
        torch.zeros(24, 16),
        torch.zeros(24),
    )
    assert 0.35 < routed.activations.min()
    assert 0.5 < routed.activations.mean() < 0.6
    assert routed.activations.max() < 0.95


def test_activations_of_empty_capsules_and_huge_votes_are_finite() -> None:
    poses, _, *rest = random_inputs(2, 4, 3)
    for scale, activation in ((1.0, 0.0), (1e4, 1.0)):
        inputs = (poses * scale, torch.full((2, 4), activation), *rest)
        routed = em_routing(*inputs)
        grads = torch.autograd.grad(routed.activations.sum() + routed.poses.sum(), (poses, *rest))
        assert all(t.isfinite().all() for t in (*routed, *grads))


def test_a_layer_learns_to_tell_classes_apart_by_the_agreement_of_poses() -> None:
    """A class is how the parts stand to each other; the whole may stand anywhere."""
    g = torch.Generator().manual_seed(0)
    num_classes, b = 4, 8
    parts = 0.5 * torch.randn(num_classes, b, 4, 4, generator=g)

    def draw(n: int) -> tuple[Tensor, Tensor, Tensor]:
        labels = torch.randint(num_classes, (n,), generator=g)
        whole = torch.randn(n, 1, 4, 4, generator=g)
        poses = whole @ parts[labels] + 0.2 * torch.randn(n, b, 4, 4, generator=g)
        return poses, 0.5 + 0.5 * torch.rand(n, b, generator=g), labels

    transforms = (0.5 * torch.randn(b, num_classes, 4, 4, generator=g)).requires_grad_()
    beta_u = torch.zeros(num_classes, 16, requires_grad=True)
    beta_a = torch.zeros(num_classes, requires_grad=True)
    optimizer = torch.optim.Adam([transforms, beta_u, beta_a], lr=0.03)
    for _ in range(120):
        poses, activations, labels = draw(48)
        scores = em_routing(poses, activations, transforms, beta_u, beta_a).activations
        own = scores.gather(1, labels[:, None])
        loss = F.relu(0.5 - (own - scores)).square().sum(1).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    poses, activations, labels = draw(400)
    scores = em_routing(poses, activations, transforms, beta_u, beta_a).activations
    assert (scores.argmax(1) == labels).float().mean() > 0.95
    own = scores.gather(1, labels[:, None]).squeeze(1)
    others = (scores.sum(1) - own) / (num_classes - 1)
    assert (own - others).mean() > 0.3


class Router(torch.nn.Module):
    """Routing as a network holds it."""

    def __init__(self, mode: routing.RoutingMode) -> None:
        super().__init__()
        self.mode = mode
        _, _, *parameters = random_inputs(1, 4, 3, torch.float64)
        self.parameters_of_routing = torch.nn.ParameterList(parameters)

    def forward(self, poses: Tensor, activations: Tensor) -> tuple[Tensor, Tensor]:
        return tuple(em_routing(poses, activations, *self.parameters_of_routing, mode=self.mode))


@pytest.mark.parametrize("mode", ["em", "released"])
def test_traced_graph_serves_any_number_of_positions(
    monkeypatch: pytest.MonkeyPatch, mode: routing.RoutingMode
) -> None:
    """Chunks of positions must not be baked into an exported graph."""
    router = Router(mode).eval()
    poses, activations, *_ = (x.detach() for x in random_inputs(4, 4, 3, torch.float64))
    positions = torch.export.Dim("positions", min=1)
    program = torch.export.export(
        router,
        (poses, activations),
        dynamic_shapes={"poses": {0: positions}, "activations": {0: positions}},
    )
    monkeypatch.setattr(routing, "VOTE_NUMBERS_AT_ONCE", 2 * 4 * 3 * 16)
    poses, activations, *_ = (x.detach() for x in random_inputs(9, 4, 3, torch.float64, seed=5))
    traced, eager = program.module()(poses, activations), router(poses, activations)
    torch.testing.assert_close(traced, eager, rtol=1e-8, atol=1e-8)
