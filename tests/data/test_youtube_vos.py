from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numbered_masks import squares, write_frames, write_mask

from vadsdk.data.youtube_vos import YoutubeVosDataset, is_youtube_vos, read_youtube_vos
from vadsdk.errors import DatasetError

EVERY_FIFTH = ["00000", "00005", "00010"]


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def meta(**objects: tuple[str | None, list[str]]) -> dict[str, Any]:
    entries = {
        key.removeprefix("o"): {"category": category, "frames": frames}
        for key, (category, frames) in objects.items()
    }
    return {"objects": entries}


def write_meta(root: Path, split: str, videos: dict[str, Any]) -> Path:
    path = root / split / "meta.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"videos": videos}), encoding="utf-8")
    return path


def make_root(root: Path) -> Path:
    """A dog and a person; the person is away in frame 5. In `valid` the masks are kept back."""
    write_frames(root / "train" / "JPEGImages" / "a1", EVERY_FIFTH)
    masks = [squares(o1=0, o2=10), squares(o1=2), squares(o1=4, o2=12)]
    for name, mask in zip(EVERY_FIFTH, masks, strict=True):
        write_mask(root / "train" / "Annotations" / "a1" / f"{name}.png", mask)
    objects = meta(o1=("dog", EVERY_FIFTH), o2=("person", ["00000", "00010"]))
    write_meta(root, "train", {"a1": objects})
    write_frames(root / "valid" / "JPEGImages" / "b2", EVERY_FIFTH)
    write_mask(root / "valid" / "Annotations" / "b2" / "00005.png", squares(o1=3))
    write_meta(root, "valid", {"b2": meta(o1=(None, EVERY_FIFTH))})
    return root


def edited(root: Path, change: Callable[[dict[str, Any]], Any]) -> Path:
    path = make_root(root) / "train" / "meta.json"
    document = json.loads(path.read_text(encoding="utf-8"))
    change(document)
    path.write_text(json.dumps(document), encoding="utf-8")
    return root


def test_each_object_is_a_tube_with_its_category(tmp_path: Path) -> None:
    dataset = YoutubeVosDataset(make_root(tmp_path / "vos"))
    assert (dataset.format, dataset.has_masks) == ("youtube-vos", True)
    assert dataset.labels == ("dog", "object", "person")
    (record,) = dataset.split("train")
    assert record.path == tmp_path / "vos" / "train" / "JPEGImages" / "a1"
    assert (record.num_frames, record.height, record.width, record.fps) == (3, 24, 32, 6)
    assert record.annotated_frames is None
    dog, person = record.tubes
    assert (dog.id, dog.label, person.id, person.label) == (1, "dog", 2, "person")
    assert person.frame_indices.tolist() == [0, 2]
    assert person.boxes_xyxy.tolist() == [[10, 8, 14, 12], [12, 8, 16, 12]]
    assert (person.start_seconds, person.end_seconds) == (0, 0.5)
    assert dataset.actor_masks(record, [1, 0]).sum(axis=(1, 2)).tolist() == [16, 32]


def test_where_masks_are_kept_back_the_given_frames_are_annotated(tmp_path: Path) -> None:
    dataset = YoutubeVosDataset(make_root(tmp_path / "vos"))
    (record,) = dataset.split("valid")
    assert record.annotated_frames == (1,)
    (tube,) = record.tubes
    assert (tube.label, tube.frame_indices.tolist()) == ("object", [1])
    assert dataset.actor_masks(record, [0, 1]).sum(axis=(1, 2)).tolist() == [0, 16]


def test_with_all_frames_every_fifth_is_annotated(tmp_path: Path) -> None:
    root = make_root(tmp_path / "vos")
    write_frames(root / "train" / "JPEGImages" / "a1", [f"{frame:05d}" for frame in range(11)])
    (record,) = YoutubeVosDataset(root).split("train")
    assert (record.num_frames, record.fps) == (11, 30)
    assert record.annotated_frames == (0, 5, 10)
    assert record.tubes[1].frame_indices.tolist() == [0, 10]
    assert record.tubes[1].end_seconds == 11 / 30


def test_a_video_without_masks_is_not_labelled(tmp_path: Path) -> None:
    root = make_root(tmp_path / "vos")
    write_frames(root / "test" / "JPEGImages" / "c3", ["00000"])
    write_meta(root, "test", {"c3": meta()})
    (record,) = YoutubeVosDataset(root).split("test")
    assert not record.labelled
    assert (record.num_frames, record.width, record.height, record.fps) == (1, 32, 24, 30)


def test_an_object_that_the_document_does_not_list_is_left_out_and_reported(tmp_path: Path) -> None:
    root = edited(tmp_path / "vos", lambda d: d["videos"]["a1"]["objects"].pop("2"))
    dataset = YoutubeVosDataset(root)
    record = dataset.split("train")[0]
    assert [tube.label for tube in record.tubes] == ["dog"]
    assert dataset.actor_masks(record, [0]).sum() == 16
    (problem,) = read_youtube_vos(root).problems
    assert not problem.fatal
    assert problem.file.endswith("a1/00000.png")
    assert problem.message.startswith("the mask has an object 2, which meta.json does not list")


def objects(document: dict[str, Any]) -> dict[str, Any]:
    return dict(document["videos"]["a1"]["objects"])


MALFORMED: list[tuple[Callable[[dict[str, Any]], Any], str]] = [
    (lambda d: d.pop("videos"), r"meta\.json: videos: Field required"),
    (lambda d: d.update(videos=[]), r"meta\.json: videos: Input should be"),
    (lambda d: d["videos"].update(a1={}), r"meta\.json: videos\.a1\.objects: Field required"),
    (
        lambda d: d["videos"]["a1"]["objects"].update({"1": {"category": 3}}),
        r"meta\.json: videos\.a1\.objects\.1\.category: Input should be a valid string, not 3",
    ),
    (
        lambda d: d["videos"]["a1"]["objects"]["1"].update(category=""),
        r"meta\.json: videos\.a1\.objects\.1\.category: the category '' is empty or not printable",
    ),
    (
        lambda d: d["videos"]["a1"]["objects"]["1"].update(frames=[0, 5]),
        r"meta\.json: videos\.a1\.objects\.1\.frames\[0\]: Input should be a valid string",
    ),
    (
        lambda d: d["videos"]["a1"]["objects"]["1"].update(frames=["00007"]),
        r"objects\.1\.frames: there is no frame '00007' in .*JPEGImages/a1; unpack it again",
    ),
    (
        lambda d: d["videos"]["a1"]["objects"].update({"300": objects(d)["1"]}),
        r"videos\.a1\.objects: an object is a whole number from 1 to 255, not '300'",
    ),
    (
        lambda d: d["videos"]["a1"]["objects"].update({"01": objects(d)["1"]}),
        r"videos\.a1\.objects: an object is a whole number from 1 to 255, not '01'",
    ),
    (
        lambda d: d["videos"].update({"../a1": d["videos"]["a1"]}),
        r"meta\.json: videos: expected a plain name without slashes, not '\.\./a1'",
    ),
    (
        lambda d: d["videos"].update({"x9": d["videos"]["a1"]}),
        r"JPEGImages/x9: there is no such folder",
    ),
    (
        lambda d: d["videos"].update({"\ud800": d["videos"]["a1"]}),
        r"meta\.json: videos: expected a plain name without slashes, not '\\ud800'",
    ),
    (
        lambda d: d["videos"]["a1"]["objects"]["1"].update(category="\ud800"),
        r"videos\.a1\.objects\.1\.category: .* string|category '\\ud800' is empty or not print",
    ),
    (lambda d: d["videos"].clear() or d["videos"].update(b2=meta()), r"JPEGImages/b2: there is no"),
]


@pytest.mark.parametrize(("change", "text"), MALFORMED)
def test_a_malformed_document_is_refused_with_file_and_field(
    tmp_path: Path, change: Callable[[dict[str, Any]], Any], text: str
) -> None:
    with pytest.raises(DatasetError, match=text):
        YoutubeVosDataset(edited(tmp_path / "vos", change))


def test_a_video_in_two_splits_is_refused(tmp_path: Path) -> None:
    root = make_root(tmp_path / "vos")
    write_frames(root / "test" / "JPEGImages" / "a1", ["00000"])
    write_meta(root, "test", {"a1": meta()})
    with pytest.raises(DatasetError, match=r"test/meta\.json: videos\.a1: the video is in train"):
        YoutubeVosDataset(root)


def test_a_training_frame_without_mask_is_named(tmp_path: Path) -> None:
    root = make_root(tmp_path / "vos")
    (root / "train" / "Annotations" / "a1" / "00005.png").unlink()
    with pytest.raises(DatasetError, match=r"objects\.1\.frames: frame 00005 of a1 has no mask"):
        YoutubeVosDataset(root)


def test_a_damaged_mask_and_frame_are_named(tmp_path: Path) -> None:
    root = make_root(tmp_path / "vos")
    (root / "train" / "Annotations" / "a1" / "00005.png").write_bytes(b"no PNG")
    (root / "train" / "JPEGImages" / "a1" / "00000.jpg").write_bytes(b"no JPEG")
    with pytest.raises(DatasetError) as raised:
        YoutubeVosDataset(root)
    assert "00005.png: this is not a PNG file" in str(raised.value)
    assert "00000.jpg is not an image that can be decoded" in str(raised.value)


@pytest.mark.parametrize("text", ["{", "[" * 200_000, '{"videos": NaN}', "7"])
def test_what_is_no_such_document_is_refused(tmp_path: Path, text: str) -> None:
    root = make_root(tmp_path / "vos")
    (root / "train" / "meta.json").write_text(text, encoding="utf-8")
    with pytest.raises(DatasetError, match=r"train/meta\.json"):
        YoutubeVosDataset(root)


def test_the_layout_is_told_from_others(tmp_path: Path) -> None:
    assert not is_youtube_vos(tmp_path)
    assert is_youtube_vos(make_root(tmp_path / "vos"))
    with pytest.raises(DatasetError, match=r"no split has a meta\.json that lists a video"):
        YoutubeVosDataset(tmp_path)


def test_every_annotated_frame_of_a_random_video_gives_its_own_boxes(tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    root = tmp_path / "vos"
    write_frames(root / "train" / "JPEGImages" / "r", EVERY_FIFTH)
    masks = {
        name: random.integers(0, 4, (24, 32)) * (random.random((24, 32)) < 0.01)
        for name in EVERY_FIFTH
    }
    for name, mask in masks.items():
        write_mask(root / "train" / "Annotations" / "r" / f"{name}.png", mask)
    entries = {f"o{number}": ("thing", []) for number in (1, 2, 3)}
    write_meta(root, "train", {"r": meta(**entries)})
    (record,) = YoutubeVosDataset(root).records
    assert record.tubes
    for tube in record.tubes:
        for frame, box in zip(tube.frame_indices, tube.boxes_xyxy, strict=True):
            rows, columns = np.nonzero(masks[EVERY_FIFTH[frame]] == tube.id)
            tight = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
            assert box.tolist() == tight
    num_boxes = sum(len(tube) for tube in record.tubes)
    assert num_boxes == sum(len(np.unique(mask[mask > 0])) for mask in masks.values())
