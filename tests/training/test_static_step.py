"""Steps in fixed memory, as they are captured on a GPU: what can be held of them on a CPU."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from banked import banked
from no_waiting import NoWaiting, WouldWaitError
from test_every_pair import PAIRS, batch_for, method_of, network_of
from torch import nn

from vadsdk.data.batches import ClipBatch
from vadsdk.kernels.view_sources import IndexedClips, gathered
from vadsdk.methods import Method, build_method
from vadsdk.models import build_model
from vadsdk.training.settings import TrainSettings
from vadsdk.training.static_step import StaticStep, StepPlan
from vadsdk.training.step import StepOutcome, TrainingStep

CPU = torch.device("cpu")
NUM_STEPS = 5


def settings(**values: Any) -> TrainSettings:
    return TrainSettings(precision="fp32", warmup_steps=0, learning_rate=1e-3, **values)


def weights(network: nn.Module) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in network.state_dict().items()}


class WatchedStep(StaticStep):
    """Takes its first step of a plan freely, and allows no other to wait for a device."""

    num_watched = 0

    def _run(self, plan: StepPlan) -> StepOutcome:
        if not plan.num_eager:
            plan.num_eager += 1
            return super()._run(plan)
        self.num_watched += 1
        with NoWaiting():
            return super()._run(plan)


def small_network() -> nn.Module:
    torch.manual_seed(0)
    return build_model("videocapsnet-s", 3, {"dropout": 0.0, "colour_dropout": 0.0}).train()


@pytest.mark.parametrize(("model", "method"), PAIRS)
def test_a_step_makes_nothing_wait_for_the_device_or_says_why_it_would(
    model: str, method: str
) -> None:
    network = network_of(model)
    learner = method_of(method, network)
    step = WatchedStep(TrainingStep(network, learner, settings(max_steps=100), CPU), CPU)
    batch = batch_for(network)
    step([batch], 0.9)
    if learner.eager_reason:
        with pytest.raises(WouldWaitError):
            step([batch], 0.91)
        return
    step([batch], 0.91)
    assert step.num_watched == 1


@pytest.mark.parametrize("method", ["supervised", "e2e"])
def test_a_step_of_the_small_network_makes_nothing_wait(method: str) -> None:
    network = small_network()
    learner = build_method(method, network, {"terms": {"own_class_share": 0.5}})
    step = WatchedStep(TrainingStep(network, learner, settings(max_steps=100), CPU), CPU)
    for progress in (0.0, 0.01):
        step([batch_for(network)], progress)
    assert step.num_watched == 1


def test_sparse_annotation_makes_nothing_wait() -> None:
    network = network_of("videocapsnet-n")
    batch = batch_for(network)
    annotated = torch.zeros(batch.clips.shape[:2], dtype=torch.bool)
    annotated[:2, ::2] = True
    step = WatchedStep(
        TrainingStep(network, method_of("e2e", network), settings(max_steps=100), CPU), CPU
    )
    for progress in (0.0, 0.01):
        step([replace(batch, annotated=annotated)], progress)
    assert step.num_watched == 1


def take(
    network: nn.Module, learner: Method, is_static: bool
) -> tuple[list[torch.Tensor], dict[str, torch.Tensor]]:
    """Return what steps found, and the weights that they ended with."""
    step = TrainingStep(network, learner, settings(max_steps=NUM_STEPS), CPU)
    static = StaticStep(step, CPU)
    found = []
    for number in range(NUM_STEPS):
        batch, progress = batch_for(network, seed=number), number / NUM_STEPS
        step.rate.fill_(1e-3 / (number + 1))
        if is_static:
            outcome = static([batch], progress)
        else:
            learner.begin_step(progress)
            outcome = step([batch], torch.tensor(progress, dtype=torch.float64))
        found.append(outcome.values.clone())
    return found, weights(network) | weights(step.average.network) | learner.state_dict()


@pytest.mark.parametrize(
    ("model", "method"), [pair for pair in PAIRS if pair[0] in ("videocapsnet-n", "r3d-n")]
)
def test_steps_in_fixed_memory_are_the_eager_ones_bit_for_bit(model: str, method: str) -> None:
    ends = []
    for is_static in (False, True):
        network = network_of(model)
        ends.append(take(network, method_of(method, network), is_static))
    (eager, eager_weights), (static, static_weights) = ends
    assert all(torch.equal(*pair) for pair in zip(eager, static, strict=True))
    assert eager_weights.keys() == static_weights.keys()
    assert all(torch.equal(eager_weights[name], static_weights[name]) for name in eager_weights)
    assert not torch.equal(eager[0], eager[1])  # other clips, views, rates and progress


@pytest.mark.parametrize(
    ("model", "method"), [pair for pair in PAIRS if pair[0] in ("videocapsnet-n", "r3d-n")]
)
@pytest.mark.parametrize("progress", [0.02, 0.3, 0.9])
def test_progress_as_a_tensor_weighs_the_losses_as_a_number_does(
    model: str, method: str, progress: float
) -> None:
    found = []
    for given in (progress, torch.tensor(progress, dtype=torch.float64)):
        network = network_of(model)
        learner = method_of(method, network)
        torch.manual_seed(0)
        learner.begin_step(progress)
        with torch.no_grad():
            found.append(learner.losses(batch_for(network), given))
    assert found[0].keys() == found[1].keys()
    for name, loss in found[0].items():
        torch.testing.assert_close(loss.double(), found[1][name].double(), rtol=1e-6, atol=1e-9)


def test_a_phase_and_a_shape_have_plans_of_their_own() -> None:
    network = network_of("videocapsnet-n")
    learner = method_of("pseudo_label", network)
    static = StaticStep(TrainingStep(network, learner, settings(max_steps=9), CPU), CPU)
    batch = batch_for(network)
    for progress in (0.0, 0.1, 0.5, 0.9):
        static([batch], progress)
    assert [phase for phase, _ in static._plans] == [0, 1, 2]
    static([batch.labelled_part()], 0.9)
    assert len(static._plans) == 4


def test_a_batch_is_copied_into_the_plans_memory() -> None:
    network = network_of("videocapsnet-n")
    static = StaticStep(
        TrainingStep(network, method_of("supervised", network), settings(max_steps=9), CPU), CPU
    )
    first, second = batch_for(network, 0), batch_for(network, 1)
    kept = first.clips.clone()
    static([first], 0.0)
    static([second], 0.1)
    (plan,) = static._plans.values()
    assert torch.equal(plan.batches[0].clips, second.clips)
    assert torch.equal(first.clips, kept)


@pytest.mark.parametrize(("model", "method"), PAIRS)
def test_clips_in_a_bank_teach_as_the_clips_themselves(model: str, method: str) -> None:
    network = network_of(model)
    batch, found = batch_for(network), []
    for given in (batch, banked(batch)):
        torch.manual_seed(0)
        learner = method_of(method, copy.deepcopy(network))
        learner.begin_step(0.9)
        with torch.no_grad():
            found.append(learner.losses(given, 0.9))
    assert found[0].keys() == found[1].keys()
    assert all(torch.equal(found[0][name], found[1][name]) for name in found[0])


def test_of_clips_in_a_bank_a_plan_keeps_their_whereabouts_alone() -> None:
    network = network_of("r3d-n")
    learner = method_of("fixmatch", network)
    static = StaticStep(TrainingStep(network, learner, settings(max_steps=9), CPU), CPU)
    first = banked(batch_for(network))
    bank = first.bank()
    assert bank is not None
    second = replace(first, clips=first.successors, successors=first.clips)
    assert isinstance(first.clips, IndexedClips)
    kept = first.clips.indices.clone()
    static([first], 0.8)
    static([second], 0.9)
    (plan,) = static._plans.values()
    assert plan.batches[0].bank() is bank
    assert torch.equal(gathered(plan.batches[0].clips), gathered(second.clips))
    assert torch.equal(first.clips.indices, kept)
    static([banked(batch_for(network, 1))], 0.9)  # a captured step would read the old bank
    assert len(static._plans) == 2


def spoil(learner: Method, monkeypatch: pytest.MonkeyPatch, spoilt: Callable[[int], float]) -> None:
    learn, calls = learner.losses, iter(range(99))

    def losses(batch: ClipBatch, progress: Any) -> dict[str, torch.Tensor]:
        found = learn(batch, progress)
        return found | {"loc_dice": found["loc_dice"] * spoilt(next(calls))}

    monkeypatch.setattr(learner, "losses", losses)


def test_a_step_that_is_not_finite_leaves_the_weights_as_they_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    network = network_of("videocapsnet-n")
    learner = method_of("supervised", network)
    spoil(learner, monkeypatch, lambda call: torch.nan if call == 1 else 1.0)
    step = TrainingStep(network, learner, settings(max_steps=9), CPU)
    batch = batch_for(network)
    step([batch], 0.0)
    before = {name: value.detach().clone() for name, value in network.named_parameters()}
    outcome = step([batch], 0.1)
    assert not outcome.values.isfinite().all()
    assert all(torch.equal(before[name], value) for name, value in network.named_parameters())
    step([batch], 0.2)
    assert any(not torch.equal(before[name], value) for name, value in network.named_parameters())


def test_a_step_without_clipping_is_one_with_a_norm_that_none_reaches() -> None:
    network = network_of("videocapsnet-n")
    batch, found = batch_for(network), []
    for clip_norm in (None, 1e9, 1e-3):
        twin = copy.deepcopy(network)
        learner = method_of("supervised", twin)
        # Adam scales a gradient's size away, which plain descent does not.
        chosen = settings(max_steps=9, clip_norm=clip_norm, optimiser="sgd")
        step = WatchedStep(TrainingStep(twin, learner, chosen, CPU), CPU)
        torch.manual_seed(1)
        outcomes = [step([batch], progress).values.clone() for progress in (0.0, 0.1)]
        assert step.num_watched == 1
        found.append((torch.cat(outcomes), torch.cat([p.flatten() for p in twin.parameters()])))
    (values, unclipped), (same_values, same), (_, clipped) = found
    assert torch.equal(values, same_values)
    assert torch.equal(unclipped, same)
    assert not torch.equal(unclipped, clipped)


def test_a_step_in_fp16_goes_on_from_a_point_of_another_precision() -> None:
    network = network_of("r3d-n")
    step = TrainingStep(
        network, method_of("supervised", network), settings(max_steps=9, optimiser="sgd"), CPU
    )
    state = step.state_dict()
    assert not state["scaler"]
    step._scaler = torch.amp.GradScaler("cpu", init_scale=8.0)  # as on a card without bf16
    step.load_state_dict(state, 0)
    assert step._scaler.get_scale() == 8.0


def test_accumulated_batches_give_the_mean_of_their_gradients() -> None:
    network = network_of("r3d-n")
    for module in network.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.eval()
    batches = [batch_for(network, seed) for seed in (0, 1)]
    gradients = []
    for group in ([batches[0]], [batches[1]], batches):
        twin = copy.deepcopy(network)
        learner = build_method("supervised", twin, {"view": "identity"})
        step = TrainingStep(twin, learner, settings(max_steps=9, clip_norm=1e9), CPU)
        outcome = step(group, 0.0)
        found = {n: p.grad for n, p in twin.named_parameters() if p.grad is not None}
        gradients.append((outcome.values[0], found))
    (first, one), (second, two), (mean, both) = gradients
    torch.testing.assert_close(mean, (first + second) / 2)
    for name, gradient in both.items():
        torch.testing.assert_close(gradient, (one[name] + two[name]) / 2, rtol=1e-4, atol=1e-6)
