from __future__ import annotations

import os
import re
from pathlib import Path

import numpy as np
import pytest
import scipy.io

from vadsdk.data.dataset import open_dataset
from vadsdk.data.jhmdb21_masks import tight_boxes
from vadsdk.errors import DatasetError
from vadsdk.video import read_frames

OFFICIAL_COUNTS = {1: (660, 268), 2: (658, 270), 3: (663, 265)}


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


def write_mask(root: Path, clip: str, masks: np.ndarray) -> Path:
    """Masks are (F, H, W)."""
    path = root / "puppet_mask" / clip / "puppet_mask.mat"
    path.parent.mkdir(parents=True, exist_ok=True)
    scipy.io.savemat(path, {"part_mask": masks.transpose(1, 2, 0).astype(np.uint8)})
    return path


def make_root(root: Path) -> Path:
    """Two classes, two clips each; the actor grows to the right and is away in frame 1."""
    masks = np.zeros((4, 30, 40), np.bool_)
    for frame in (0, 2, 3):
        masks[frame, 5:20, 10 : 20 + frame] = True
    (root / "splits").mkdir(parents=True)
    for label in ("wave", "jump"):
        for name in ("a", "b"):
            write_mask(root, f"{label}/{name}", masks)
        text = "a.avi 1\nb.avi 2\n"
        (root / "splits" / f"{label}_test_split1.txt").write_text(text, encoding="utf-8")
    return root


def test_records_come_from_splits_and_masks(tmp_path: Path) -> None:
    dataset = open_dataset(make_root(tmp_path / "jhmdb"))
    assert dataset.format == "jhmdb21"
    assert dataset.labels == ("jump", "wave")
    assert [record.name for record in dataset.split("train")] == ["jump/a", "wave/a"]
    assert [record.name for record in dataset.split("test")] == ["jump/b", "wave/b"]
    record = dataset.records[0]
    assert (record.num_frames, record.width, record.height) == (4, 40, 30)
    (tube,) = record.tubes
    assert tube.label == "jump"
    assert tube.frame_indices.tolist() == [0, 2, 3]
    assert tube.boxes_xyxy.tolist() == [[10, 5, 20, 20], [10, 5, 22, 20], [10, 5, 23, 20]]
    masks = dataset.actor_masks(record, [1, 3])
    assert not masks[0].any()
    assert masks[1].sum() == 15 * 13


def test_the_cache_is_used_until_a_mask_changes(tmp_path: Path, own_cache: Path) -> None:
    root = make_root(tmp_path / "jhmdb")
    calls: list[tuple[int, int]] = []

    def open_counting() -> float:
        calls.clear()
        dataset = open_dataset(root, progress=lambda done, total: calls.append((done, total)))
        return float(dataset.records[0].tubes[0].boxes_xyxy[0, 0])

    assert open_counting() == 10
    assert calls == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert open_counting() == 10
    assert not calls
    write_mask(root, "jump/a", np.ones((5, 30, 40), np.bool_))
    assert open_counting() == 0
    assert calls == [(1, 1)]
    next((own_cache / "vadsdk").iterdir()).write_bytes(b"PK no archive")
    assert open_counting() == 0
    assert len(calls) == 4


def test_a_cache_that_cannot_be_written_is_no_obstacle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert open_dataset(make_root(tmp_path / "jhmdb")).records
    assert "the boxes of JHMDB-21 are not cached" in caplog.text


def test_a_missing_or_malformed_mask_is_named(tmp_path: Path) -> None:
    root = make_root(tmp_path / "jhmdb")
    path = write_mask(root, "jump/a", np.ones((4, 30, 40), np.bool_))
    path.write_bytes(path.read_bytes()[:150])
    with pytest.raises(DatasetError, match=r"jump/a/puppet_mask\.mat is not a readable MATLAB 5"):
        open_dataset(root)
    scipy.io.savemat(path, {"other": np.ones(3)})
    with pytest.raises(DatasetError, match=r"puppet_mask\.mat holds no part_mask, expected int"):
        open_dataset(root)
    path.unlink()
    with pytest.raises(DatasetError, match=r"puppet_mask\.mat does not exist; unpack"):
        open_dataset(root)


def test_a_malformed_split_line_is_named(tmp_path: Path) -> None:
    root = make_root(tmp_path / "jhmdb")
    (root / "splits" / "jump_test_split1.txt").write_text("a.avi 1\n../b.avi 2\n", encoding="utf-8")
    with pytest.raises(
        DatasetError, match=r"jump_test_split1\.txt, line 2: '../b\.avi 2' is neith"
    ):
        open_dataset(root)


@pytest.mark.parametrize("text", ["", "\ufeff\n"])
def test_an_empty_list_does_not_drop_its_class_in_silence(tmp_path: Path, text: str) -> None:
    root = make_root(tmp_path / "jhmdb")
    (root / "splits" / "jump_test_split1.txt").write_text(text, encoding="utf-8")
    with pytest.raises(DatasetError, match=r"jump_test_split1\.txt is empty; unpack the official"):
        open_dataset(root)


def test_lists_with_a_byte_order_mark_are_read(tmp_path: Path) -> None:
    root = make_root(tmp_path / "jhmdb")
    path = root / "splits" / "jump_test_split1.txt"
    path.write_text("\ufeffa.avi 1\nb.avi 2\n", encoding="utf-8")
    assert len(open_dataset(root).records) == 4


def test_a_list_that_is_no_text_is_named_with_its_line(tmp_path: Path) -> None:
    root = make_root(tmp_path / "jhmdb")
    (root / "splits" / "jump_test_split1.txt").write_bytes(b"a.avi 1\n\xe9.avi 2\n")
    with pytest.raises(DatasetError, match=r"jump_test_split1\.txt, line 2: this is not UTF-8"):
        open_dataset(root)


def test_a_class_whose_name_is_not_utf8_is_named(tmp_path: Path) -> None:
    root = make_root(tmp_path / "jhmdb")
    (root / "splits" / os.fsdecode(b"caf\xe9_test_split1.txt")).write_bytes(b"a.avi 1\n")
    with pytest.raises(DatasetError, match=r"caf\\udce9_test_split1\.txt: the name is not UTF-8"):
        open_dataset(root)


@pytest.mark.parametrize(
    ("place", "name"),
    [
        ("ReCompress_Videos/jump/a.avi", "ReCompress_Videos/jump/a.avi"),
        ("ReCompress_Videos/jump", "ReCompress_Videos/jump/a.avi"),
        ("puppet_mask/jump/a", "puppet_mask/jump/a/puppet_mask.mat"),
        ("puppet_mask", "puppet_mask/jump/a/puppet_mask.mat"),
    ],
)
def test_a_link_out_of_the_data_set_is_not_followed(tmp_path: Path, place: str, name: str) -> None:
    root = make_root(tmp_path / "jhmdb")
    (root / "ReCompress_Videos" / "jump").mkdir(parents=True)
    for clip in ("a", "b"):
        (root / "ReCompress_Videos" / "jump" / f"{clip}.avi").write_bytes(b"")
    (root / place).rename(tmp_path / "outside")
    (root / place).symlink_to(tmp_path / "outside")
    expected = f"{root / name} is a link that leads out of the data set; put the file itself there"
    with pytest.raises(DatasetError, match=re.escape(expected)):
        open_dataset(root)


def test_the_data_set_itself_may_be_a_link(tmp_path: Path) -> None:
    make_root(tmp_path / "elsewhere")
    (tmp_path / "jhmdb").symlink_to(tmp_path / "elsewhere")
    assert len(open_dataset(tmp_path / "jhmdb").records) == 4


def test_a_split_that_is_not_there_is_refused(tmp_path: Path) -> None:
    root = make_root(tmp_path / "jhmdb")
    with pytest.raises(DatasetError, match="JHMDB-21 has the splits 1, 2 and 3, not 4"):
        open_dataset(root, split_index=4)
    with pytest.raises(DatasetError, match=r"has no file \*_test_split2\.txt"):
        open_dataset(root, split_index=2)


def test_tight_boxes_of_masks() -> None:
    masks = np.zeros((3, 6, 8), np.bool_)
    masks[0, 2, 3] = True
    masks[1] = True
    assert tight_boxes(masks).tolist() == [[3, 2, 4, 3], [0, 0, 8, 6], [0, 0, 0, 0]]


@pytest.mark.data
@pytest.mark.parametrize("split_index", OFFICIAL_COUNTS)
def test_the_official_splits_are_complete(
    data_folder: Path, split_index: int, monkeypatch: pytest.MonkeyPatch, real_cache: Path
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(real_cache))
    dataset = open_dataset(data_folder / "jhmdb21", split_index=split_index)
    assert (len(dataset.split("train")), len(dataset.split("test"))) == OFFICIAL_COUNTS[split_index]
    assert len(dataset.labels) == 21
    assert all(len(record.tubes) == 1 for record in dataset.records)


@pytest.mark.data
def test_masks_boxes_and_frames_of_the_real_clips_agree(
    data_folder: Path, monkeypatch: pytest.MonkeyPatch, real_cache: Path
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(real_cache))
    dataset = open_dataset(data_folder / "jhmdb21")
    for record in dataset.records[::40]:
        masks = dataset.actor_masks(record, np.arange(record.num_frames))
        assert len(read_frames(record.path, size=(8, 8))) == record.num_frames == len(masks)
        (tube,) = record.tubes
        for frame, box in zip(tube.frame_indices, tube.boxes_xyxy, strict=True):
            rows, columns = np.nonzero(masks[frame])
            tight = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
            assert box.tolist() == tight


@pytest.fixture(scope="module")
def real_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One cache for all tests on the real clips."""
    return tmp_path_factory.mktemp("cache")
