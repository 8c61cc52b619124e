from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from tiny_data import make_dataset, write_video

from vadsdk.data.check import check_dataset
from vadsdk.data.dataset import open_dataset
from vadsdk.data.importing import import_dataset
from vadsdk.data.records import ActionDataset
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


@pytest.mark.parametrize("label", ["", " ", "a\x1b[2J", "caf\udce9"])
def test_a_label_that_is_no_name_is_told_before_anything_is_written(
    native_folder: Path, tmp_path: Path, label: str
) -> None:
    source = open_dataset(native_folder)
    source.labels = (*source.labels, label)
    with pytest.raises(DatasetError, match=re.escape(f"the label {label!r} is no name that can")):
        import_dataset(source, tmp_path / "out")
    assert not list(tmp_path.iterdir())


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


def test_an_empty_folder_is_filled_and_stays_the_same_folder(
    native_folder: Path, tmp_path: Path
) -> None:
    before = tmp_path.stat().st_ino  # a disk of its own could not be replaced
    import_dataset(open_dataset(native_folder), tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["dataset.json", "masks", "videos"]
    assert tmp_path.stat().st_ino == before
    assert not check_dataset(tmp_path).problems


def test_the_current_folder_can_be_filled(
    native_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    import_dataset(open_dataset(native_folder), Path())
    assert (tmp_path / "dataset.json").is_file()


@pytest.mark.parametrize("exists", [False, True])
def test_of_two_imports_into_one_folder_one_is_whole_and_one_is_told(
    native_folder: Path, tmp_path: Path, exists: bool
) -> None:
    out = tmp_path / "out"
    if exists:
        out.mkdir()

    def fill(done: int, total: int) -> None:
        if done == total:
            (out / "videos").mkdir(parents=True)
            (out / "videos" / "of the other").write_bytes(b"")

    with pytest.raises(DatasetError, match="out has been filled by something else meanwhile; noth"):
        import_dataset(open_dataset(native_folder), out, progress=fill)
    assert [path.name for path in out.rglob("*")] == ["videos", "of the other"]
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, MemoryError])
def test_nothing_is_left_of_an_import_that_is_stopped(
    native_folder: Path, tmp_path: Path, error: type[BaseException]
) -> None:
    def stop(done: int, total: int) -> None:
        if done == 5:
            raise error

    for out in (tmp_path / "new", tmp_path):
        with pytest.raises(error):
            import_dataset(open_dataset(native_folder), out, progress=stop)
        assert not list(tmp_path.iterdir())


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


def cut(path: Path) -> None:
    """Cut a video's pictures off, but leave its index."""
    whole = path.with_name("whole.mkv")
    write_video(whole, 20)
    path.write_bytes(whole.read_bytes()[:-200])
    whole.unlink()


def hollow_out(path: Path) -> None:
    """Write zeros over the last pictures of an mp4, whose index still lists them."""
    write_video(path, 20)
    content = bytearray(path.read_bytes())
    place = content.index(b"mdat") - 4
    end = place + int.from_bytes(content[place : place + 4], "big")
    content[end - 40 : end] = bytes(40)
    path.write_bytes(content)


SPOILT: dict[str, tuple[Callable[[Path], object], str]] = {
    "empty": (lambda path: path.write_bytes(b""), "jump0.mp4"),
    "text": (lambda path: path.write_text("no video", encoding="utf-8"), "jump0.mp4"),
    "cut off": (cut, "jump0.mp4"),
    "hollow": (hollow_out, "jump0.mp4"),
    "short": (
        lambda path: write_video(path, 18),
        "jump0.mp4: num_frames: the video has 18 frames, its annotation is for 20; correct the",
    ),
    "long": (
        lambda path: write_video(path, 22),
        "jump0.mp4: num_frames: the video has 22 frames, its annotation is for 20; correct the",
    ),
    "wrong size": (
        lambda path: write_video(path, 20, height=24, width=32),
        "jump0.mp4: width, height: the video is 32 x 24, its annotation for 64 x 48; scale",
    ),
}


@pytest.mark.parametrize("kind", SPOILT)
def test_a_video_that_is_not_the_annotated_one_is_left_out_whole(tmp_path: Path, kind: str) -> None:
    spoil, expected = SPOILT[kind]
    source = open_dataset(make_dataset(tmp_path / "set"))
    source.records[0].path.unlink()
    spoil(source.records[0].path)
    report = import_dataset(source, tmp_path / "out")
    ((name, reason),) = report.skipped
    assert name == source.records[0].name
    assert expected in reason
    files = {path.stem for path in (tmp_path / "out").rglob("*.*")}
    assert "jump0" not in files
    assert "jump1" in files
    assert not check_dataset(tmp_path / "out").problems


@pytest.mark.parametrize("kind", ["empty", "text", "cut off"])
def test_an_unlabelled_video_is_opened_too(tmp_path: Path, kind: str) -> None:
    source = open_dataset(make_dataset(tmp_path / "set"))
    source.records[0].path.unlink()
    SPOILT[kind][0](source.records[0].path)
    unlabelled = replace(source.records[0], labelled=False, tubes=())
    source.records = (unlabelled, *source.records[1:])
    ((_, reason),) = import_dataset(source, tmp_path / "out").skipped
    assert "jump0.mp4" in reason


def test_an_unlabelled_video_has_the_frames_that_it_has(tmp_path: Path) -> None:
    source = open_dataset(make_dataset(tmp_path / "set"))
    unlabelled = replace(source.records[0], labelled=False, tubes=(), num_frames=30, width=1)
    source.records = (unlabelled, *source.records[1:])
    assert not import_dataset(source, tmp_path / "out").skipped
    found = open_dataset(tmp_path / "out").records[0]
    assert (found.num_frames, found.width) == (20, 64)


def test_sparse_annotation_needs_the_frames_that_were_looked_at(tmp_path: Path) -> None:
    source = open_dataset(make_dataset(tmp_path / "set"))
    whole = source.records[0]
    for annotated, num_skipped in (((3, 17), 0), ((3, 18), 1)):
        sparse = replace(whole, annotated_frames=annotated, tubes=(), num_frames=21)
        write_video(whole.path, 18)
        source.records = (sparse, *source.records[1:])
        out = tmp_path / f"out{annotated[1]}"
        assert len(import_dataset(source, out).skipped) == num_skipped
        if not num_skipped:
            assert open_dataset(out).records[0].num_frames == 18


def test_a_box_outside_the_frame_leaves_out_the_video_and_its_masks(tmp_path: Path) -> None:
    source = open_dataset(make_dataset(tmp_path / "set"))
    (tube,) = source.records[0].tubes
    beside = np.tile(np.array([64, 12, 64.9, 36], np.float32), (len(tube), 1))
    moved = replace(source.records[0], tubes=(replace(tube, boxes_xyxy=beside),))
    source.records = (moved, *source.records[1:])
    ((_, reason),) = import_dataset(source, tmp_path / "out").skipped
    assert "videos/jump0.mp4: tube 0 lies outside of frame 4" in reason
    assert "jump0" not in {path.stem for path in (tmp_path / "out").rglob("*.*")}


def test_names_that_are_not_utf8_or_too_long_become_ones_that_are(tmp_path: Path) -> None:
    source = open_dataset(make_dataset(tmp_path / "set"))
    source.has_masks = False
    named = source.records[0].path.with_name("caf\udce9.mp4")
    source.records[0].path.rename(named)
    source.records = (
        replace(source.records[0], path=named, name="videos/caf\udce9.mp4"),
        replace(source.records[1], name="\u00e9" * 125 + ".mp4"),
        replace(source.records[2], name="\u00e9" * 126 + ".mp4"),
        *source.records[3:],
    )
    assert not import_dataset(source, tmp_path / "out").skipped
    found = open_dataset(tmp_path / "out")
    assert [record.path.stem for record in found.records[:3]] == [
        "caf_udce9",
        "\u00e9" * 100,
        "\u00e9" * 100 + "-2",
    ]
    assert not check_dataset(tmp_path / "out").problems


def images_of(source: ActionDataset, folder: Path) -> Path:
    """Give the first record of a data set three frames, as images."""
    folder.mkdir()
    for frame in range(3):
        cv2.imwrite(str(folder / f"{frame}.png"), np.zeros((48, 64, 3), np.uint8))
    images = replace(source.records[0], path=folder, tubes=(), num_frames=3)
    source.records = (images, *source.records[1:])
    return folder


def test_only_the_images_of_a_folder_come_over(tmp_path: Path) -> None:
    source = open_dataset(make_dataset(tmp_path / "set"))
    folder = images_of(source, tmp_path / "images")
    (folder / "notes.txt").write_text("private", encoding="utf-8")
    (folder / ".0.png").write_text("a resource fork", encoding="utf-8")
    import_dataset(source, tmp_path / "out")
    found = open_dataset(tmp_path / "out").records[0]
    assert sorted(path.name for path in found.path.iterdir()) == ["0.png", "1.png", "2.png"]


def test_an_image_that_is_a_link_must_stay_in_the_data_set(tmp_path: Path) -> None:
    source = open_dataset(make_dataset(tmp_path / "set"))
    folder = images_of(source, tmp_path / "set" / "images")
    (folder / "2.png").rename(tmp_path / "set" / "2.png")
    (folder / "2.png").symlink_to(tmp_path / "set" / "2.png")
    assert not import_dataset(source, tmp_path / "out", root=tmp_path / "set").skipped
    assert not (tmp_path / "out" / "videos" / "jump0" / "2.png").is_symlink()
    ((_, reason),) = import_dataset(source, tmp_path / "other", root=folder).skipped
    assert "2.png is a link that leads out of the data set; put the file itself" in reason
    assert not (tmp_path / "other" / "videos" / "jump0").exists()
