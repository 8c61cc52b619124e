from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError
from tiny_data import make_dataset
from typer.testing import CliRunner, Result

from vadsdk.cli.data import data_app
from vadsdk.data.clip_bank import ClipBank
from vadsdk.errors import DatasetError
from vadsdk.training.settings import DataSettings


def run(*arguments: object) -> Result:
    return CliRunner().invoke(data_app, ["bank", *map(str, arguments)])


def test_a_bank_is_built_by_hand_and_told_and_used_again(tmp_path: Path) -> None:
    folder, path = make_dataset(tmp_path / "data"), tmp_path / "a.bank"
    (folder / "videos" / "wave1.mp4").write_text("no video")
    result = run(folder, "--out", path, "--size", 32)
    assert result.exit_code == 0, result.output
    assert "left out videos/wave1.mp4: " in result.stdout
    assert f"5 videos, 100 frames, 0 MiB are in {path}; 1 left out" in result.stdout
    assert f"vadsdk train --data {folder} --set data.bank={path}" in result.stdout
    bank = ClipBank.open(path)
    assert bank.store_size == (32, 32)
    assert len(bank.records) == 5
    for video in (folder / "videos").glob("jump*"):
        video.unlink()
    again = run(folder, "--out", path, "--size", 32)
    assert again.exit_code == 0
    assert "built anew" not in again.stdout
    assert "grows" not in again.stdout


def test_frames_larger_than_any_network_takes_are_refused(tmp_path: Path) -> None:
    result = run(tmp_path, "--out", tmp_path / "a.bank", "--size", 10_000_000)
    assert result.exit_code == 2
    with pytest.raises(ValidationError, match="less than or equal to 4096"):
        DataSettings(store_size=10_000_000)


def test_a_file_that_is_no_bank_is_left_alone(tmp_path: Path) -> None:
    folder = make_dataset(tmp_path / "data")
    (tmp_path / "thesis.txt").write_text("years of work")
    result = run(folder, "--out", tmp_path / "thesis.txt", "--size", 32)
    with pytest.raises(DatasetError, match="is no clip bank"):
        raise result.exception or AssertionError
    assert (tmp_path / "thesis.txt").read_text() == "years of work"
