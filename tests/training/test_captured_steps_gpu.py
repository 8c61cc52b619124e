"""Captured steps on a card: the same as eager ones, and as careful."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from banked import banked
from steps_on_card import CUDA, NUM_STEPS, exact, losses_of, trainer_of
from test_every_pair import batch_for
from torch import Tensor

from vadsdk.data.batches import ClipBatch
from vadsdk.errors import TrainingError
from vadsdk.kernels.view_sources import IndexedClips
from vadsdk.training.loop import StepReport
from vadsdk.training.static_step import GraphedStep

pytestmark = pytest.mark.gpu

__all__ = ["exact"]


CAPTURED = [
    ("videocapsnet-n", "supervised"),
    ("videocapsnet-n", "e2e"),
    ("videocapsnet-n", "mean_teacher"),
    ("videocapsnet-n", "stable_mean_teacher"),
    ("videocapsnet-n", "mixmatch"),
    ("r3d-n", "fixmatch"),
    ("r3d-n", "mean_teacher"),
    ("videocapsnet-n", "temporal_gradient"),
]


@pytest.mark.parametrize(("model", "method"), CAPTURED)
def test_captured_steps_are_the_eager_ones(model: str, method: str) -> None:
    eager = trainer_of(model, method, cuda_graph=False)
    captured = trainer_of(model, method, cuda_graph=True)
    expected, found = losses_of(eager), losses_of(captured)
    assert isinstance(captured._take, GraphedStep)
    assert all(plan.graph is not None for plan in captured._take._plans.values())
    for ours, theirs in zip(found, expected, strict=True):
        assert ours == pytest.approx(theirs, rel=1e-3, abs=1e-5)
    ends = [
        {
            "network": trainer.network.state_dict(),
            "average": trainer.average.network.state_dict(),
            "method": trainer.method.state_dict(),  # its teachers, and where its draws stand
        }
        for trainer in (captured, eager)
    ]
    # On a CPU, weights shaken by 1e-7 of themselves end up to 1e-4 apart.
    torch.testing.assert_close(*ends, rtol=1e-3, atol=5e-4)


@pytest.mark.parametrize(("model", "dtype"), [("r3d-n", "bfloat16"), ("videocapsnet-n", "float32")])
def test_the_kernel_writes_views_as_the_network_takes_them(model: str, dtype: str) -> None:
    trainer = trainer_of(model, "fixmatch", precision="bf16", cuda_graph=False)
    seen: list[Tensor] = []
    trainer.network.register_forward_pre_hook(lambda network, inputs: seen.append(inputs[0]))
    losses_of(trainer, 0, 1)
    assert {clips.dtype for clips in seen} == {getattr(torch, dtype)}
    assert all(clips.is_contiguous(memory_format=torch.channels_last_3d) for clips in seen)


def test_captured_steps_read_the_clips_where_their_bank_lies() -> None:
    trainers = [trainer_of("r3d-n", "fixmatch", cuda_graph=graph) for graph in (False, True)]
    whole = banked(batch_for(trainers[0].network)).to(CUDA)
    bank, places = whole.bank(), whole.tensors()["clips"]
    assert bank is not None
    found = []
    for trainer, is_banked in zip(trainers, (False, True), strict=True):
        batches = []
        for step in range(NUM_STEPS):
            clips = IndexedClips(bank, (places + step) % len(bank))
            given = clips if is_banked else clips.gathered()
            batches.append(replace(whole, clips=given, successors=given))
        reports: list[StepReport] = []
        trainer.run(iter(batches), reports.append)
        found.append([dict(report.losses) for report in reports])
    for ours, theirs in zip(*found, strict=True):
        assert ours == pytest.approx(theirs, rel=1e-3, abs=1e-5)


def test_a_captured_run_goes_on_where_it_was_saved() -> None:
    whole = trainer_of("videocapsnet-n", "e2e", cuda_graph=True)
    expected = losses_of(whole)
    first = trainer_of("videocapsnet-n", "e2e", cuda_graph=True)
    losses_of(first, 0, 10)
    resumed = trainer_of("videocapsnet-n", "e2e", cuda_graph=True)
    resumed.load_state_dict(first.state_dict())
    found = losses_of(resumed, 10, NUM_STEPS)
    for ours, theirs in zip(found, expected[10:], strict=True):
        assert ours == pytest.approx(theirs, rel=1e-3, abs=1e-5)


def test_a_captured_step_that_is_not_finite_is_named_and_leaves_the_weights_good(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    trainer = trainer_of("videocapsnet-n", "e2e", cuda_graph=True)
    factor = torch.ones((), device=CUDA)
    learn = trainer.method.losses

    def spoilt(batch: ClipBatch, progress: Any) -> dict[str, Tensor]:
        losses = learn(batch, progress)
        return losses | {"loc_dice": losses["loc_dice"] * factor}

    monkeypatch.setattr(trainer.method, "losses", spoilt)
    losses_of(trainer, 0, 10)
    before = {name: value.clone() for name, value in trainer.network.named_parameters()}
    factor.fill_(torch.nan)
    with pytest.raises(TrainingError, match="loss loc_dice is not finite at step 10"):
        losses_of(trainer, 10, 11)
    assert all(
        torch.equal(before[name], value) for name, value in trainer.network.named_parameters()
    )


def test_phases_are_captured_apart() -> None:
    trainer = trainer_of("videocapsnet-n", "pseudo_label", cuda_graph=True, max_steps=30)
    losses_of(trainer, 0, 30)
    assert isinstance(trainer._take, GraphedStep)
    assert [phase for phase, _ in trainer._take._plans] == [0, 1, 2]
    assert all(plan.graph is not None for plan in trainer._take._plans.values())
