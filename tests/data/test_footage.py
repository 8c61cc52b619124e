from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from tiny_data import FPS, HEIGHT, WIDTH, frame_number, write_video

from vadsdk.data.decode_worker import Decoder
from vadsdk.data.footage import SegmentSpec, record_request, unlabelled_records
from vadsdk.data.records import VideoRecord
from vadsdk.errors import DatasetError, VideoError


def read_record(record: VideoRecord) -> NDArray[np.uint8]:
    return Decoder().decode(record_request(record, (24, 32)))


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


def test_a_broken_file_is_a_record_whose_reading_fails(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_text("no video", encoding="utf-8")
    (record,) = unlabelled_records([tmp_path])
    with pytest.raises(VideoError, match=r"a\.mp4"):
        read_record(record)


def test_a_long_file_becomes_segments_spread_over_it(tmp_path: Path) -> None:
    write_video(tmp_path / "a.mp4", 31)
    spec = SegmentSpec(max_frames=30, num_segments=3, segment_frames=5)
    records = unlabelled_records([tmp_path], segments=spec)
    assert [record.first_frame for record in records] == [0, 13, 26]
    assert len({record.name for record in records}) == 3
    for record in records:
        frames = read_record(record)
        assert frames.shape == (5, 24, 32, 3)
        numbers = [frame_number(frame) for frame in frames]
        assert numbers == list(range(record.first_frame, record.first_frame + 5))


def test_a_file_of_just_the_limit_is_read_whole(tmp_path: Path) -> None:
    write_video(tmp_path / "a.mp4", 30)
    spec = SegmentSpec(max_frames=30, num_segments=3, segment_frames=5)
    (record,) = unlabelled_records([tmp_path], segments=spec)
    assert len(read_record(record)) == 30
