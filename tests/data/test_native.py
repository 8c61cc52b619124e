from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_data import HEIGHT, LABELS, WIDTH, box_masks, make_tube

from vadsdk.data.dataset import open_dataset
from vadsdk.data.native_writer import NativeVideo, write_dataset, write_masks
from vadsdk.errors import ConfigError, DatasetError


def write_annotation(
    folder: Path, *tubes: Any, masks_path: str | None = None, path: str = "a.mp4"
) -> Path:
    video = NativeVideo(
        path=path,
        split="train",
        num_frames=20,
        fps=10,
        width=WIDTH,
        height=HEIGHT,
        tubes=tubes,
        masks_path=masks_path,
    )
    write_dataset(folder, LABELS, [video])
    return folder


def edited(folder: Path, change: Callable[[dict[str, Any]], None]) -> Path:
    """Write a good data set, then change its document."""
    write_annotation(folder, make_tube("wave", 3, 8))
    document = json.loads((folder / "dataset.json").read_text(encoding="utf-8"))
    change(document)
    (folder / "dataset.json").write_text(json.dumps(document), encoding="utf-8")
    return folder


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    tube = make_tube("wave", 3, 8)
    dataset = open_dataset(write_annotation(tmp_path, tube))
    (record,) = dataset.split("train")
    assert (dataset.format, dataset.labels) == ("vadsdk", LABELS)
    assert (record.name, record.path) == ("a.mp4", tmp_path / "a.mp4")
    assert (record.num_frames, record.width, record.height) == (20, WIDTH, HEIGHT)
    assert record.fps == 10
    assert record.labelled
    assert record.tubes[0].to_json() == tube.to_json()


def test_masks_are_the_union_of_the_tubes(tmp_path: Path) -> None:
    tubes = make_tube("wave", 3, 8), make_tube("jump", 5, 9, id=1, left=40)
    masks = {tube.id: list(box_masks(tube)) for tube in tubes}
    write_masks(tmp_path, "masks/a.json", tubes, masks)
    dataset = open_dataset(write_annotation(tmp_path, *tubes, masks_path="masks/a.json"))
    read = dataset.actor_masks(dataset.records[0], [2, 3, 5, 8])
    left, right = masks[0][0], masks[1][0]
    assert (read == [0 * left, left, left | right, right]).all()


def test_without_a_mask_file_the_boxes_are_filled(tmp_path: Path) -> None:
    tube = make_tube("wave", 3, 8)
    dataset = open_dataset(write_annotation(tmp_path, tube))
    read = dataset.actor_masks(dataset.records[0], np.arange(20))
    assert not read[:3].any()
    assert (read[3:8] == box_masks(tube)).all()
    assert not read[8:].any()


def test_an_entry_of_tubes_json_is_a_tube(tmp_path: Path) -> None:
    entry = make_tube("wave", 3, 8).to_json()
    edited(tmp_path, lambda document: document["videos"][0].update(tubes=[entry]))
    assert open_dataset(tmp_path).records[0].tubes[0].to_json() == entry


def set_box(document: dict[str, Any], box: list[float]) -> None:
    document["videos"][0]["tubes"][0]["boxes"][1] = box


MALFORMED: list[tuple[Callable[[dict[str, Any]], Any], str]] = [
    (
        lambda d: set_box(d, [4, float("nan"), 0, 5, 5]),
        r"videos\[0\]\.tubes\[0\]\.boxes\[1\]: the box \[nan, 0, 5, 5\] of frame 4 is not finite; "
        "give four numbers in pixels or remove the frame",
    ),
    (lambda d: set_box(d, [4, float("inf"), 0, 5, 5]), r"boxes\[1\].*is not finite"),
    (
        lambda d: d["videos"][0].update(annotated_frames=[3, 4, 6]),
        r"tubes\[0\]\.boxes\[2\]: frame 5 is not among the video's `annotated_frames`; add it",
    ),
    (lambda d: set_box(d, [4, 0, 0, 1e300, 5]), r"boxes\[1\].*is not finite"),
    (
        lambda d: set_box(d, [4, 60, 0, 90, 5]),
        r"boxes\[1\]: the box \[60, 0, 90, 5\] of frame 4 lies outside the 64 x 48 frame; "
        "clip it to the frame",
    ),
    (lambda d: set_box(d, [4, 9, 9, 9, 12]), r"boxes\[1\].*is empty; a box is x1, y1, x2, y2 with"),
    (lambda d: set_box(d, [3, 0, 0, 5, 5]), r"boxes\[1\].*frame 3 is out of order"),
    (
        lambda d: d["videos"][0]["tubes"][0]["boxes"].append([20, 0, 0, 5, 5]),
        r"boxes\[5\].*frame 20 is outside the video, which has the frames 0 to 19",
    ),
    (lambda d: set_box(d, [4, "x", 0, 5, 5]), r"boxes\[1\]\[1\]: Input should be a valid number"),
    (lambda d: set_box(d, [10**30, 0, 0, 5, 5]), r"boxes\[1\]\[0\]: Input should be less than"),
    (
        lambda d: d["videos"][0]["tubes"][0].update(label="wvae"),
        r"tubes\[0\]\.label: unknown label 'wvae'; add it to `labels` or use one of: jump, wave",
    ),
    (lambda d: d["videos"][0].update(fps=float("nan")), r"videos\[0\]\.fps: Input should be"),
    (lambda d: d["videos"][0].update(num_frames=0), r"videos\[0\]\.num_frames: .*greater than 0"),
    (lambda d: d["videos"][0].update(labeled=False), r"videos\[0\]\.labeled: Extra inputs"),
    (lambda d: d["videos"][0].update(labelled=False), r"has tubes, but `labelled` is false"),
    (
        lambda d: d["videos"][0].update(video_label="jump"),
        r"videos\[0\]\.video_label: a\.mp4 has a class as a whole and tubes, which name theirs",
    ),
    (
        lambda d: d["videos"][0].update(tubes=[], video_label="jmup"),
        r"videos\[0\]\.video_label: unknown label 'jmup'; add it to `labels` or use one of: jump,",
    ),
    (
        lambda d: d["videos"][0].update(tubes=[], video_label="jump", labelled=False),
        r"videos\[0\]\.video_label: a\.mp4 has a class, but `labelled` is false; set it true or",
    ),
    (lambda d: d.update(version=2), r"version: Input should be 1, not 2"),
    (lambda d: d.update(labels=["wave", "jump", "wave"]), "the label 'wave' comes 2 times"),
    (
        lambda d: d["labels"].append(""),
        r"labels\[2\]: the label '' is no name; write one or drop it",
    ),
    (lambda d: d["labels"].append(" \t"), r"labels\[2\]: the label ' \\t' is no name"),
    (lambda d: d["labels"].append("a\x1b[2J"), r"labels\[2\]: the label 'a\\x1b\[2J' is no name"),
    (lambda d: d["videos"][0].update(path="../a.mp4"), r"videos\[0\]\.path: .* leads out of"),
    (lambda d: d["videos"][0].update(path="/etc/passwd"), r"videos\[0\]\.path: .* leads out of"),
    (lambda d: d["videos"][0].update(masks="../a.json"), r"videos\[0\]\.masks: .* leads out of"),
    (
        lambda d: d["videos"][0].update(path="a\0.mp4"),
        r"videos\[0\]\.path: .* is no name of a file",
    ),
    (
        lambda d: d["videos"][0].update(path="a" * 300),
        r"videos\[0\]\.path: .* is no name of a file",
    ),
    (lambda d: d["videos"][0].update(fps=1e300), r"videos\[0\]\.fps: .* less than or equal to"),
    (lambda d: d["videos"][0].update(path=""), r"videos\[0\]\.path: '' leads out of"),
    (lambda d: d["videos"].append(d["videos"][0] | {"path": "./a.mp4"}), "listed more than once"),
    (
        lambda d: d["videos"][0]["tubes"].append(d["videos"][0]["tubes"][0]),
        r"tubes\[0\]\.id: a\.mp4 has 2 tubes with the id 0; number them",
    ),
]


@pytest.mark.parametrize(("change", "text"), MALFORMED)
def test_a_malformed_document_is_refused_with_file_field_and_remedy(
    tmp_path: Path, change: Callable[[dict[str, Any]], None], text: str
) -> None:
    edited(tmp_path, change)
    with pytest.raises(DatasetError, match=rf"(?s)dataset\.json: .*{text}"):
        open_dataset(tmp_path)


def test_a_box_one_pixel_over_the_edge_is_accepted(tmp_path: Path) -> None:
    edited(tmp_path, lambda document: set_box(document, [4, 0, 0, WIDTH + 1, HEIGHT + 1]))
    assert open_dataset(tmp_path).records[0].tubes


def test_many_problems_are_counted_and_three_shown(tmp_path: Path) -> None:
    def spoil(document: dict[str, Any]) -> None:
        document["videos"][0]["tubes"] = [
            {"id": number, "label": "run", "boxes": [[0, 0, 0, 1, 1]]} for number in range(5)
        ]

    edited(tmp_path, spoil)
    with pytest.raises(DatasetError) as raised:
        open_dataset(tmp_path)
    text = str(raised.value)
    assert text.startswith("5 problems in the annotation, such as")
    assert text.count("unknown label") == 3
    assert text.endswith(f"List all of them with: vadsdk data check {tmp_path}")


def test_a_symlink_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "secret.mp4").write_bytes(b"x")
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "a.mp4").symlink_to(tmp_path / "secret.mp4")
    with pytest.raises(DatasetError, match=r"'a\.mp4' leads out of the data set"):
        write_annotation(folder)
    (folder / "a.mp4").unlink()
    write_annotation(folder)
    (folder / "a.mp4").symlink_to(tmp_path / "secret.mp4")
    with pytest.raises(DatasetError, match=r"'a\.mp4' leads out of the data set"):
        open_dataset(folder)


def test_broken_json_is_refused_with_line_and_column(tmp_path: Path) -> None:
    (tmp_path / "dataset.json").write_text('{\n "labels": ["a",\n}', encoding="utf-8")
    with pytest.raises(DatasetError, match=r"dataset\.json, line 3, column 1: this is not JSON"):
        open_dataset(tmp_path)


@pytest.mark.parametrize("content", ["[]", "{}", "7", "null"])
def test_json_of_another_kind_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "dataset.json").write_text(content, encoding="utf-8")
    with pytest.raises(DatasetError, match=r"dataset\.json"):
        open_dataset(tmp_path)


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    (tmp_path / "dataset.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DatasetError, match=r"cannot read .*dataset\.json"):
        open_dataset(tmp_path)


def test_masks_of_another_size_are_refused(tmp_path: Path) -> None:
    tube = make_tube("wave", 0, 1)
    write_masks(tmp_path, "a.json", [tube], {0: [np.ones((4, 6), np.bool_)]})
    dataset = open_dataset(write_annotation(tmp_path, tube, masks_path="a.json"))
    with pytest.raises(DatasetError, match=r"a\.json: size: the masks are 4 x 6, the frames of"):
        dataset.actor_masks(dataset.records[0], [0])


def test_malformed_runs_are_refused(tmp_path: Path) -> None:
    document = {"size": [HEIGHT, WIDTH], "tracks": [{"tube_id": None, "frames": [[0, "03"]]}]}
    (tmp_path / "a.json").write_text(json.dumps(document), encoding="utf-8")
    dataset = open_dataset(write_annotation(tmp_path, masks_path="a.json"))
    with pytest.raises(DatasetError, match=r"a\.json: tracks\[0\]\.frames: a mask's runs do not"):
        dataset.actor_masks(dataset.records[0], [0])
    assert not dataset.actor_masks(dataset.records[0], [1]).any()


def test_masks_must_match_the_frames_of_their_tube(tmp_path: Path) -> None:
    tube = make_tube("wave", 0, 3)
    with pytest.raises(ValueError, match="tube 0 has 3 frames, its masks are"):
        write_masks(tmp_path, "a.json", [tube], {0: box_masks(tube)[:2]})


def test_a_video_without_tubes_has_empty_masks(tmp_path: Path) -> None:
    write_masks(tmp_path, "a.json", [], {})
    dataset = open_dataset(write_annotation(tmp_path, masks_path="a.json"))
    assert not dataset.actor_masks(dataset.records[0], [0, 19]).any()


def test_a_malformed_data_set_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="unknown label 'run'"):
        write_annotation(tmp_path, make_tube("run", 0, 3))
    assert not list(tmp_path.iterdir())


def test_an_unknown_format_lists_the_known_ones(native_folder: Path) -> None:
    with pytest.raises(ConfigError, match=r"unknown data set format 'jhmdb'\. Did you mean 'jhmdb"):
        open_dataset(native_folder, format="jhmdb")


def test_a_folder_of_another_format_is_refused(native_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"is not in the format 'jhmdb21', which has Re"):
        open_dataset(native_folder, format="jhmdb21")
    with pytest.raises(
        DatasetError, match=r"no data set of a known format \(vadsdk: dataset\.json"
    ):
        open_dataset(tmp_path)
    with pytest.raises(DatasetError, match="does not exist; give the folder of a data set"):
        open_dataset(tmp_path / "nowhere")
    with pytest.raises(DatasetError, match=r"dataset\.json is a file; give the folder"):
        open_dataset(native_folder / "dataset.json")


def test_an_unknown_split_lists_the_known_ones(native_folder: Path) -> None:
    with pytest.raises(DatasetError, match="no split 'val'; choose one of: test, train"):
        open_dataset(native_folder).split("val")


def test_the_native_format_has_no_split_index(native_folder: Path) -> None:
    with pytest.raises(DatasetError, match="which names its splits; leave split_index out"):
        open_dataset(native_folder, split_index=1)
