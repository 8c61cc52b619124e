from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numbered_masks import squares
from reader_seeds import write_jhmdb21
from test_davis import make_root as write_davis
from test_youtube_vos import make_root as write_youtube_vos
from tiny_data import HEIGHT, LABELS, WIDTH, add_video, box_masks, make_tube

from vadsdk.data.dataset import open_dataset
from vadsdk.data.exporting import VideoTubes, write_tubes
from vadsdk.data.importing import import_dataset
from vadsdk.data.native_writer import write_dataset, write_masks
from vadsdk.data.tube_masks import masks_of_tubes
from vadsdk.errors import DatasetError

TUBES = (make_tube("jump", 2, 6, id=1), make_tube("wave", 4, 9, id=4, left=20))


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def ring_masks(tube: object) -> np.ndarray:
    """The tube's box without its middle; overlapping actors share pixels."""
    masks = box_masks(tube)
    masks[:, 18:30, 12:16] = False
    return masks


def make_native(folder: Path, masks: Callable[[object], np.ndarray] = ring_masks) -> Path:
    video = add_video(folder, "a", TUBES, masks=True)
    write_masks(folder, "masks/a.json", TUBES, {tube.id: masks(tube) for tube in TUBES})
    write_dataset(folder, LABELS, [video])
    return folder


def decoded_masks(root: Path, format: str | None = None) -> dict[int, np.ndarray]:
    dataset = open_dataset(root, format=format)
    record = next(record for record in dataset.records if record.split == "train")
    found = masks_of_tubes(dataset, record)
    return {id: np.stack([m.mask(i) for i in range(len(m))]) for id, m in found.items()}


def test_the_native_format_keeps_actors_apart(tmp_path: Path) -> None:
    found = decoded_masks(make_native(tmp_path))
    assert found.keys() == {1, 4}
    for tube in TUBES:
        np.testing.assert_array_equal(found[tube.id], ring_masks(tube))


@pytest.mark.parametrize("format", ["cvat", "coco"])
def test_masks_of_each_actor_go_to_a_tool_and_come_back(tmp_path: Path, format: str) -> None:
    dataset = open_dataset(make_native(tmp_path / "set"))
    (record,) = dataset.records
    masks = masks_of_tubes(dataset, record)
    videos = [VideoTubes(record=record, tubes=record.tubes, masks=masks)]
    out = tmp_path / "tool"
    write_tubes(format, out, videos, LABELS)
    (out / "videos").mkdir(exist_ok=True)
    (out / record.name).hardlink_to(record.path)
    again = tmp_path / "again"
    import_dataset(open_dataset(out, format=format), again)
    for root in (out, again):
        found = decoded_masks(root)
        assert found.keys() == {1, 4}
        for tube in TUBES:
            np.testing.assert_array_equal(found[tube.id], ring_masks(tube))


@pytest.mark.parametrize("write", [write_davis, write_youtube_vos])
def test_numbered_objects_stay_apart_when_imported(
    tmp_path: Path, write: Callable[[Path], object]
) -> None:
    write(tmp_path / "set")
    for root in (tmp_path / "set", tmp_path / "out"):
        found = decoded_masks(root)
        assert found.keys() == {1, 2}
        expected = np.stack([squares(o1=0), squares(o1=2), squares(o1=4)]) > 0
        np.testing.assert_array_equal(found[1], expected)
        np.testing.assert_array_equal(found[2], np.stack([squares(o1=10), squares(o1=12)]) > 0)
        if root.name == "set":
            import_dataset(open_dataset(root), tmp_path / "out")


def test_the_one_actor_of_jhmdb_keeps_its_masks(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    write_jhmdb21(tmp_path / "set")
    import_dataset(open_dataset(tmp_path / "set"), tmp_path / "out")
    expected = np.zeros((8, HEIGHT, WIDTH), np.bool_)
    expected[:, 10:30, 8:24] = True
    for root in (tmp_path / "set", tmp_path / "out"):
        np.testing.assert_array_equal(decoded_masks(root)[0], expected)


def test_actors_of_which_one_has_boxes_alone_are_imported_together(tmp_path: Path) -> None:
    dataset = open_dataset(make_native(tmp_path / "set"))
    (record,) = dataset.records
    masks = masks_of_tubes(dataset, record)
    del masks[4]
    out = tmp_path / "tool"
    videos = [VideoTubes(record=record, tubes=record.tubes, masks=masks)]
    write_tubes("coco", out, videos, LABELS)
    (out / "videos").mkdir()
    (out / record.name).hardlink_to(record.path)
    source = open_dataset(out)
    assert masks_of_tubes(source, source.records[0]).keys() == {1}
    import_dataset(source, tmp_path / "again")
    assert not decoded_masks(tmp_path / "again")
    again = open_dataset(tmp_path / "again")
    union = again.actor_masks(again.records[0], np.arange(4, 6))
    expected = ring_masks(TUBES[0])[2:] | box_masks(TUBES[1])[:2]
    np.testing.assert_array_equal(union, expected)


def test_a_broken_mask_is_named(tmp_path: Path) -> None:
    path = make_native(tmp_path) / "masks" / "a.json"
    document = json.loads(path.read_text(encoding="utf-8"))
    document["tracks"][1]["frames"][2][1] = "05"
    path.write_text(json.dumps(document), encoding="utf-8")
    with pytest.raises(
        DatasetError, match=r"a\.json: tracks\[1\]\.frames: a mask's runs do not ad"
    ):
        decoded_masks(tmp_path)
