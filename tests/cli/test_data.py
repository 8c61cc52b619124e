from __future__ import annotations

import json
from pathlib import Path

import pytest
from tiny_data import make_dataset
from typer.testing import CliRunner, Result

from vadsdk.cli.data import data_app
from vadsdk.errors import DatasetError


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_dataset(tmp_path_factory.mktemp("data"))


def run(*arguments: object) -> Result:
    return CliRunner().invoke(data_app, [str(argument) for argument in arguments])


def test_check_of_a_good_data_set_says_so(folder: Path) -> None:
    result = run("check", folder)
    assert result.exit_code == 0
    assert result.stdout == f"{folder} (vadsdk): 8 videos, 0 problems, 0 notes\n"


def test_check_lists_problems_and_ends_with_status_1(tmp_path: Path) -> None:
    make_dataset(tmp_path)
    (tmp_path / "videos" / "jump0.mp4").unlink()
    result = run("check", tmp_path, "--clip-frames", 21)
    assert result.exit_code == 1
    assert "videos/jump0.mp4" in result.stdout
    assert "there is no such file" in result.stdout
    assert "8 videos, 1 problems, 7 notes" in result.stdout


def test_split_writes_a_file_and_says_where(folder: Path) -> None:
    result = run("split", folder, "--labelled", 0.4, "--seed", 3)
    path = folder / "labelled_40_seed3.json"
    assert result.stdout == f"2 of 6 training videos are labelled; written to {path}\n"
    content = json.loads(path.read_text(encoding="utf-8"))
    assert (content["fraction"], content["seed"], len(content["labelled"])) == (0.4, 3, 2)


def test_split_writes_where_it_is_told(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "mine.json"
    assert run("split", folder, "--labelled", 1, "--out", path).exit_code == 0
    assert len(json.loads(path.read_text(encoding="utf-8"))["labelled"]) == 6


def test_stats_prints_tables_and_draws_a_picture(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "stats.png"
    result = run("stats", folder, "--out", path)
    assert result.exit_code == 0
    assert "jump" in result.stdout
    assert result.stdout.endswith(f"picture: {path}\n")
    assert path.read_bytes().startswith(b"\x89PNG")


def test_stats_can_do_without_a_picture(folder: Path) -> None:
    result = run("stats", folder, "--no-picture")
    assert result.exit_code == 0
    assert "picture" not in result.stdout
    assert not (folder / "stats.png").exists()


def test_toy_makes_a_data_set_that_check_accepts(tmp_path: Path) -> None:
    result = run("toy", "--out", tmp_path / "toy", "--num-clips", 2, "--seed", 1)
    assert result.exit_code == 0
    assert f"vadsdk data stats {tmp_path / 'toy'}" in result.stdout
    assert run("check", tmp_path / "toy").exit_code == 0


def test_errors_come_through_as_ours(tmp_path: Path) -> None:
    result = run("stats", tmp_path)
    assert isinstance(result.exception, DatasetError)
    assert "no data set of a known format" in str(result.exception)
