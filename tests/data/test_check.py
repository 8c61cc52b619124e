from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tiny_data import LABELS, add_video, make_dataset, make_tube, write_video

from vadsdk.data.check import check_dataset, record_problems
from vadsdk.data.dataset import open_dataset
from vadsdk.data.native_writer import write_dataset
from vadsdk.errors import DatasetError
from vadsdk.structures import Tube


def test_a_good_data_set_has_no_problems(native_folder: Path) -> None:
    calls: list[tuple[int, int]] = []
    report = check_dataset(native_folder, progress=lambda done, total: calls.append((done, total)))
    assert (report.format, report.num_videos, report.problems) == ("vadsdk", 8, ())
    assert calls[-1] == (8, 8)


def test_short_videos_are_noted_but_harmless(native_folder: Path) -> None:
    report = check_dataset(native_folder, clip_frames=21)
    assert report.num_fatal == 0
    assert len(report.problems) == 8
    assert "has 20 frames, a clip spans 21: its last frame" in report.problems[0].message


def test_every_broken_video_is_reported_with_its_file(tmp_path: Path) -> None:
    make_dataset(tmp_path)
    videos = tmp_path / "videos"
    (videos / "jump0.mp4").unlink()
    (videos / "jump1.mp4").write_bytes(b"")
    (videos / "jump2.mp4").write_text("no video", encoding="utf-8")
    write_video(videos / "jump3.mp4", 18)
    write_video(videos / "wave0.mp4", 20, height=24, width=32)
    whole = (videos / "wave1.mp4").read_bytes()
    (videos / "wave1.mp4").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "masks" / "wave2.json").unlink()
    (tmp_path / "masks" / "wave3.json").write_text("{", encoding="utf-8")
    report = check_dataset(tmp_path)
    found = {(Path(p.file).name, p.field): p.message for p in report.problems}
    assert len(found) == report.num_fatal == 8
    assert found["jump0.mp4", ""].startswith("there is no such file; put it there or drop its")
    assert found["jump1.mp4", ""].startswith("the video is not readable: ")
    assert found["jump2.mp4", ""].startswith("the video is not readable: ")
    assert found["jump3.mp4", "num_frames"].startswith("the video has 18 frames, its annotation")
    assert found["wave0.mp4", "width, height"].startswith("the video is 32 x 24, its annotation")
    assert found["wave1.mp4", ""].startswith("the video is not readable: ")
    assert "does not exist" in found["wave2.mp4", "masks"]
    assert "wave3.json, line 1, column 2: this is not JSON" in found["wave3.mp4", "masks"]


def test_a_bad_annotation_is_listed_in_full_and_videos_are_still_looked_at(tmp_path: Path) -> None:
    make_dataset(tmp_path)
    path = tmp_path / "dataset.json"
    document = json.loads(path.read_text(encoding="utf-8"))
    document["videos"][0]["tubes"][0]["label"] = "run"
    document["videos"][1]["tubes"][0]["boxes"][2] = [6, float("nan"), 0, 1, 1]
    document["videos"][2]["tubes"][0]["boxes"][2] = [6, 200, 0, 210, 10]
    document["videos"][3]["tubes"][0]["boxes"][0] = [4, 5, 5, 5, 5]
    path.write_text(json.dumps(document), encoding="utf-8")
    (tmp_path / "videos" / "wave3.mp4").unlink()
    report = check_dataset(tmp_path)
    assert [problem.field for problem in report.problems] == [
        "videos[0].tubes[0].label",
        "videos[1].tubes[0].boxes[2]",
        "videos[2].tubes[0].boxes[2]",
        "videos[3].tubes[0].boxes[0]",
        "",
    ]


def test_videos_outside_the_folder_are_not_opened(tmp_path: Path) -> None:
    folder = make_dataset(tmp_path / "data")
    text = (folder / "dataset.json").read_text(encoding="utf-8")
    (folder / "dataset.json").write_text(text.replace("videos/jump0", "../jump0"), encoding="utf-8")
    report = check_dataset(folder)
    assert report.num_videos == 0
    assert [problem.field for problem in report.problems] == ["videos[0].path"]


def test_unreadable_json_is_raised_with_line_and_column(tmp_path: Path) -> None:
    (tmp_path / "dataset.json").write_text("{,}", encoding="utf-8")
    with pytest.raises(DatasetError, match="line 1, column 2"):
        check_dataset(tmp_path)


def test_records_of_any_format_are_checked(tmp_path: Path) -> None:
    write_dataset(tmp_path, LABELS, [add_video(tmp_path, "a", (make_tube("wave", 3, 8),))])
    dataset = open_dataset(tmp_path)
    tube = Tube(
        id=0,
        label="run",
        score=1.0,
        frame_indices=np.array([19, 20]),
        boxes_xyxy=np.array([[0, 0, 5, 5], [60, 0, 70, 5]], np.float32),
    )
    dataset.records = (replace(dataset.records[0], tubes=(tube,)), dataset.records[0])
    messages = [problem.message for problem in record_problems(dataset)]
    assert "unknown label 'run'" in messages[1]
    assert "lies outside the 64 x 48 frame" in messages[2]
    assert "frame 20 is outside the video" in messages[3]
    assert messages[0] == messages[4] == "the name 'videos/a.mp4' is used twice; rename one"
