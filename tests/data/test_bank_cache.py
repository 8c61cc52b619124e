from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
from tiny_data import LABELS, add_video, make_dataset, make_tube, write_video

from vadsdk.data.bank_cache import BankPlace, cached_bank_path
from vadsdk.data.clip_bank import ClipBank
from vadsdk.data.dataset import open_dataset
from vadsdk.data.native_writer import write_dataset
from vadsdk.data.records import VideoRecord
from vadsdk.errors import DatasetError

SIZE = (24, 32)


class Place:
    """A data set, a place for its bank, and what was said and decoded on the way."""

    def __init__(self, folder: Path, path: Path, size: tuple[int, int] = SIZE) -> None:
        self.folder = folder
        self.place = BankPlace(path=path, store_size=size)
        self.notes: list[str] = []

    def records(self) -> tuple[VideoRecord, ...]:
        return open_dataset(self.folder).split("train")

    def bank(self, records: tuple[VideoRecord, ...] | None = None) -> ClipBank:
        self.notes.clear()
        earlier = self.place.open(self.notes.append)
        dataset = open_dataset(self.folder)
        wanted = self.records() if records is None else records
        return self.place.current(dataset, wanted, earlier, note=self.notes.append)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    place = Place(make_dataset(tmp_path / "data"), tmp_path / "tiny.bank")
    place.bank()
    return place


def age(path: Path) -> None:
    os.utime(path, ns=(0, path.stat().st_mtime_ns + 10**9))


def test_a_good_bank_is_used_as_it_is_even_without_the_videos(place: Place) -> None:
    for video in (place.folder / "videos").iterdir():
        video.unlink()
    before = place.place.path.stat()
    assert len(place.bank().records) == 6
    assert not place.notes
    assert place.place.path.stat() == before


def test_a_video_that_changed_is_decoded_anew_and_no_other(place: Place) -> None:
    write_video(place.folder / "videos" / "jump1.mp4", 20, height=24)
    age(place.folder / "videos" / "jump1.mp4")
    for video in (place.folder / "videos").iterdir():
        if video.name != "jump1.mp4":
            video.unlink()  # what is copied needs no file
    place.bank()
    assert place.notes == [
        f"the clip bank {place.place.path} is built anew: "
        "'videos/jump1.mp4' or its annotation has changed"
    ]
    place.bank()
    assert not place.notes


def test_a_mask_or_a_box_that_changed_makes_the_bank_stale(place: Place) -> None:
    age(place.folder / "masks" / "wave0.json")
    place.bank()
    assert "'videos/wave0.mp4' or its annotation has changed" in place.notes[0]
    document = json.loads((place.folder / "dataset.json").read_text())
    document["videos"][0]["tubes"][0]["boxes"][0][1] += 1
    (place.folder / "dataset.json").write_text(json.dumps(document))
    place.bank()
    assert "'videos/jump0.mp4' or its annotation has changed" in place.notes[0]


def test_a_bank_of_fewer_videos_grows_and_one_of_more_serves(place: Place) -> None:
    few = place.records()[:2]
    assert len(place.bank(few).records) == 6
    assert not place.notes
    place.place.path.unlink()
    assert len(place.bank(few).records) == 2
    assert len(place.bank(place.records()[1:]).records) == 6  # the one it had is kept
    assert "grows by 4 videos, such as 'videos/jump2.mp4'" in place.notes[0]


def test_a_broken_video_is_not_tried_again_until_it_changes(tmp_path: Path) -> None:
    videos = [add_video(tmp_path, name, (make_tube("jump", 0, 5),)) for name in "ab"]
    write_dataset(tmp_path, LABELS, videos)
    broken = tmp_path / "videos" / "a.mp4"
    broken.write_text("no video")
    place = Place(tmp_path, tmp_path / "a.bank")
    place.bank()
    assert list(place.bank().skipped) == ["videos/a.mp4"]
    assert not place.notes
    add_video(tmp_path, "a")
    age(broken)
    bank = place.bank()
    assert "has changed" in place.notes[0]
    assert len(bank.records) == 2
    assert not bank.skipped


def test_a_damaged_bank_is_built_anew(place: Place) -> None:
    path = place.place.path
    size = path.stat().st_size
    os.truncate(path, 5000)
    assert len(place.bank().records) == 6
    assert place.notes == [
        f"the clip bank {path} has 5000 bytes instead of {size}; it is built anew"
    ]


def test_a_bank_of_another_size_or_other_videos_or_no_bank_is_never_replaced(
    place: Place, tmp_path: Path
) -> None:
    other_size = Place(place.folder, place.place.path, (32, 32))
    with pytest.raises(DatasetError, match="holds frames of 24 x 32 pixels, this run needs 32 x"):
        other_size.bank()
    strangers = tuple(replace(record, name=record.name + "x") for record in place.records())
    with pytest.raises(DatasetError, match="is of other videos, those of 'data'; give another"):
        place.bank(strangers)
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(DatasetError, match="is no clip bank; give another"):
        Place(place.folder, tmp_path / "thesis.txt").bank()
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


def test_cached_banks_are_told_apart_and_go_with_their_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VADSDK_BANKS", str(tmp_path / "banks"))
    paths = []
    for name in ("one", "two"):
        root = make_dataset(tmp_path / name)
        path = cached_bank_path(root, SIZE, "jhmdb21", 1)
        assert path == cached_bank_path(root, SIZE, "jhmdb21", 1)
        assert path != cached_bank_path(root, SIZE, "jhmdb21", 2)
        assert path != cached_bank_path(root, (24, 24), "jhmdb21", 1)
        paths.append(path)
        dataset = open_dataset(root)
        place = BankPlace(path=path, store_size=SIZE, root=root)
        place.current(dataset, dataset.split("train"), None, note=print)
        assert path.exists()
        root.rename(tmp_path / f"{name}, elsewhere")
    assert not paths[0].exists()  # it went when the second one was built
