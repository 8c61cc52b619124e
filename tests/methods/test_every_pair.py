"""Every network with every method: it learns, or is refused with the reason."""

from __future__ import annotations

import copy
from typing import Any, cast

import pytest
import torch
from torch import Tensor, nn

from vadsdk.data.batches import ClipBatch
from vadsdk.errors import ConfigError
from vadsdk.methods import METHODS, Method, build_method
from vadsdk.models import MODELS, build_model

NUM_CLASSES = 3
SMALLEST: dict[str, dict[str, Any]] = {
    "videocapsnet-n": {"input_size": 80, "dropout": 0.0},
    "yowo-n": {"input_size": 64, "dropout": 0.0},
    "r3d-n": {"input_size": 32, "clip_length": 4, "dropout": 0.0},
}
"""One network a kind, as small as it goes and without dropout, so that a step can be repeated."""
REFUSED = {
    "co_ssd": {"recognition"},
    "dual_guidance": {"mask", "recognition"},
    "e2e": {"box", "recognition"},
    "mixmatch": {"box"},
    "stable_mean_teacher": {"box", "recognition"},
}
"""Kinds that a method makes no sense for."""
TRUSTING: dict[str, dict[str, Any]] = {
    "pseudo_masks": {"class_threshold": 0.0, "pixel_threshold": 0.5, "masks_of": "all"},
    "pseudo_boxes": {"objectness_threshold": 0.0, "frame_threshold": 0.0},
    "recognition": {"class_threshold": 0.0},
}
LATE = 0.9
HEAVY: dict[str, tuple[str, dict[str, Any], int]] = {
    "videocapsnet": ("videocapsnet", {"dropout": 0.0}, 80),
    "videocapsnet-3d": ("videocapsnet", {"dropout": 0.0, "routing_dims": 3}, 112),
    "videocapsnet-s": ("videocapsnet-s", {"dropout": 0.0, "input_size": 80}, 80),
    "yowo": ("yowo", {"input_size": 64}, 64),
    "r3d18": ("r3d18", {"dropout": 0.0, "input_size": 32}, 32),
}
"""Networks at full width on small pictures: model, settings, side; a step takes seconds."""
KINDS = {
    **dict.fromkeys(("videocapsnet-n", *[n for n in HEAVY if n.startswith("video")]), "mask"),
    **dict.fromkeys(("yowo-n", "yowo"), "box"),
    **dict.fromkeys(("r3d-n", "r3d18"), "recognition"),
}
PAIRS, HEAVY_PAIRS = (
    [(n, m) for n in names for m in METHODS if KINDS[n] not in REFUSED.get(m, set())]
    for names in (SMALLEST, HEAVY)
)


NUM_FOLLOWERS = {
    "pseudo_label": 1,
    "mean_teacher": 1,
    "dual_guidance": 1,
    "stable_mean_teacher": 2,
}
"""Networks beside the student's that a method keeps and does not train."""
HEAVY_WITH_TEACHER = [
    ("videocapsnet-s", "stable_mean_teacher"),
    ("yowo", "dual_guidance"),
    ("r3d18", "mean_teacher"),
]


def network_of(name: str) -> nn.Module:
    torch.manual_seed(0)
    model, settings, side = HEAVY.get(name, (name, SMALLEST.get(name), 0))
    network = build_model(model, NUM_CLASSES, settings).train()
    assert cast("Any", network).kind == KINDS[name]
    if side:  # VideoCapsNet is for 224 pixels, but its layers take less
        network.__class__ = type("Small", (type(network),), {"input_size": side})
    for module in network.modules():
        for name in ("p", "colour_dropout"):
            if isinstance(getattr(module, name, None), float):
                setattr(module, name, 0.0)
    return network


def method_of(name: str, network: nn.Module) -> Method:
    known = METHODS[name].settings.model_fields
    settings: dict[str, Any] = {k: v for k, v in TRUSTING.items() if k in known}
    if name == "stable_mean_teacher":
        settings["recovery_width"] = 1
    if name == "temporal_gradient":
        settings["pseudo_threshold"] = 0.0
    torch.manual_seed(0)
    return build_method(name, network, settings)


def batch_for(network: nn.Module, seed: int = 0) -> ClipBatch:
    """Return two labelled and two unlabelled clips as a sampler gives them."""
    spec = cast("Any", network).spec("any", ("a", "b", "c"))
    generator = torch.Generator().manual_seed(seed)
    shape = (4, spec.clip_length, spec.input_height, spec.input_width)
    clips = torch.randint(0, 256, (*shape, 3), generator=generator, dtype=torch.uint8)
    masks = torch.zeros(shape, dtype=torch.uint8)
    side = spec.input_height
    masks[:2, :, side // 4 : side // 2, side // 4 : side // 2] = 1
    boxes = torch.tensor([0.25, 0.25, 0.5, 0.5]).expand(4, spec.clip_length, 1, 4).clone()
    box_classes = torch.full((4, spec.clip_length, 1), -1)
    box_classes[0], box_classes[1] = 0, 2
    return ClipBatch(
        clips=clips,
        masks=masks,
        class_indices=torch.tensor([0, 2, -1, -1]),
        labelled=torch.tensor([True, True, False, False]),
        successors=clips.roll(-1, 1),
        boxes_xyxy01=boxes,
        box_classes=box_classes,
    )


def total(losses: dict[str, Tensor]) -> Tensor:
    return torch.stack([value.float() for value in losses.values()]).sum()


def step(method: Method, optimiser: torch.optim.Optimizer, batch: ClipBatch) -> float:
    optimiser.zero_grad()
    loss = total(method.losses(batch, LATE))
    loss.backward()
    optimiser.step()
    method.after_step()
    return float(loss.detach())


def optimiser_of(network: nn.Module, method: Method) -> torch.optim.Optimizer:
    return torch.optim.AdamW([*network.parameters(), *method.trained.parameters()], lr=1e-3)


@pytest.mark.parametrize("method", [name for name in METHODS if name != "temporal_gradient"])
@pytest.mark.parametrize("model", MODELS)
def test_a_pair_is_made_or_refused_with_the_kinds_that_fit(model: str, method: str) -> None:
    # `temporal_gradient` runs a network once to see its stages, so it is made for light ones below.
    with torch.device("meta"):
        network = build_model(model, NUM_CLASSES)
    kind = cast("Any", network).kind
    if kind in REFUSED.get(method, set()):
        with pytest.raises(ConfigError, match=rf"method '{method}' is for .* not for a {kind} "):
            build_method(method, network)
    else:
        assert isinstance(build_method(method, network), Method)


@pytest.mark.parametrize(("model", "method"), PAIRS + HEAVY_PAIRS)
def test_a_step_moves_every_parameter_and_leaves_the_batch_alone(model: str, method: str) -> None:
    network = network_of(model)
    learner = method_of(method, network)
    batch, untouched = batch_for(network), batch_for(network)
    parameters = dict(network.named_parameters()) | {
        f"trained.{name}": value for name, value in learner.trained.named_parameters()
    }
    before = {name: value.detach().clone() for name, value in parameters.items()}
    step(learner, optimiser_of(network, learner), batch)
    for name, value in parameters.items():
        assert value.grad is not None, name
        assert torch.isfinite(value.grad).all(), name
    learned = [name for name in parameters if not name.startswith("trained.")]
    still = [name for name in learned if torch.equal(parameters[name], before[name])]
    assert len(still) <= len(learned) // 10  # biases before a norm, a ReLU that no clip passes
    for field, value in batch.tensors().items():
        assert torch.equal(value, untouched.tensors()[field]), field


@pytest.mark.parametrize(("model", "method"), PAIRS + HEAVY_WITH_TEACHER)
def test_what_only_follows_has_no_gradient_and_is_not_in_the_network(
    model: str, method: str
) -> None:
    network = network_of(model)
    learner = method_of(method, network)
    names = set(network.state_dict())
    followers = [v.network for v in vars(learner).values() if hasattr(v, "num_updates")]
    before = [copy.deepcopy(follower.state_dict()) for follower in followers]
    step(learner, optimiser_of(network, learner), batch_for(network))
    assert len(followers) == NUM_FOLLOWERS.get(method, 0)
    for follower, kept in zip(followers, before, strict=True):
        for name, value in follower.named_parameters():
            assert value.grad is None, name
            assert not value.requires_grad, name
        if method != "pseudo_label":  # whose labeller is renewed between rounds alone
            after = follower.state_dict()
            moved = [name for name in kept if not torch.equal(after[name], kept[name])]
            assert len(moved) > len(kept) // 2
    assert set(network.state_dict()) == names
    trained = {id(value) for value in learner.trained.parameters()}
    assert not trained & {id(value) for value in network.parameters()}


@pytest.mark.parametrize(("model", "method"), PAIRS)
def test_a_run_that_stops_and_resumes_goes_on_as_if_it_had_not(model: str, method: str) -> None:
    network = network_of(model)
    learner = method_of(method, network)
    optimiser = optimiser_of(network, learner)
    batches = [batch_for(network, seed) for seed in range(2)]
    step(learner, optimiser, batches[0])
    states = network.state_dict(), learner.state_dict(), optimiser.state_dict()
    kept = copy.deepcopy((*states, torch.get_rng_state()))
    expected = step(learner, optimiser, batches[1])

    again = network_of(model)
    resumed = method_of(method, again)
    again.load_state_dict(kept[0])
    resumed.load_state_dict(kept[1])
    optimiser = optimiser_of(again, resumed)
    optimiser.load_state_dict(kept[2])
    torch.set_rng_state(kept[3])
    came = step(resumed, optimiser, batches[1])
    assert came == pytest.approx(expected, rel=1e-6)
    for name, value in network.state_dict().items():
        torch.testing.assert_close(again.state_dict()[name], value, rtol=1e-5, atol=1e-6)
