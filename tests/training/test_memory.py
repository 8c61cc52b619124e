from __future__ import annotations

from pathlib import Path

import pytest
import torch
from test_session import tiny_run, train

from vadsdk.data.batches import ClipBatch
from vadsdk.errors import TrainingError
from vadsdk.methods import E2E
from vadsdk.training import run_folder
from vadsdk.training.session import Session


def test_a_step_that_does_not_fit_says_what_to_lower_and_leaves_the_folder_free(
    toy_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    learn, config = E2E.losses, tiny_run(toy_folder, "train.max_steps=2", "train.save_every=1")

    def huge(method: E2E, batch: ClipBatch, progress: float) -> dict[str, torch.Tensor]:
        if progress >= first_huge:
            torch.empty(1 << 58)
        return learn(method, batch, progress)

    monkeypatch.setattr(E2E, "losses", huge)
    first_huge = 0.0
    with pytest.raises(
        TrainingError, match=r"batch_unlabelled \(2 and 1 clips\) does not fit .*\)$"
    ):
        train(config, tmp_path / "run")
    assert not any((tmp_path / "run").iterdir())
    first_huge = 0.5
    with pytest.raises(TrainingError, match=r"does not fit .* at step 1 of 2; everything is saved"):
        train(config, tmp_path / "run")
    first_huge = 1.0
    train(config, tmp_path / "run")
    assert len(run_folder.read_metrics(tmp_path / "run")) == 2


def test_a_step_that_runs_out_of_memory_without_a_word_is_explained_too(
    toy_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def huge(method: E2E, batch: ClipBatch, progress: float) -> dict[str, torch.Tensor]:
        bytearray(1 << 62)
        return {}

    monkeypatch.setattr(E2E, "losses", huge)
    with pytest.raises(TrainingError, match=r"does not fit .* \(MemoryError\)$"):
        train(tiny_run(toy_folder), tmp_path / "run")


def test_running_out_of_memory_between_steps_is_not_blamed_on_the_clips_of_a_step(
    toy_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def huge(*arguments: object, **options: object) -> None:
        raise MemoryError("while validating")

    monkeypatch.setattr(Session, "_due", lambda session, step: (True, False))
    monkeypatch.setattr("vadsdk.training.session.score_network", huge)
    with pytest.raises(MemoryError, match="while validating"):
        train(tiny_run(toy_folder), tmp_path / "run")
    assert (tmp_path / "run" / run_folder.CONFIG).is_file()
