"""Recognisers from their data to their scores, on trimmed videos and on detection data."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch

from vadsdk.data.dataset import open_dataset
from vadsdk.errors import TrainingError
from vadsdk.evaluation.recognition import RecognitionScores
from vadsdk.models.checkpoint_file import load_checkpoint
from vadsdk.training import run_folder
from vadsdk.training.loop import StepReport
from vadsdk.training.running import run_training
from vadsdk.training.scoring import score_network
from vadsdk.training.session import Session
from vadsdk.training.settings import RunConfig, with_overrides
from vadsdk.training.watcher import SilentWatcher


def tiny_run(data: Path, *overrides: str) -> RunConfig:
    return with_overrides(
        RunConfig(model="r3d-n"),
        [
            f"data.root={data}",
            "model_settings.input_size=64",
            "train.max_steps=3",
            "train.batch_labelled=2",
            "train.batch_unlabelled=2",
            "train.log_every=1",
            "train.save_every=2",
            "train.precision=fp32",
            *overrides,
        ],
    )


@pytest.fixture(scope="module")
def trimmed_folder(toy_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Toy videos in the layout of UCF-101: a class a video, and no box."""
    root = tmp_path_factory.mktemp("trimmed")
    lists = root / "ucfTrainTestlist"
    lists.mkdir()
    lines: dict[str, list[str]] = {"train": [], "test": []}
    labels = ["jump", "run"]
    for record in open_dataset(toy_folder).records:
        label = record.tubes[0].label if record.tubes else ""
        if label not in labels or len(lines[record.split]) > 5:
            continue
        place = Path(label) / f"v_{record.path.stem}.mp4"
        (root / "UCF-101" / label).mkdir(parents=True, exist_ok=True)
        shutil.copy(record.path, root / "UCF-101" / place)
        suffix = f" {labels.index(label) + 1}" if record.split == "train" else ""
        lines[record.split].append(f"{place.as_posix()}{suffix}\n")
    (lists / "classInd.txt").write_text("1 jump\n2 run\n")
    for split, places in lines.items():
        (lists / f"{split}list01.txt").write_text("".join(places))
    return root


def test_a_recogniser_learns_a_few_clips_by_heart(toy_folder: Path, tmp_path: Path) -> None:
    """One video a class of detection data; clips take the class of the tube that they show."""
    config = tiny_run(
        toy_folder,
        "method=supervised",
        'method_settings={"view": "identity"}',
        "model_settings.dropout=0",
        "data.labelled_fraction=0.01",
        "train.max_steps=60",
        "train.batch_labelled=8",
        "train.batch_unlabelled=0",
        "train.warmup_steps=5",
        "train.ema_decay=0.9",
    )
    session = Session(run_folder.start_run(tmp_path / "run", config, resume=False), tmp_path)
    session.run()
    network, spec = load_checkpoint(tmp_path / run_folder.BEST)
    learned = [r for r in session.dataset.split("train") if r.labelled]
    assert len(learned) == len(session.dataset.labels)
    scores = score_network(
        network, spec, session.dataset, learned, device="cpu", progress=lambda done, total: None
    )
    assert isinstance(scores, RecognitionScores)
    assert scores.top_1 == 1.0


class StopAt(SilentWatcher):
    def __init__(self, step: int) -> None:
        self._step = step

    def step(self, report: StepReport) -> None:
        if report.step == self._step:
            raise KeyboardInterrupt


def test_paper_3_runs_on_trimmed_videos_resumes_exactly_and_deploys_one_network(
    trimmed_folder: Path, tmp_path: Path
) -> None:
    config = tiny_run(
        trimmed_folder,
        "method=temporal_gradient",
        'method_settings={"warmup_fraction": 0.3, "pseudo_threshold": 0.0}',
        "data.labelled_fraction=0.5",
    )
    whole = run_training(run_folder.start_run(tmp_path / "a", config, resume=False), tmp_path / "a")
    stopped = run_folder.start_run(tmp_path / "b", config, resume=False)
    with pytest.raises(TrainingError, match="stopped at step 2 of 3"):
        run_training(stopped, tmp_path / "b", watcher=StopAt(2))
    run_training(run_folder.start_run(tmp_path / "b", config, resume=True), tmp_path / "b")
    (first, spec), (second, _) = (
        load_checkpoint(tmp_path / run / run_folder.BEST) for run in ("a", "b")
    )
    pairs = zip(first.state_dict().items(), second.state_dict().values(), strict=True)
    assert all(torch.equal(value, other) for (_, value), other in pairs)
    assert not any("gradient" in name for name in first.state_dict())
    assert (spec.kind, spec.labels) == ("recognition", ("jump", "run"))
    rows = run_folder.read_metrics(tmp_path / "b")
    assert {"align_4", "contrast", "gradient_pseudo_cls"} <= rows[-1].keys()
    assert isinstance(whole.scores, RecognitionScores)
    written = json.loads((tmp_path / "a" / run_folder.SCORES).read_text())
    assert written["num_videos"] == whole.scores.num_videos == 2
    assert "top-1 accuracy" in (tmp_path / "a" / run_folder.REPORT).read_text()


def test_the_best_checkpoint_is_chosen_by_top_1_on_the_validation_split(
    toy_folder: Path, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    shutil.copytree(toy_folder, data)
    values = json.loads((data / "dataset.json").read_text())
    for video in values["videos"]:
        if video["split"] == "test":
            video["split"] = "val"
    (data / "dataset.json").write_text(json.dumps(values))
    config = tiny_run(data, "method=supervised", "train.batch_unlabelled=0", "train.max_steps=1")
    folder = tmp_path / "run"
    result = run_training(run_folder.start_run(folder, config, resume=False), folder)
    assert result.scores is None  # there is no test split
    chosen = run_folder.read_metrics(folder)[-1]["val_top_1"]
    assert 0 <= chosen <= 1
    assert (folder / run_folder.BEST).is_file()
    (folder / run_folder.BEST).unlink()  # as after a stop in the only validation
    run_training(run_folder.start_run(folder, config, resume=True), folder)
    assert (folder / run_folder.BEST).is_file()
