from __future__ import annotations

from pathlib import Path

import pytest
from tiny_data import FPS, HEIGHT, WIDTH, write_video

from vadsdk.data.footage import unlabelled_records
from vadsdk.errors import DatasetError


def test_every_video_below_a_folder_is_a_record(tmp_path: Path) -> None:
    write_video(tmp_path / "b.mp4", 5)
    write_video(tmp_path / "deep" / "a.MP4", 7)
    write_video(tmp_path / ".half.mp4", 5)
    (tmp_path / "notes.txt").write_text("no video", encoding="utf-8")
    first, second = unlabelled_records([tmp_path])
    assert first.name == (tmp_path / "b.mp4").as_posix()
    assert (first.num_frames, first.width, first.height, first.fps) == (5, WIDTH, HEIGHT, FPS)
    assert not first.labelled
    assert (second.path.name, second.num_frames) == ("a.MP4", 7)


def test_a_single_file_is_taken(tmp_path: Path) -> None:
    write_video(tmp_path / "b.mp4", 5)
    assert len(unlabelled_records([tmp_path / "b.mp4"])) == 1


def test_a_folder_without_videos_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"has no video in it; expected files such as \.avi"):
        unlabelled_records([tmp_path])
    with pytest.raises(DatasetError, match="nowhere does not exist; give a folder of videos"):
        unlabelled_records([tmp_path / "nowhere"])


def test_a_broken_file_is_a_record_of_which_nothing_is_known(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_text("no video", encoding="utf-8")
    (record,) = unlabelled_records([tmp_path])
    assert (record.num_frames, record.width, record.fps) == (0, 0, 0)
