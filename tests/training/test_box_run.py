"""Box networks from their data to their scores."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from vadsdk.errors import TrainingError
from vadsdk.models.checkpoint_file import load_checkpoint
from vadsdk.training import run_folder
from vadsdk.training.loop import StepReport
from vadsdk.training.running import run_training
from vadsdk.training.settings import RunConfig, with_overrides
from vadsdk.training.watcher import SilentWatcher


def tiny_run(data: Path, *overrides: str) -> RunConfig:
    return with_overrides(
        RunConfig(model="yowo-n"),
        [
            f"data.root={data}",
            "data.labelled_fraction=0.5",
            'model_settings={"input_size": 64, "channels": [8, 8, 16, 16], "blocks": [1, 1]}',
            "train.max_steps=3",
            "train.batch_labelled=2",
            "train.batch_unlabelled=2",
            "train.log_every=1",
            "train.save_every=2",
            "train.precision=fp32",
            *overrides,
        ],
    )


class StopAt(SilentWatcher):
    def __init__(self, step: int) -> None:
        self._step = step

    def step(self, report: StepReport) -> None:
        if report.step == self._step:
            raise KeyboardInterrupt


def test_the_supervised_baseline_trains_and_scores_boxes(toy_folder: Path, tmp_path: Path) -> None:
    config = tiny_run(toy_folder, "method=supervised", "train.batch_unlabelled=0")
    result = run_training(run_folder.start_run(tmp_path, config, resume=False), tmp_path)
    assert result.spec.kind == "box"
    assert result.scores is not None
    [*_, last] = run_folder.read_metrics(tmp_path)
    assert {"box", "objectness", "box_cls", "frame_cls"} < set(last)


def test_dual_guidance_runs_resumes_exactly_and_deploys_the_student_alone(
    toy_folder: Path, tmp_path: Path
) -> None:
    config = tiny_run(
        toy_folder,
        "method=dual_guidance",
        'method_settings={"burn_in_fraction": 0.3, "pseudo_boxes": {"frame_threshold": 0.0}}',
    )
    whole = tmp_path / "whole"
    run_training(run_folder.start_run(whole, config, resume=False), whole)
    parts = tmp_path / "parts"
    stopped = run_folder.start_run(parts, config, resume=False)
    with pytest.raises(TrainingError, match="stopped at step 2 of 3"):
        run_training(stopped, parts, watcher=StopAt(2))
    run_training(run_folder.start_run(parts, config, resume=True), parts)
    (first, spec), (second, _) = (load_checkpoint(run / run_folder.BEST) for run in (whole, parts))
    assert spec.model == "yowo-n"
    assert not any(name.startswith("teacher") for name in first.state_dict())
    for name, value in second.state_dict().items():
        assert torch.equal(value, first.state_dict()[name]), name
    rows = run_folder.read_metrics(parts)
    assert "pseudo_frame_cls" not in rows[0]
    assert rows[-1]["pseudo_frame_cls"] > 0
    assert rows[-1]["unlabelled_temporal"] > 0
