from __future__ import annotations

from pathlib import Path

import torch
from tiny_data import make_dataset
from typer.testing import CliRunner, Result

from vadsdk.cli.app import app
from vadsdk.cli.train import METHOD_NAMES, MODEL_NAMES
from vadsdk.methods import METHODS
from vadsdk.models import MODELS, build_model
from vadsdk.training import run_folder
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


def test_a_stopped_run_goes_on_with_another_rate_and_nothing_else_named(tmp_path: Path) -> None:
    data, out = make_dataset(tmp_path / "data"), tmp_path / "run"
    small = {"model_settings.input_size": 80, "train.max_steps": 1, "data.bank": "off"}
    settings = [part for name, value in small.items() for part in ("--set", f"{name}={value}")]
    options = ["--data", data, "--model", "videocapsnet-n", "--method", "supervised", *settings]
    assert run("train", *options, "--out", out).exit_code == 0
    rate = "train.learning_rate=1e-5"
    done = run("train", "--out", out, "--resume", "--set", rate)
    assert done.exit_code == 0, done.output
    assert "train.learning_rate is 1e-05 from here on" in " ".join(done.output.split())
    other = run("train", "--out", out, "--resume", "--set", rate, "--set", "train.max_steps=2")
    assert other.exit_code == 1
    text = " ".join(other.output.split())
    assert "train.max_steps is 1 there, not 2" in text
    assert "With --set may change: train.learning_rate" in text


def test_each_file_of_weights_is_reported_and_stands_in_the_config(tmp_path: Path) -> None:
    data, out = make_dataset(tmp_path / "data"), tmp_path / "run"
    state = build_model("videocapsnet-n", 2).state_dict()
    backbone = {n: t for n, t in state.items() if n.startswith(("fine.", "middle.", "deep."))}
    rest = {name: tensor for name, tensor in state.items() if name not in backbone}
    files = [str(tmp_path / "backbone.pt"), str(tmp_path / "rest.pt")]
    for file, tensors in zip(files, (backbone, rest), strict=True):
        torch.save(tensors, file)
    settings = ["model_settings.input_size=80", "train.max_steps=1", "data.bank=off"]
    options = ["--data", data, "--model", "videocapsnet-n", "--method", "supervised", "--out", out]
    overrides = [part for setting in settings for part in ("--set", setting)]
    done = run("train", *options, *overrides, "--weights", files[0], "--weights", files[1])
    assert done.exit_code == 0, done.output
    assert read_config(out / run_folder.CONFIG).weights == tuple(files)
    said = " ".join(done.output.split())
    assert "come from backbone.pt" in said
    assert "come from rest.pt" in said


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, list(map(str, arguments)))
