from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from tiny_data import make_dataset
from typer.testing import CliRunner, Result

from vadsdk.cli.data import data_app
from vadsdk.errors import ConfigError, DatasetError


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
    assert "8 videos, 1 problem, 7 notes" in result.stdout


def test_check_shows_what_is_fatal_first_and_counts_what_it_hides(tmp_path: Path) -> None:
    path = tmp_path / "dataset.json"
    make_dataset(tmp_path)
    document = json.loads(path.read_text(encoding="utf-8"))
    document["videos"] = [
        {**document["videos"][0], "path": f"videos/{number}.mp4", "masks": None}
        for number in range(53)
    ]
    path.write_text(json.dumps(document), encoding="utf-8")
    for number in range(52):
        (tmp_path / f"videos/{number}.mp4").hardlink_to(tmp_path / "videos/jump0.mp4")
    arguments = ("check", tmp_path, "--clip-frames", 21)
    short = run(*arguments)
    assert short.stdout.index("there is no such file") < short.stdout.index("note: the video has")
    assert "\n... and 0 problems, 3 notes more; see them with --all, or write" in short.stdout
    assert "53 videos, 1 problem, 52 notes\n" in short.stdout
    whole = run(*arguments, "--all", "--json", tmp_path / "problems.json")
    assert whole.exit_code == 1
    assert whole.stdout.count("note: the video has") == 52
    assert "more" not in whole.stdout
    written = json.loads((tmp_path / "problems.json").read_text(encoding="utf-8"))
    assert (written["num_videos"], written["num_fatal"], len(written["problems"])) == (53, 1, 53)
    assert written["problems"][-1] == {
        "file": str(tmp_path / "videos/52.mp4"),
        "field": "",
        "message": "there is no such file; put it there or drop its entry",
        "fatal": True,
    }


def test_import_names_the_videos_that_it_left_out(tmp_path: Path) -> None:
    make_dataset(tmp_path / "set")
    (tmp_path / "set/videos/jump0.mp4").write_bytes(b"")
    result = run("import", "auto", tmp_path / "set", "--out", tmp_path / "out")
    assert result.exit_code == 0
    assert f"left out videos/jump0.mp4: {tmp_path}/set/videos/jump0.mp4" in result.stdout
    assert f"7 videos with 7 actions in {tmp_path / 'out'}; 1 left out" in result.stdout


@pytest.mark.parametrize("prefix", ["", "set/"])
def test_errors_in_an_archive_name_its_members(tmp_path: Path, prefix: str) -> None:
    folder, archive = make_dataset(tmp_path / "set"), tmp_path / "set.zip"
    (folder / "videos/jump0.mp4").write_bytes(b"")
    shutil.make_archive(str(tmp_path / "set"), "zip", folder if not prefix else tmp_path, prefix)
    result = run("import", "vadsdk", archive, "--out", tmp_path / "out")
    assert f"left out videos/jump0.mp4: {archive}:{prefix}videos/jump0.mp4" in result.stdout
    assert ".unpacked" not in result.stdout
    text = (folder / "dataset.json").read_text(encoding="utf-8").replace('"jump"', '"run"', 3)
    (folder / "dataset.json").write_text(text, encoding="utf-8")
    shutil.make_archive(str(tmp_path / "set"), "zip", folder if not prefix else tmp_path, prefix)
    error = run("import", "vadsdk", archive, "--out", tmp_path / "other").exception
    assert isinstance(error, DatasetError)
    assert f"  {archive}:{prefix}dataset.json: videos[2].tubes[0].label: unknown" in str(error)
    assert str(error).endswith("vadsdk data check FOLDER, once it is unpacked there")
    assert ".unpacked" not in str(error)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "set", "set.zip"]


def test_split_writes_a_file_and_says_where(folder: Path) -> None:
    result = run("split", folder, "--labelled", 0.4, "--seed", 3)
    path = folder / "labelled_40_seed3.json"
    assert result.stdout == f"2 of 6 training videos labelled; written to {path}\n"
    content = json.loads(path.read_text(encoding="utf-8"))
    assert (content["fraction"], content["seed"], len(content["labelled"])) == (0.4, 3, 2)


def test_split_writes_where_it_is_told(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "mine.json"
    assert run("split", folder, "--labelled", 1, "--out", path).exit_code == 0
    assert len(json.loads(path.read_text(encoding="utf-8"))["labelled"]) == 6


def test_split_says_why_a_small_share_is_a_larger_one(folder: Path, tmp_path: Path) -> None:
    result = run("split", folder, "--labelled", 0.01, "--out", tmp_path / "mine.json")
    assert "2 of 6 training videos are labelled, 33% and not 1%: each class has" in result.stdout


def test_split_holds_test_videos_out_where_there_are_none(folder: Path, tmp_path: Path) -> None:
    refused = run("split", folder, "--test", 0.3)
    assert isinstance(refused.exception, DatasetError)
    assert "has a test split already" in str(refused.exception)
    assert isinstance(run("split", folder).exception, ConfigError)
    copy = shutil.copytree(folder, tmp_path / "set")
    text = (copy / "dataset.json").read_text(encoding="utf-8").replace('"test"', '"train"')
    (copy / "dataset.json").write_text(text, encoding="utf-8")
    result = run("split", copy, "--test", 0.3, "--labelled", 0.6)
    path = copy / "labelled_60_seed0_test30.json"
    assert result.stdout.splitlines() == [
        "2 videos held out as test split",
        f"4 of 6 training videos labelled; written to {path}",
        f"Learn from it with: vadsdk train --data {copy} --labelled-list {path}",
        f"Score with: vadsdk evaluate RUN --data {copy} --labelled-list {path}",
    ]
    content = json.loads(path.read_text(encoding="utf-8"))
    assert sorted(Path(name).stem[:4] for name in content["test"]) == ["jump", "wave"]


def test_stats_prints_tables_and_draws_a_picture(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "stats.png"
    result = run("stats", folder, "--out", path)
    assert result.exit_code == 0
    assert "jump" in result.stdout
    assert result.stdout.endswith(f"picture: {path}\n")
    assert path.read_bytes().startswith(b"\x89PNG")


def test_stats_draws_into_the_current_folder_not_into_the_data(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    before = sorted(folder.rglob("*"))
    assert run("stats", folder).stdout.endswith("picture: stats.png\n")
    assert (tmp_path / "stats.png").is_file()
    assert sorted(folder.rglob("*")) == before


def test_stats_refuses_a_picture_of_an_unknown_kind_before_it_reads(tmp_path: Path) -> None:
    result = run("stats", tmp_path / "nowhere", "--out", tmp_path / "s.xyz")
    assert isinstance(result.exception, ConfigError)
    assert "unknown kind of picture 'xyz'" in str(result.exception)


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
