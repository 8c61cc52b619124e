from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from tiny_videos import write_video
from typer.testing import CliRunner, Result

from vadsdk.cli.app import app
from vadsdk.cli.outputs import check_outputs
from vadsdk.cli.sinks import Job
from vadsdk.errors import ConfigError
from vadsdk.export import ExportReport


@pytest.fixture
def model(tiny_export: ExportReport, tmp_path: Path) -> Path:
    """A copy that a test may lose."""
    return Path(shutil.copy(tiny_export.path, tmp_path / "model.onnx"))


@pytest.fixture
def video(tmp_path: Path) -> Path:
    return write_video(tmp_path / "square.mp4", 4)


def predict(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["predict", *map(str, arguments)], env={"COLUMNS": "120"})


@pytest.mark.parametrize("option", ["--save", "--jsonl", "--tubes"])
def test_neither_source_nor_model_is_overwritten(
    model: Path, video: Path, tmp_path: Path, option: str
) -> None:
    link, before = tmp_path / "link.mp4", (model.read_bytes(), video.read_bytes())
    link.symlink_to(video.name)
    folder = tmp_path / "run"
    folder.mkdir()
    shutil.copy(model, folder / "best.safetensors")
    for run, output, what in (
        (model, video, "the source"),
        (model, link, "the source"),
        (model, tmp_path / "run" / ".." / video.name, "the source"),
        (model, model, "the model"),
        (folder, folder / "best.safetensors", "the model"),
    ):
        done = predict(run, video, option, output)
        assert done.exit_code == 1
        assert done.stderr == f"{option} {output} would overwrite {what}; give another name\n"
    assert (model.read_bytes(), video.read_bytes()) == before


def test_an_image_of_the_source_is_not_overwritten(model: Path, tmp_path: Path) -> None:
    folder = tmp_path / "images"
    folder.mkdir()
    cv2.imwrite(str(folder / "1.png"), np.zeros((48, 64, 3), np.uint8))
    done = predict(model, folder, "--jsonl", folder / "1.png")
    assert (done.exit_code, "would overwrite the source" in done.stderr) == (1, True)
    assert predict(model, folder, "--jsonl", folder / "frames.jsonl").exit_code == 0


def test_two_outputs_of_one_name_are_refused_before_the_work(
    model: Path, video: Path, tmp_path: Path
) -> None:
    output = tmp_path / "x.json"
    done = predict(model, video, "--jsonl", output, "--tubes", output)
    assert done.exit_code == 1
    expected = f"--jsonl {output} and --tubes {output} are one file; give two\n"
    assert done.stderr == expected
    assert not output.exists()


def test_what_is_thrown_away_may_be_several_outputs_and_a_pipe_may_not(
    model: Path, video: Path, tmp_path: Path
) -> None:
    pipe = tmp_path / "lines"
    os.mkfifo(pipe)
    (tmp_path / "link").symlink_to(os.devnull)
    for jsonl, tubes in ((os.devnull, os.devnull), (os.devnull, tmp_path / "link")):
        job = Job(source=video, save=None, jsonl=Path(jsonl), tubes=Path(tubes))
        check_outputs([job], model)  # looks only: nothing is written
    with pytest.raises(ConfigError, match="are one file; give two"):
        check_outputs([Job(source=video, save=None, jsonl=pipe, tubes=pipe)], model)


@pytest.mark.parametrize("option", ["--save", "--jsonl", "--tubes"])
def test_a_folder_or_a_dash_is_no_file(
    model: Path, video: Path, tmp_path: Path, option: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = predict(model, video, option, tmp_path)
    assert (done.exit_code, f"{tmp_path} is a folder, expected a file" in done.stderr) == (1, True)
    done = predict(model, video, option, "-")
    assert (done.exit_code, "give a pipe that mkfifo made" in done.stderr) == (1, True)
    assert not Path("-").exists()


def test_results_go_through_a_pipe_as_they_come(model: Path, video: Path, tmp_path: Path) -> None:
    pipe = tmp_path / "lines"
    os.mkfifo(pipe)
    reading = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    assert predict(model, video, "--jsonl", pipe).exit_code == 0
    lines = os.read(reading, 1_000_000).splitlines()
    os.close(reading)
    assert [json.loads(line)["frame"] for line in lines] == [0, 1, 2, 3]


def test_a_model_that_is_not_there_is_said(video: Path, tmp_path: Path) -> None:
    done = predict(tmp_path / "gone.onnx", video, "--jsonl", tmp_path / "x.jsonl")
    assert done.exit_code == 1
    assert "there is no file or folder" in done.stderr


def test_a_folder_of_videos_with_one_output_file_is_refused(model: Path, tmp_path: Path) -> None:
    write_video(tmp_path / "a.mp4", 4)
    done = predict(model, tmp_path, "--save", tmp_path / "out.mp4")
    assert done.exit_code == 1
    assert "--save must name a folder" in done.stderr


def test_videos_whose_results_would_share_a_name_are_refused(model: Path, tmp_path: Path) -> None:
    for name in ("a.mp4", "a.mkv"):
        (tmp_path / name).touch()
    done = predict(model, tmp_path, "--jsonl", tmp_path / "out")
    assert done.exit_code == 1
    assert "rename one of them" in done.stderr


def test_the_source_is_never_overwritten(model: Path, video: Path) -> None:
    before = video.read_bytes()
    for source, save in ((video, video), (video.parent, video.parent)):
        done = predict(model, source, "--save", save)
        assert done.exit_code == 1
        assert "would overwrite the source" in done.stderr
    assert video.read_bytes() == before


def test_a_folder_may_have_a_dot_in_its_name_and_must_not_be_a_file(
    model: Path, tmp_path: Path
) -> None:
    videos, out, taken = tmp_path / "videos", tmp_path / "v1.0", tmp_path / "taken"
    for folder in (videos, out):
        folder.mkdir()
    write_video(videos / "a.mp4", 4)
    assert predict(model, videos, "--tubes", out).exit_code == 0
    assert [path.name for path in out.iterdir()] == ["a.json"]
    taken.touch()
    done = predict(model, videos, "--tubes", taken)
    assert (done.exit_code, "must name a folder, not 'taken'" in done.stderr) == (1, True)


def test_an_address_may_be_longer_than_a_name_of_a_file(model: Path) -> None:
    done = predict(model, f"tcp://127.0.0.1:1/live?token={'x' * 5000}")
    assert done.exit_code == 1
    assert "cannot open tcp://127.0.0.1:1/live: " in done.stderr
