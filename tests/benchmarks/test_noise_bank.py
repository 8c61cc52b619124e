"""The bank file that stands in for videos where nothing but torch and numpy is installed."""

from __future__ import annotations

import shutil
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from pretended_card import CARD, pretended_card

from vadsdk.data.bank_batches import BankBatches, bank_batches
from vadsdk.data.batches import ClipBatch
from vadsdk.data.clip_bank import ClipBank
from vadsdk.kernels.view_sources import gathered

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
SETTING = SimpleNamespace(num_labelled=2, num_unlabelled=3)


@pytest.fixture
def noise_bank(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import noise_bank

    return noise_bank


def size_of(noise_bank: Any, *, num_videos: int = 20, num_frames: int = 410) -> Any:
    return noise_bank.BankSize(
        num_videos=num_videos, num_frames=num_frames, stored=(20, 28), num_classes=4
    )


@pytest.fixture
def bank(noise_bank: Any, tmp_path: Path) -> ClipBank:
    noise_bank.write_noise_bank(tmp_path / "noise.bank", size_of(noise_bank))
    opened: ClipBank = noise_bank.opened(tmp_path / "noise.bank")
    return opened


def source_on(
    bank: ClipBank, noise_bank: Any, device: torch.device, *, is_resident: bool
) -> BankBatches:
    import step_forms

    placed = noise_bank.placed(bank, device, is_resident=is_resident)
    return step_forms.source_of(bank, placed, SETTING)


def assert_equal(batch: ClipBatch, expected: ClipBatch) -> None:
    assert torch.equal(gathered(batch.clips).cpu(), gathered(expected.clips))
    for name in ("masks", "class_indices", "labelled"):
        assert torch.equal(getattr(batch, name).cpu(), getattr(expected, name)), name
    assert batch.num_labelled == expected.num_labelled == SETTING.num_labelled


def test_a_bank_has_as_many_videos_frames_and_classes_as_were_asked_for(
    bank: ClipBank, noise_bank: Any, tmp_path: Path
) -> None:
    assert not list(tmp_path.iterdir())  # its room is free once it is closed
    assert len(bank.records) == 20
    assert sum(bank.num_frames.values()) == len(bank.frames) == 410
    assert bank.num_bytes == 410 * size_of(noise_bank).frame_bytes
    labelled = [record for record in bank.records if record.labelled]
    assert len(labelled) == 6
    assert {tube.label for record in labelled for tube in record.tubes} == set(bank.labels)
    assert len(bank.labels) == 4
    frames = bank.frames[:8].float()
    assert frames.std() == pytest.approx(256 / 12**0.5, rel=0.05)
    assert not torch.equal(frames[0], frames[1])


@pytest.mark.parametrize("is_resident", [False, True])
def test_batches_are_those_of_the_sampler(
    bank: ClipBank, noise_bank: Any, is_resident: bool
) -> None:
    source = source_on(bank, noise_bank, torch.device("cpu"), is_resident=is_resident)
    assert source.bank.is_resident is is_resident
    with closing(bank_batches(source, 0, 3)) as batches:
        for step, batch in enumerate(batches):
            assert_equal(batch, source._sampler.batch(step))
            assert batch.masks[:2].any()
            assert not batch.masks[2:].any()


@pytest.mark.parametrize("is_resident", [False, True])
def test_batches_come_to_a_card(
    bank: ClipBank, noise_bank: Any, is_resident: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    import step_forms

    expected = source_on(bank, noise_bank, torch.device("cpu"), is_resident=True).batch(0)
    new_empty = torch.Tensor.new_empty

    def unlocked(tensor: torch.Tensor, *size: Any, pin_memory: bool = False) -> torch.Tensor:
        return new_empty(tensor, *size)

    with pretended_card():
        budget = bank.num_bytes if is_resident else 0
        placed = noise_bank.BankOnDevice(bank, CARD, byte_budget=budget)
        if not is_resident:  # no memory is page-locked without a card
            monkeypatch.setattr(torch.Tensor, "new_empty", unlocked)
        batch = step_forms.source_of(bank, placed, SETTING).batch(0)
        assert {value.device for value in batch.tensors().values()} == {CARD}
        assert batch.clips.device == CARD
        assert_equal(batch, expected)


@pytest.mark.gpu
@pytest.mark.parametrize("is_resident", [False, True])
def test_on_a_card_batches_are_those_of_the_sampler(
    bank: ClipBank, noise_bank: Any, is_resident: bool
) -> None:
    source = source_on(bank, noise_bank, torch.device("cuda"), is_resident=is_resident)
    assert source.bank.frames.is_cuda == is_resident
    with closing(bank_batches(source, 0, 40)) as batches:
        found = [batch.to("cpu") for batch in batches]
    assert len(found) == 40
    for step, batch in enumerate(found):
        assert_equal(batch, source._sampler.batch(step))


def test_a_small_or_slow_disk_gets_fewer_videos_but_every_class(
    noise_bank: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = size_of(noise_bank, num_videos=1000, num_frames=20_000)
    assert noise_bank.affordable(wanted, tmp_path, 10) == wanted
    monkeypatch.setattr(noise_bank, "PROBE_BYTES", 2**16)
    assert noise_bank.affordable(wanted, tmp_path, 1e6) == wanted
    room = 2 * 5000 * wanted.frame_bytes  # of which half may be taken
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=room))
    small = noise_bank.affordable(wanted, tmp_path, 1e6)
    assert (small.num_videos, small.num_frames) == (250, 5000)
    slow = noise_bank.affordable(wanted, tmp_path, 1e-9)
    assert (slow.num_videos, slow.num_frames) == (20, 400)  # 6 labelled ones for 4 classes
