from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from vadsdk.data.batches import ClipBatch
from vadsdk.data.dataset import open_dataset
from vadsdk.data.splits import LEARNED_SPLIT, LabelledSplit
from vadsdk.errors import DatasetError, ModelFileError, TrainingError
from vadsdk.methods import E2E
from vadsdk.models.checkpoint_file import load_checkpoint
from vadsdk.training import run_folder
from vadsdk.training.loop import StepReport
from vadsdk.training.running import run_training
from vadsdk.training.session import RunResult, Session
from vadsdk.training.settings import RunConfig, read_config, with_overrides
from vadsdk.training.watcher import SilentWatcher


def tiny_run(data: Path, *overrides: str) -> RunConfig:
    return with_overrides(
        RunConfig(),
        [
            f"data.root={data}",
            "data.labelled_fraction=0.5",
            "data.store_size=112",
            "train.max_steps=4",
            "train.batch_labelled=2",
            "train.batch_unlabelled=1",
            "train.log_every=1",
            "train.save_every=2",
            "train.precision=fp32",
            *overrides,
        ],
    )


class StopAt(SilentWatcher):
    """Presses Ctrl-C after a step, as a user would: in the middle of the loop."""

    def __init__(self, step: int) -> None:
        self._step = step

    def step(self, report: StepReport) -> None:
        if report.step == self._step:
            raise KeyboardInterrupt


class Notes(SilentWatcher):
    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


def train(
    config: RunConfig, folder: Path, watcher: SilentWatcher | None = None, device: str = "cpu"
) -> RunResult:
    resume = (folder / run_folder.CONFIG).is_file()
    chosen = run_folder.start_run(folder, config, resume=resume)
    return Session(chosen, folder, device, watcher).run()


def weights(folder: Path) -> dict[str, torch.Tensor]:
    network, _ = load_checkpoint(folder / run_folder.BEST)
    return network.state_dict()


def test_a_run_that_was_stopped_and_resumed_ends_with_the_weights_of_one_that_was_not(
    toy_folder: Path, tmp_path: Path
) -> None:
    config = tiny_run(toy_folder)
    train(config, tmp_path / "whole")
    with pytest.raises(TrainingError, match=r"stopped at step 3 of 4; .* --resume"):
        train(config, tmp_path / "stopped", StopAt(3))
    train(config, tmp_path / "stopped")
    whole, stopped = weights(tmp_path / "whole"), weights(tmp_path / "stopped")
    assert all(torch.equal(whole[name], stopped[name]) for name in whole)
    rows = run_folder.read_metrics(tmp_path / "stopped")
    assert [row["step"] for row in rows] == [1, 2, 3, 4]


def test_another_seed_ends_with_other_weights(toy_folder: Path, tmp_path: Path) -> None:
    for seed in (0, 1):
        train(tiny_run(toy_folder, "train.max_steps=1", f"train.seed={seed}"), tmp_path / str(seed))
    first, second = weights(tmp_path / "0"), weights(tmp_path / "1")
    assert not torch.equal(first["poses.weight"], second["poses.weight"])


def test_a_run_leaves_everything_that_a_user_needs(toy_folder: Path, tmp_path: Path) -> None:
    config = tiny_run(toy_folder, "train.max_steps=1", "method=supervised")
    folder = tmp_path / "run"
    run_folder.start_run(folder, config, resume=False)
    result = run_training(config, folder)
    names = {path.name for path in folder.iterdir()}
    expected = {"best.safetensors", "last.safetensors", "resume.pt", "metrics.jsonl", "report.html"}
    assert expected | {"config.json", "scores.json"} <= names
    assert any(name.startswith("events.out.tfevents") for name in names)
    assert result.scores is not None
    assert result.spec.labels == load_checkpoint(folder / "best.safetensors")[1].labels
    page = (folder / "report.html").read_text()
    assert "video mAP@0.5" in page
    assert page.count("<img") >= 2  # the curves and at least one strip of a test video
    assert "http" not in page  # one file that needs nothing from outside


def test_a_list_of_labelled_videos_may_be_gone_at_the_end_of_its_run(
    toy_folder: Path, tmp_path: Path
) -> None:
    names = [record.name for record in open_dataset(toy_folder).split(LEARNED_SPLIT)]
    listed = tmp_path / "list.json"
    split = LabelledSplit(fraction=0.25, seed=0, labelled=names[: len(names) // 4])
    listed.write_text(split.model_dump_json())
    small = ("model=videocapsnet-n", "model_settings.input_size=80", "data.store_size=80")
    only = ("data.labelled_fraction=1.0", f"data.labelled_list={listed}", "train.max_steps=1")
    config = tiny_run(toy_folder, *small, *only)

    class Remove(SilentWatcher):
        def step(self, report: StepReport) -> None:
            listed.unlink()

    result = run_training(config, tmp_path / "run", watcher=Remove())
    assert dict(result.spec.provenance)["labelled_fraction"] == "0.25"
    report = (tmp_path / "run" / run_folder.REPORT).read_text()
    assert "with 25% of the labels" in report


def test_a_full_disk_leaves_the_earlier_checkpoint_and_says_so(
    toy_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "run"
    config = tiny_run(toy_folder)
    with pytest.raises(TrainingError, match="stopped at step 2"):
        train(config, folder, StopAt(2))
    before = (folder / "last.safetensors").read_bytes()

    def full(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises((TrainingError, ModelFileError), match=r"No space left|Free some space"):
        train(config, folder)
    assert (folder / "last.safetensors").read_bytes() == before
    assert not [path for path in folder.iterdir() if "partial" in path.name]


def test_a_run_that_could_not_start_leaves_the_folder_free(tmp_path: Path) -> None:
    config = tiny_run(tmp_path / "nowhere")
    with pytest.raises(DatasetError, match="nowhere does not exist"):
        train(config, tmp_path / "run")
    assert run_folder.start_run(tmp_path / "run", config, resume=False) == config


def test_a_video_that_cannot_be_decoded_is_reported_and_the_rest_is_learned_from(
    toy_folder: Path, tmp_path: Path
) -> None:
    footage = tmp_path / "footage"
    footage.mkdir()
    (footage / "broken.mp4").write_text("not a video")
    config = tiny_run(toy_folder, "train.max_steps=1", f'data.unlabelled=["{footage}"]')
    watcher = Notes()
    train(config, tmp_path / "run", watcher)
    assert [note for note in watcher.notes if "broken" in note and note.startswith("skipped")]


def test_a_model_that_says_where_refuses_data_that_says_what_alone(
    toy_folder: Path, tmp_path: Path
) -> None:
    document = json.loads((toy_folder / "dataset.json").read_text(encoding="utf-8"))
    for video in document["videos"]:
        video |= {"video_label": document["labels"][0], "tubes": [], "masks": None}
        (tmp_path / video["path"]).parent.mkdir(exist_ok=True)
        (tmp_path / video["path"]).hardlink_to(toy_folder / video["path"])
    (tmp_path / "dataset.json").write_text(json.dumps(document), encoding="utf-8")
    with pytest.raises(DatasetError, match="class each and no boxes, and videocapsnet-s learns"):
        train(tiny_run(tmp_path), tmp_path / "run")


def test_the_network_learns_eight_clips_by_heart(toy_folder: Path, tmp_path: Path) -> None:
    config = tiny_run(
        toy_folder,
        "method=supervised",
        'method_settings={"view": "identity", "terms": {"classification": "cross_entropy"}}',
        "data.labelled_fraction=1.0",
        "train.max_steps=120",
        "train.batch_labelled=8",
        "train.batch_unlabelled=0",
        "train.warmup_steps=10",
        "train.save_every=120",
        "train.precision=auto",
    )
    train(config, tmp_path / "run")
    rows = run_folder.read_metrics(tmp_path / "run")
    first, last = rows[0], rows[-1]
    assert last["cls"] < 0.5 * first["cls"]
    assert last["loc_bce"] < 0.6 * first["loc_bce"]
    assert last["loc_dice"] < 0.8 * first["loc_dice"]


def test_a_loss_that_becomes_nan_stops_the_run_and_leaves_the_last_good_checkpoint(
    toy_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    learn, calls = E2E.losses, iter(range(10))

    def spoilt(method: E2E, batch: ClipBatch, progress: float) -> dict[str, torch.Tensor]:
        losses = learn(method, batch, progress)
        return losses | {"loc_dice": losses["loc_dice"] * (torch.nan if next(calls) == 2 else 1)}

    monkeypatch.setattr(E2E, "losses", spoilt)
    config = tiny_run(toy_folder, "train.save_every=1", "train.precision=bf16")
    expected = r"loss loc_dice is not finite at step 2; .* are of step 2\. Go on .* --resume, with"
    with pytest.raises(TrainingError, match=expected):
        train(config, tmp_path / "run")
    network, _ = load_checkpoint(tmp_path / "run" / run_folder.LAST)
    assert all(torch.isfinite(value).all() for value in network.state_dict().values())
    monkeypatch.setattr(E2E, "losses", learn)
    remedy = ["train.learning_rate=1e-4", "train.precision=fp32"]
    train(with_overrides(config, remedy), tmp_path / "run")  # goes on from step 2
    rows = run_folder.read_metrics(tmp_path / "run")
    assert [row["step"] for row in rows] == [1, 2, 3, 4]
    assert read_config(tmp_path / "run" / run_folder.CONFIG).train.learning_rate == 1e-4


def test_a_run_that_diverges_before_anything_is_saved_says_so(
    toy_folder: Path, tmp_path: Path
) -> None:
    config = tiny_run(toy_folder, "train.learning_rate=1e30", "train.warmup_steps=0")
    config = with_overrides(config, ["train.save_every=100", "train.max_steps=100"])
    with pytest.raises(TrainingError, match=r"is not finite at step \d+; nothing is saved yet"):
        train(config, tmp_path / "run")
    assert not (tmp_path / "run" / run_folder.RESUME).exists()


def test_a_run_whose_saved_weights_are_spoilt_is_not_sent_round_in_circles(
    toy_folder: Path, tmp_path: Path
) -> None:
    rate = ("train.learning_rate=1e30", "train.warmup_steps=0", "train.save_every=1")
    config = tiny_run(toy_folder, *rate)
    with pytest.raises(TrainingError, match=r"are of step 1\. Go on from there: .*=fp32$"):
        train(config, tmp_path / "run")
    with pytest.raises(TrainingError, match=r"these weights are spoilt already: start anew$"):
        train(with_overrides(config, ["train.learning_rate=1e-5"]), tmp_path / "run")


@pytest.mark.parametrize("schedule", ["constant", "plateau"])
def test_a_resumed_run_takes_its_steps_at_the_rate_that_it_is_given(
    toy_folder: Path, tmp_path: Path, schedule: str
) -> None:
    first = tiny_run(toy_folder, f"train.schedule={schedule}", "train.warmup_steps=0")
    with pytest.raises(TrainingError, match="stopped at step 2"):
        train(first, tmp_path / "run", StopAt(2))
    notes = Notes()
    second = with_overrides(first, ["train.learning_rate=1e-5"])
    train(second, tmp_path / "run", notes)
    rates = [row["learning_rate"] for row in run_folder.read_metrics(tmp_path / "run")]
    assert rates == [0.0015, 0.0015, 1e-5, 1e-5]
    assert "resuming at step 2" in notes.notes
    train(second, tmp_path / "run", notes)
    taken, more = notes.notes[-1].split(". ")
    assert taken == "all steps are taken: it is only scored again"
    assert more.endswith(f"vadsdk train --out OTHER --weights {tmp_path / 'run'} ...")


def test_a_resumed_run_needs_no_file_of_weights(toy_folder: Path, tmp_path: Path) -> None:
    train(tiny_run(toy_folder, "train.max_steps=1"), tmp_path / "other")
    file = tmp_path / "other" / run_folder.BEST
    config = with_overrides(tiny_run(toy_folder), [f"weights={file}"])
    with pytest.raises(TrainingError, match="stopped at step 3"):
        train(config, tmp_path / "run", StopAt(3))
    file.unlink()
    notes = Notes()
    train(config, tmp_path / "run", notes)
    assert not any("initial weights" in note for note in notes.notes)
    stored = read_config(tmp_path / "run" / run_folder.CONFIG)
    assert stored.weights == (str(file),)  # as it began


def test_a_run_with_fewer_labelled_videos_than_clips_a_step_says_so_first(
    toy_folder: Path, tmp_path: Path
) -> None:
    notes = Notes()
    few = "data.labelled_fraction=0.01"
    train(
        tiny_run(toy_folder, few, "train.batch_labelled=40", "train.max_steps=1"),
        tmp_path / "run",
        notes,
    )
    assert any("labelled videos for 40 labelled clips a step" in note for note in notes.notes)
