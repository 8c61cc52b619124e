from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from vadsdk.errors import TrainingError
from vadsdk.training.optimisation import (
    MovingAverage,
    Schedule,
    autocast_dtype,
    build_optimiser,
    clip_gradients,
    load_optimiser,
    rate_of,
)
from vadsdk.training.settings import TrainSettings


def settings(**values: object) -> TrainSettings:
    return TrainSettings.model_validate({"learning_rate": 1.0, "warmup_steps": 0, **values})


def test_the_cosine_starts_at_the_peak_is_halfway_in_the_middle_and_ends_low() -> None:
    schedule = Schedule(settings(max_steps=100))
    assert schedule.rate(0) == pytest.approx(1.0)
    assert schedule.rate(50) == pytest.approx(0.01 + 0.99 * 0.5)
    assert schedule.rate(100) == pytest.approx(0.01)


def test_the_warm_up_rises_linearly() -> None:
    schedule = Schedule(settings(warmup_steps=4, schedule="constant"))
    assert [schedule.rate(step) for step in range(5)] == [0.25, 0.5, 0.75, 1.0, 1.0]


def test_the_stepped_schedule_falls_by_its_factor_after_each_of_its_steps() -> None:
    schedule = Schedule(settings(schedule="steps", decay_steps=[2, 3, 5], decay_factor=0.5))
    rates = [schedule.rate(step) for step in range(7)]
    assert rates == [1.0, 1.0, 0.5, 0.25, 0.25, 0.125, 0.125]


def test_the_plateau_schedule_drops_tenfold_after_its_patience_and_not_before() -> None:
    schedule = Schedule(settings(schedule="plateau", plateau_patience=3))
    rates = []
    for step in range(8):
        rates.append(schedule.rate(step))
        schedule.observe(1.0)
    # step 0 sets the best; steps 1 to 4 are stale: one more than the patience
    assert rates == pytest.approx([1.0] * 5 + [0.1] * 3)


def test_sgd_keeps_its_momentum_and_decays_only_matrices() -> None:
    layer = nn.Linear(1, 1)
    with torch.no_grad():
        layer.weight.fill_(2.0)
        layer.bias.fill_(2.0)
    optimiser = build_optimiser(layer, settings(optimiser="sgd", momentum=0.5, weight_decay=0.1))
    for _ in range(2):
        optimiser.zero_grad()
        (layer.weight.sum() + layer.bias.sum()).backward()  # every gradient is 1
        optimiser.step()
    assert layer.bias.item() == pytest.approx(2 - 1 - 1.5)
    # velocities 1 + 0.1 * 2, then half of it and 1 + 0.1 * 0.8
    assert layer.weight.item() == pytest.approx(2 - 1.2 - (0.6 + 1.08))


def test_a_falling_loss_keeps_the_rate() -> None:
    schedule = Schedule(settings(schedule="plateau", plateau_patience=1))
    for step in range(50):
        schedule.observe(100.0 - step)
    assert schedule.rate(50) == 1.0


def test_a_schedule_goes_on_where_it_was_saved() -> None:
    first = Schedule(settings(schedule="plateau", plateau_patience=3))
    for _ in range(4):
        first.observe(1.0)
    second = Schedule(settings(schedule="plateau", plateau_patience=3))
    second.load_state_dict(first.state_dict())
    for schedule in (first, second):
        schedule.observe(1.0)
    assert first.rate(5) == second.rate(5) == pytest.approx(0.1)


def test_what_a_plateau_has_taken_off_holds_for_another_peak_rate() -> None:
    first = Schedule(settings(schedule="plateau", plateau_patience=3))
    for _ in range(5):
        first.observe(1.0)
    lower = Schedule(settings(schedule="plateau", plateau_patience=3, learning_rate=0.01))
    lower.load_state_dict(first.state_dict())
    assert first.rate(5) == pytest.approx(0.1)
    assert lower.rate(5) == pytest.approx(0.001)
    again = Schedule(settings(schedule="plateau", plateau_patience=3))
    again.load_state_dict({"plateau": torch.tensor([1.0, 1.0, 0.0, 0.1], dtype=torch.float64)})
    assert again.rate(5) == pytest.approx(0.1)  # a point of an earlier version


def test_weight_decay_spares_biases_and_norms() -> None:
    network = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
    decayed, spared = build_optimiser(network, settings(weight_decay=0.5)).param_groups
    assert [tuple(p.shape) for p in decayed["params"]] == [(4, 3)]
    assert (decayed["weight_decay"], spared["weight_decay"]) == (0.5, 0.0)


def test_the_moving_average_is_the_written_out_sum_and_copies_buffers() -> None:
    network = nn.BatchNorm1d(1)
    average = MovingAverage(network, decay=0.9)
    expected = 1.0
    for step, value in enumerate((2.0, 5.0, -1.0)):
        nn.init.constant_(network.weight, value)
        network.running_mean.fill_(value)
        average.update(network, torch.tensor(step))
        decay = min(0.9, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * value
    assert float(average.network.weight) == pytest.approx(expected)
    assert float(average.network.running_mean) == -1.0


def test_without_decay_the_average_is_the_network() -> None:
    network = nn.Linear(2, 2)
    average = MovingAverage(network, decay=0.0)
    nn.init.constant_(network.weight, 3.0)
    average.update(network, torch.tensor(10))
    assert torch.equal(average.network.weight, network.weight)


def test_gradients_are_scaled_to_the_norm_asked_for() -> None:
    gradients = [torch.tensor([[3.0, 0.0]]), torch.tensor(4.0)]
    norms = clip_gradients(gradients, 1.0)
    assert norms.tolist() == pytest.approx([3.0, 4.0])
    assert gradients[0].tolist() == [pytest.approx([0.6, 0.0], abs=1e-5)]
    assert gradients[1].item() == pytest.approx(0.8, abs=1e-5)


def test_gradients_below_the_norm_stay_as_they_are() -> None:
    gradients = [torch.tensor([0.3, 0.4])]
    clip_gradients(gradients, 1.0)
    assert gradients[0].tolist() == pytest.approx([0.3, 0.4])


def test_without_a_norm_gradients_stay_as_they_are_and_theirs_is_told() -> None:
    gradients = [torch.tensor([[300.0, 0.0]]), torch.tensor(400.0)]
    assert clip_gradients(gradients, None).tolist() == pytest.approx([300.0, 400.0])
    assert gradients[0].tolist() == [[300.0, 0.0]]
    assert gradients[1].item() == 400.0


@pytest.mark.parametrize("name", ["adamw", "adam", "sgd"])
def test_an_optimiser_takes_its_rate_from_a_tensor_and_leaves_out_a_step_found_broken(
    name: str,
) -> None:
    layer = nn.Linear(2, 1, bias=False)
    optimiser = build_optimiser(layer, settings(optimiser=name, weight_decay=0.0, momentum=0.0))
    steps = []
    for rate, is_broken in ((1.0, 0.0), (0.25, 0.0), (1.0, 1.0)):
        before = layer.weight.detach().clone()
        rate_of(optimiser).fill_(rate)
        layer.weight.grad = torch.ones(1, 2)
        optimiser.found_inf, optimiser.grad_scale = torch.tensor(is_broken), None
        optimiser.step()
        steps.append((before - layer.weight).mean().item())
    assert steps == pytest.approx([1.0, 0.25, 0.0], abs=1e-4)  # Adam of equal gradients: the rate


def test_a_loaded_optimiser_reads_its_rate_from_the_tensor_that_it_had() -> None:
    optimiser, other = (build_optimiser(nn.Linear(2, 2), settings()) for _ in range(2))
    rate_of(other).fill_(0.125)
    rate = rate_of(optimiser)
    load_optimiser(optimiser, other.state_dict())
    assert rate.item() == 0.125
    assert all(group["lr"] is rate for group in optimiser.param_groups)


def test_a_cpu_refuses_fp16_and_takes_what_it_is_told() -> None:
    cpu = torch.device("cpu")
    assert autocast_dtype("fp32", cpu) is None
    assert autocast_dtype("bf16", cpu) is torch.bfloat16
    with pytest.raises(TrainingError, match="bf16 or fp32"):
        autocast_dtype("fp16", cpu)


@pytest.mark.parametrize("optimiser", ["adamw", "sgd"])
@pytest.mark.parametrize("was_channels_last", [False, True])
def test_moments_go_with_weights_that_lie_otherwise_than_when_they_were_saved(
    optimiser: str, was_channels_last: bool
) -> None:
    given = settings(optimiser=optimiser, learning_rate=1e-3)
    layouts = [torch.contiguous_format, torch.channels_last_3d]
    saved_layout, layout = reversed(layouts) if was_channels_last else layouts

    def made(layout: torch.memory_format) -> tuple[nn.Module, torch.optim.Optimizer]:
        torch.manual_seed(0)
        layer = nn.Conv3d(3, 5, 3)
        layer.weight.data = layer.weight.to(memory_format=layout)
        return layer, build_optimiser(layer, given)

    def step(layer: nn.Module, optimiser: torch.optim.Optimizer, seed: int) -> None:
        optimiser.zero_grad()
        generator = torch.Generator().manual_seed(seed)
        layer(torch.randn(2, 3, 4, 5, 6, generator=generator)).square().sum().backward()
        optimiser.step()

    whole, whole_optimiser = made(saved_layout)
    for seed in range(3):
        step(whole, whole_optimiser, seed)
    resumed, resumed_optimiser = made(layout)
    resumed.load_state_dict(whole.state_dict())
    load_optimiser(resumed_optimiser, copy.deepcopy(whole_optimiser.state_dict()))
    for layer, optimiser_of_layer in ((whole, whole_optimiser), (resumed, resumed_optimiser)):
        step(layer, optimiser_of_layer, 3)
    torch.testing.assert_close(resumed.state_dict(), whole.state_dict(), rtol=1e-4, atol=1e-6)
