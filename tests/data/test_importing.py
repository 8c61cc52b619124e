from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from vadsdk.data.check import check_dataset
from vadsdk.data.dataset import open_dataset
from vadsdk.data.importing import import_dataset
from vadsdk.errors import DatasetError
from vadsdk.video import read_frames


def test_an_imported_data_set_says_the_same(native_folder: Path, tmp_path: Path) -> None:
    source = open_dataset(native_folder)
    calls: list[tuple[int, int]] = []
    out = tmp_path / "out"
    report = import_dataset(source, out, progress=lambda done, total: calls.append((done, total)))
    found = open_dataset(out)
    assert report.num_videos == len(source.records) == len(found.records)
    assert report.num_actions == sum(len(record.tubes) for record in source.records)
    assert not report.skipped
    assert calls[-1] == (len(source.records), len(source.records))
    assert found.labels == source.labels
    for record, copy in zip(source.records, found.records, strict=True):
        assert (record.split, record.num_frames, record.fps) == (
            copy.split,
            copy.num_frames,
            copy.fps,
        )
        assert [tube.to_json() for tube in record.tubes] == [t.to_json() for t in copy.tubes]
        np.testing.assert_array_equal(read_frames(record.path), read_frames(copy.path))
        frames = np.arange(record.num_frames)
        np.testing.assert_array_equal(
            source.actor_masks(record, frames), found.actor_masks(copy, frames)
        )
    assert not check_dataset(out).num_fatal


def test_a_missing_video_is_left_out_and_named(native_folder: Path, tmp_path: Path) -> None:
    shutil.copytree(native_folder, tmp_path / "set")
    source = open_dataset(tmp_path / "set")
    source.records[0].path.unlink()
    report = import_dataset(source, tmp_path / "out")
    ((name, reason),) = report.skipped
    assert name == source.records[0].name
    assert "does not exist" in reason
    assert report.num_videos == len(source.records) - 1


def test_a_folder_that_is_taken_is_left_alone(native_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("precious", encoding="utf-8")
    with pytest.raises(DatasetError, match="exists already"):
        import_dataset(open_dataset(native_folder), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_nothing_is_left_of_an_import_that_fails(native_folder: Path, tmp_path: Path) -> None:
    shutil.copytree(native_folder, tmp_path / "set")
    source = open_dataset(tmp_path / "set")
    for record in source.records:
        record.path.unlink()
    with pytest.raises(DatasetError, match="none of the videos of set could be imported"):
        import_dataset(source, tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["set"]


def test_what_the_annotation_does_not_tell_is_read_from_the_video(
    native_folder: Path, tmp_path: Path
) -> None:
    source = open_dataset(native_folder)
    expected = source.records[0]
    source.records = (
        replace(expected, num_frames=0, fps=0.0, width=0, height=0),
        *source.records[1:],
    )
    import_dataset(source, tmp_path / "out")
    found = open_dataset(tmp_path / "out").records[0]
    assert (found.num_frames, found.fps) == (expected.num_frames, expected.fps)
    assert (found.width, found.height) == (expected.width, expected.height)


def test_a_folder_of_images_without_a_rate_is_left_out_and_told(
    native_folder: Path, tmp_path: Path
) -> None:
    images = tmp_path / "images"
    images.mkdir()
    cv2.imwrite(str(images / "0.png"), np.zeros((48, 64, 3), np.uint8))
    source = open_dataset(native_folder)
    source.records = (
        replace(source.records[0], path=images, fps=0.0, tubes=()),
        *source.records[1:],
    )
    ((_, reason),) = import_dataset(source, tmp_path / "out").skipped
    assert "does not tell its frame rate or length" in reason
