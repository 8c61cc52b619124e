"""The forms of a step that the benchmark compares."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from pretended_card import CARD, pretended_card
from torch import nn

from vadsdk.data.bank_batches import BankBatches
from vadsdk.data.batches import ClipBatch
from vadsdk.methods import build_method, views
from vadsdk.models import build_model
from vadsdk.training.settings import TrainSettings
from vadsdk.training.speed import compiles, graphs
from vadsdk.training.step import TrainingStep

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def step_forms(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import step_forms

    return step_forms


@pytest.fixture
def setting(step_forms: Any) -> Any:
    return replace(step_forms.SETTINGS["cpu"], num_labelled=1, num_unlabelled=1)


def sources_on(device: torch.device, setting: Any, folder: Path) -> dict[str, BankBatches]:
    import noise_bank
    import step_forms

    noise_bank.write_noise_bank(folder / "noise.bank", setting.bank)
    bank = noise_bank.opened(folder / "noise.bank")
    placed = noise_bank.BankOnDevice(bank, device, byte_budget=bank.num_bytes)
    return {"from_device": step_forms.source_of(bank, placed, setting)}


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_ours_is_what_a_run_does_of_itself(step_forms: Any, device: str) -> None:
    setting = step_forms.SETTINGS[device]
    ours = step_forms.FORMS[setting.ours]
    assert setting.ours in setting.forms
    method = build_method("e2e", build_model("videocapsnet-n", 3), {"seed": 0})
    # in a precision that is known without a card; "auto" of a form is the default
    given = (TrainSettings(precision="fp32"), method, torch.device(device), print)
    assert ours.compiles is compiles(*given)
    assert ours.captures is graphs(*given)
    assert ours.precision == TrainSettings().precision


def test_forms_take_the_same_steps(
    step_forms: Any, setting: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(step_forms, "NUM_BLOCKS", 2)
    sources = sources_on(torch.device("cpu"), setting, tmp_path)
    plain = step_forms.measure_form("plain", sources, setting, 2)
    sources["from_host"] = left_on_the_host(sources["from_device"])
    eager = step_forms.measure_form("eager", sources, setting, 2)
    for numbers, num_first in ((plain, 2), (eager, 4), (eager["from_host"], 4)):
        assert (numbers["num_first"], numbers["num_steps"]) == (num_first, 2)
        assert numbers["seconds"] == pytest.approx(sum(numbers["seconds_of_blocks"]) / 2)
        assert numbers["peak_bytes"] > 0
    assert eager["first_loss"] == pytest.approx(plain["first_loss"], rel=0.05)


def left_on_the_host(source: BankBatches) -> BankBatches:
    from vadsdk.data.bank_on_device import BankOnDevice

    sampler = source._sampler
    assert sampler.videos.whole_bank is not None
    return BankBatches(sampler, BankOnDevice(sampler.videos.whole_bank, "cpu", byte_budget=0))


@pytest.mark.filterwarnings("ignore:.*Disabling:UserWarning")  # autocast, where there is no card
@pytest.mark.parametrize("name", ["eager", "plain"])
def test_a_step_stays_on_the_card(
    step_forms: Any, setting: Any, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def on_one_stream(source: BankBatches, start: int, stop: int) -> Iterator[ClipBatch]:
        return (source.batch(step) for step in range(start, stop))

    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda **_: True)
    # fused optimisers ask C++ where weights lie
    monkeypatch.setattr(TrainingStep, "_update", lambda step, is_finite: None)
    for function in ("synchronise", "start_peak", "peak_since"):
        monkeypatch.setattr(step_forms, function, lambda device: 1)
    monkeypatch.setattr(step_forms, "bank_batches", on_one_stream)
    with pretended_card():
        sources = sources_on(CARD, setting, tmp_path)
        numbers = step_forms.measure_form(name, sources, setting, 4)
    assert numbers["first_loss"] > 0
    assert numbers["num_steps"] == 4


@pytest.mark.parametrize("name", ["eager", "plain", "plain_tf32"])
def test_plain_steps_alone_have_torch_s_own_layout(
    step_forms: Any, setting: Any, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda **_: True)
    form = step_forms.FORMS[name]
    three_d = replace(setting, model="videocapsnet-s")
    with pretended_card(), ExitStack() as stack:
        for context in form.contexts:
            stack.enter_context(context())
        network = step_forms.make_trainer(CARD, three_d, form).network
        of_views = views._format_for(CARD)
    weights = [m.weight for m in network.modules() if isinstance(m, nn.Conv3d | nn.ConvTranspose3d)]
    assert weights
    is_plain = name != "eager"
    assert all(weight.is_contiguous() for weight in weights) is is_plain
    assert (of_views is torch.contiguous_format) is is_plain
    assert form.takes_references is is_plain
