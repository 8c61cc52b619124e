from __future__ import annotations

import signal
from pathlib import Path

import pytest
from tiny_data import make_dataset
from typer.testing import CliRunner, Result

from vadsdk.cli.app import app
from vadsdk.cli.run_log import RunLog
from vadsdk.cli.train import METHOD_NAMES, MODEL_NAMES
from vadsdk.methods import METHODS
from vadsdk.models import MODELS
from vadsdk.training import run_folder
from vadsdk.training.loop import StepReport
from vadsdk.training.settings import read_config


def test_the_help_names_every_network_and_method_that_there_is() -> None:
    assert sorted(MODEL_NAMES) == sorted(MODELS)
    assert sorted(METHOD_NAMES) == sorted(METHODS)


def test_a_method_that_has_no_use_for_unlabelled_clips_asks_for_none(tmp_path: Path) -> None:
    data = make_dataset(tmp_path / "data")  # all of it is labelled
    small = {"model_settings.input_size": 80, "train.max_steps": 1, "data.bank": "off"}
    settings = [part for name, value in small.items() for part in ("--set", f"{name}={value}")]
    options = ["train", "--data", str(data), "--model", "videocapsnet-n", *settings]
    refused = run(*options, "--method", "e2e", "--out", tmp_path / "e2e")
    assert refused.exit_code == 1
    assert "every video is labelled" in " ".join(refused.output.split())
    done = run(*options, "--method", "supervised", "--out", tmp_path / "supervised")
    assert done.exit_code == 0, done.output
    config = read_config(tmp_path / "supervised" / run_folder.CONFIG)
    assert config.train.batch_unlabelled == 0
    named = [*options, "--set", "method=supervised", "--out", tmp_path / "named"]
    assert run(*named).exit_code == 0
    asked = run(*named[:-1], tmp_path / "asked", "--set", "train.batch_unlabelled=2")
    assert "every video is labelled" in " ".join(asked.output.split())


def test_a_stopped_run_goes_on_with_another_rate_and_nothing_else_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, out = make_dataset(tmp_path / "data"), tmp_path / "run"
    small = {"model_settings.input_size": 80, "train.max_steps": 2, "data.bank": "off"}
    small |= {"train.log_every": 1, "train.warmup_steps": 0, "train.schedule": "constant"}
    settings = [part for name, value in small.items() for part in ("--set", f"{name}={value}")]
    options = ["--data", data, "--model", "videocapsnet-n", "--method", "supervised", *settings]

    def press_ctrl_c(display: RunLog, report: StepReport) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(RunLog, "step", press_ctrl_c)
        stopped = run("train", *options, "--out", out)
    assert "stopped at step 1 of 2" in " ".join(stopped.output.split())
    rate = "train.learning_rate=1e-5"
    other = run("train", "--out", out, "--resume", "--set", rate, "--set", "train.max_steps=3")
    assert other.exit_code == 1
    text = " ".join(other.output.split())
    assert "train.max_steps is 2 there, not 3" in text
    assert "With --set may change: train.learning_rate" in text
    done = run("train", "--out", out, "--resume", "--set", rate)
    assert done.exit_code == 0, done.output
    assert "train.learning_rate was 0.0015 so far and is 1e-05" in " ".join(done.output.split())
    rates = [row["learning_rate"] for row in run_folder.read_metrics(out)]
    assert rates == [0.0015, 1e-5]
    again = run("train", *options, "--out", out, "--resume")  # what it was started with
    assert again.exit_code == 0, again.output
    assert read_config(out / run_folder.CONFIG).train.learning_rate == 1e-5


def test_a_run_that_is_asked_to_end_saves_and_says_how_it_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, out = make_dataset(tmp_path / "data"), tmp_path / "run"
    small = {"model_settings.input_size": 80, "train.max_steps": 3, "data.bank": "off"}
    settings = [part for name, value in small.items() for part in ("--set", f"{name}={value}")]
    options = ["--data", data, "--model", "videocapsnet-n", "--method", "supervised", *settings]

    def terminate(log: RunLog, report: StepReport) -> None:
        if report.step == 2:
            signal.raise_signal(signal.SIGTERM)

    with monkeypatch.context() as patch:
        patch.setattr(RunLog, "step", terminate)
        ended = run("train", *options, "--out", out)
    assert ended.exit_code == 143
    assert "stopped at step 2 of 3; everything is saved: go on with the same" in ended.stderr
    done = run("train", *options, "--out", out, "--resume")
    assert done.exit_code == 0, done.output
    assert "resuming at step 2" in done.stderr
    assert "training supervised 3/3  " in done.stderr

    def press_ctrl_c(*arguments: object, **options: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("vadsdk.training.session.score_network", press_ctrl_c)
        scoring = run("train", *options, "--out", out, "--resume")
    assert scoring.exit_code == 130
    assert "stopped at step 3 of 3; everything is saved: go on with the same" in scoring.stderr


def test_a_run_goes_on_where_its_data_has_moved_and_another_starts_from_its_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_dataset(tmp_path / "data")
    small = {"model_settings.input_size": 80, "train.max_steps": 1, "data.bank": "off"}
    settings = [part for name, value in small.items() for part in ("--set", f"{name}={value}")]
    options = ["--model", "videocapsnet-n", "--method", "supervised", *settings]
    monkeypatch.chdir(tmp_path)
    assert run("train", "--data", "data", *options, "--out", "run").exit_code == 0
    (tmp_path / "other").mkdir()
    (tmp_path / "data").rename(tmp_path / "other" / "moved")
    monkeypatch.chdir(tmp_path / "other")
    lost = run("train", "--out", "../run", "--resume")
    assert f"{tmp_path / 'data'} does not exist" in lost.stderr
    found = run("train", "--out", "../run", "--resume", "--data", "moved")
    assert found.exit_code == 0, found.output
    assert "start another run from its weights: vadsdk train --out OTHER --weights ../run" in (
        found.stderr
    )
    same = run("train", "--data", "moved", *options, "--out", "../run", "--resume")
    assert same.exit_code == 0, same.output
    more = run("train", "--data", "moved", *options, "--out", "more", "--weights", "../run")
    assert more.exit_code == 0, more.output
    assert read_config(tmp_path / "other" / "more" / run_folder.CONFIG).weights == (
        str(tmp_path / "run" / run_folder.BEST),
    )
    text = Path("moved/dataset.json").read_text(encoding="utf-8").replace('"wave"', '"sit"')
    Path("moved/dataset.json").write_text(text, encoding="utf-8")
    other = run("train", "--out", "../run", "--resume", "--data", "moved")
    assert other.exit_code == 1
    assert "learned other labels (jump, wave) than this data set has (jump, sit)" in other.stderr


def test_fraction_and_list_cannot_both_choose(tmp_path: Path) -> None:
    both = ["--labelled-fraction", 0.2, "--labelled-list", tmp_path / "list.json"]
    refused = run("train", "--data", tmp_path, *both, "--out", tmp_path / "run")
    assert refused.exit_code == 1
    assert "--labelled-list and --labelled-fraction both choose the labelled" in refused.stderr


def test_footage_without_a_test_split_is_told_how_to_get_one_and_is_scored_with_it(
    tmp_path: Path,
) -> None:
    data = make_dataset(tmp_path / "data")
    text = (data / "dataset.json").read_text(encoding="utf-8").replace('"test"', '"train"')
    (data / "dataset.json").write_text(text, encoding="utf-8")
    small = {"model_settings.input_size": 80, "train.max_steps": 1, "data.bank": "off"}
    settings = [part for name, value in small.items() for part in ("--set", f"{name}={value}")]
    options = ["--data", data, "--model", "videocapsnet-n", "--method", "supervised", *settings]
    remedy = f"vadsdk data split {data} --test 0.2 writes a file that train and evaluate take"
    unscored = run("train", *options, "--out", tmp_path / "unscored")
    assert unscored.exit_code == 0, unscored.output
    assert remedy in unscored.stderr  # before hours of training
    assert f"no scores: {data} has no annotated test videos. Hold out" in unscored.stdout
    refused = run("evaluate", tmp_path / "unscored", "--data", data)
    assert refused.exit_code == 1
    assert "has no split 'test'; choose one of: train. Hold out" in refused.stderr
    assert remedy in refused.stderr
    chosen, all_of_it = tmp_path / "test.json", tmp_path / "all.json"
    assert run("data", "split", data, "--test", 0.2, "--out", chosen).exit_code == 0
    assert run("data", "split", data, "--labelled", 1, "--out", all_of_it).exit_code == 0
    listed = ["--labelled-list", chosen]
    done = run("train", *options, *listed, "--out", tmp_path / "run")
    assert done.exit_code == 0, done.output
    assert "2 test videos, in percent" in done.stdout
    assert "no scores" not in done.output
    scored = run("evaluate", tmp_path / "run", "--data", data, *listed, "--resamples", 100)
    assert scored.exit_code == 0, scored.output
    assert "2 test videos, in percent" in scored.stdout
    other = run("evaluate", tmp_path / "run", "--data", data, "--labelled-list", all_of_it)
    assert "holds no test videos out, as `vadsdk data split --test` does" in other.stderr


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, list(map(str, arguments)))
