from __future__ import annotations

import os
import re
from pathlib import Path

import cv2
import numpy as np
import pytest
from numbered_masks import GREY, RGB, png, squares, write_frames, write_mask

from vadsdk.data.davis import DavisDataset, is_davis, read_davis
from vadsdk.data.davis_masks import MaskKind, boxes_of_masks, read_object_ids
from vadsdk.errors import DatasetError

FRAMES = ["00000", "00001", "00002"]


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


def write_sequence(root: Path, name: str, masks: list[np.ndarray]) -> None:
    write_frames(root / "JPEGImages" / "480p" / name, FRAMES)
    for frame, mask in zip(FRAMES, masks, strict=False):
        write_mask(root / "Annotations" / "480p" / name / f"{frame}.png", mask)


def write_list(root: Path, year: int | str, split: str, text: str) -> Path:
    path = root / "ImageSets" / str(year) / f"{split}.txt"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def make_root(root: Path) -> Path:
    """Object 2 of `judo` hides in frame 1; 255 is void."""
    masks = [squares(o1=0, o2=10), squares(o1=2), squares(o1=4, o2=12, o255=20)]
    write_sequence(root, "judo", masks)
    write_sequence(root, "camel", [squares(o1=1)] * 3)
    write_list(root, 2017, "train", "judo\n")
    write_list(root, 2017, "val", "camel\n")
    return root


def test_the_objects_of_2017_are_tubes_and_void_is_nothing(tmp_path: Path) -> None:
    dataset = DavisDataset(make_root(tmp_path / "davis"))
    assert (dataset.year, dataset.labels, dataset.has_masks) == (2017, ("object",), True)
    (record,) = dataset.split("train")
    assert (record.name, record.num_frames, record.fps) == ("judo", 3, 24)
    assert (record.height, record.width) == (24, 32)
    assert record.path == tmp_path / "davis" / "JPEGImages" / "480p" / "judo"
    assert record.annotated_frames is None
    first, second = record.tubes
    assert (first.id, first.label, second.id) == (1, "object", 2)
    assert first.boxes_xyxy.tolist() == [[0, 8, 4, 12], [2, 8, 6, 12], [4, 8, 8, 12]]
    assert second.frame_indices.tolist() == [0, 2]
    assert second.boxes_xyxy.tolist() == [[10, 8, 14, 12], [12, 8, 16, 12]]
    assert (second.start_seconds, second.end_seconds) == (0, 3 / 24)


def test_masks_are_the_union_of_the_objects(tmp_path: Path) -> None:
    dataset = DavisDataset(make_root(tmp_path / "davis"))
    masks = dataset.actor_masks(dataset.split("train")[0], [2, 1])
    assert masks.sum(axis=(1, 2)).tolist() == [32, 16]
    assert masks[0, 8:12, 12:16].all()


def test_all_that_is_not_zero_is_the_object_of_2016(tmp_path: Path) -> None:
    root = make_root(tmp_path / "davis")
    write_list(root, 2016, "train", "judo\n")
    dataset = DavisDataset(root, 2016)
    (tube,) = dataset.records[0].tubes
    assert tube.boxes_xyxy.tolist() == [[0, 8, 14, 12], [2, 8, 6, 12], [4, 8, 24, 12]]
    assert dataset.actor_masks(dataset.records[0], [2]).sum() == 48
    assert DavisDataset(root).year == 2017


def test_the_lists_of_2016_name_frames_and_masks(tmp_path: Path) -> None:
    root = tmp_path / "davis"
    write_sequence(root, "judo", [squares(o255=0)] * 3)
    pair = "/JPEGImages/480p/judo/{0}.jpg /Annotations/480p/judo/{0}.png \n"
    write_list(root, "480p", "train", "".join(pair.format(frame) for frame in FRAMES))
    dataset = DavisDataset(root)
    assert dataset.year == 2016
    assert [record.name for record in dataset.records] == ["judo"]
    assert len(dataset.records[0].tubes[0]) == 3


def test_a_test_sequence_knows_its_first_frame_or_nothing(tmp_path: Path) -> None:
    root = make_root(tmp_path / "davis")
    write_sequence(root, "one", [squares(o3=0)])
    write_sequence(root, "none", [])
    write_list(root, 2017, "test-dev", "one\nnone\n")
    one, none = DavisDataset(root).split("test-dev")
    assert one.annotated_frames == (0,)
    assert [tube.id for tube in one.tubes] == [3]
    assert (none.labelled, none.num_frames, none.width, none.height) == (False, 3, 32, 24)


def test_boxes_are_cached_until_a_mask_changes(tmp_path: Path, own_cache: Path) -> None:
    root = make_root(tmp_path / "davis")
    calls: list[tuple[int, int]] = []

    def left_edge() -> float:
        calls.clear()
        dataset = DavisDataset(root, progress=lambda done, total: calls.append((done, total)))
        return float(dataset.split("val")[0].tubes[0].boxes_xyxy[0, 0])

    assert left_edge() == 1
    assert calls == [(1, 2), (2, 2)]
    assert left_edge() == 1
    assert not calls
    write_mask(root / "Annotations" / "480p" / "camel" / "00000.png", squares(o1=5, o4=9))
    assert left_edge() == 5
    assert calls == [(1, 1)]
    next((own_cache / "vadsdk").iterdir()).write_bytes(b"PK no archive")
    assert left_edge() == 5
    assert calls == [(1, 2), (2, 2)]


def test_a_cache_that_cannot_be_written_is_no_obstacle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert DavisDataset(make_root(tmp_path / "davis")).records
    assert "the boxes of the masks are not cached" in caplog.text


def test_every_problem_is_collected(tmp_path: Path) -> None:
    root = make_root(tmp_path / "davis")
    write_list(root, 2017, "train", "judo\n../camel\n/JPEGImages/480p/x\nabsent\n")
    write_list(root, 2017, "val", "camel\njudo\n")
    folder = root / "Annotations" / "480p" / "camel"
    (folder / "00001.png").unlink()
    write_mask(folder / "00007.png", squares(o1=1))
    write_mask(root / "Annotations" / "480p" / "judo" / "00002.png", np.ones((5, 5)))
    texts = [str(problem) for problem in read_davis(root).problems]
    expected = [
        r"train\.txt: line 2, sequence: expected a plain name without slashes, not '\.\./camel'",
        r"train\.txt: line 3, sequence: expected a name such as 'camel', or '/JPEGImages/480p/cam",
        r"480p/absent: there is no such folder; unpack the frames there",
        r"val\.txt: judo: the sequence judo is in train as well; keep one",
        r"camel/00007\.png: there is no frame of this name in .*JPEGImages/480p/camel; remove",
        r"judo/00002\.png: the mask is 5 x 5, the first of its sequence 32 x 24",
    ]
    assert len(texts) == len(expected)
    for pattern in expected:
        assert any(re.search(pattern, text) for text in texts), pattern
    with pytest.raises(DatasetError, match="6 problems in the annotation, such as"):
        DavisDataset(root)


def test_a_frame_without_mask_is_named(tmp_path: Path) -> None:
    root = make_root(tmp_path / "davis")
    (root / "Annotations" / "480p" / "camel" / "00001.png").unlink()
    with pytest.raises(DatasetError, match=r"camel: 1 of 3 frames have no mask, such as 00001"):
        DavisDataset(root)


def test_files_that_are_not_frames_are_named(tmp_path: Path) -> None:
    root = make_root(tmp_path / "davis")
    write_frames(root / "JPEGImages" / "480p" / "camel", ["cover", "1"])
    with pytest.raises(DatasetError) as raised:
        DavisDataset(root)
    assert "cover.jpg: expected a number as the name, such as 00012" in str(raised.value)
    assert "1.jpg: 00001.jpg has the same number" in str(raised.value)


def test_a_name_that_is_not_utf8_is_named_in_printable_text(tmp_path: Path) -> None:
    root = make_root(tmp_path / "davis")
    folder = root / "JPEGImages" / "480p" / "camel"
    (folder / os.fsdecode(b"caf\xe9.jpg")).write_bytes(b"")
    with pytest.raises(DatasetError, match=r"caf\\udce9\.jpg: expected a number as the name"):
        DavisDataset(root)
    write_list(root, 2017, "train", "judo\n\x00\n")
    with pytest.raises(DatasetError, match=r"train\.txt: line 2, sequence: expected a plain name"):
        DavisDataset(root)


def test_links_out_of_the_data_set_are_refused(tmp_path: Path) -> None:
    root = make_root(tmp_path / "davis")
    write_frames(tmp_path / "outside", FRAMES)
    (root / "JPEGImages" / "480p" / "linked").symlink_to(tmp_path / "outside")
    write_list(root, 2017, "train", "linked\n")
    with pytest.raises(DatasetError, match="linked: the folder leads out of the data set"):
        DavisDataset(root)
    mask = root / "Annotations" / "480p" / "camel" / "00001.png"
    mask.rename(tmp_path / "mask.png")
    mask.symlink_to(tmp_path / "mask.png")
    write_list(root, 2017, "train", "judo\n")
    with pytest.raises(DatasetError, match=r"00001\.png: the link leads out of the data set"):
        DavisDataset(root)


def test_missing_lists_and_unknown_years_are_refused(tmp_path: Path) -> None:
    root = make_root(tmp_path / "davis")
    assert is_davis(root)
    with pytest.raises(DatasetError, match="DAVIS has the years 2016 and 2017, not 2018"):
        DavisDataset(root, 2018)
    with pytest.raises(DatasetError, match="ImageSets has no lists of 2016; unpack the official"):
        DavisDataset(root, 2016)
    (root / "ImageSets" / "2017" / "train.txt").unlink()
    (root / "ImageSets" / "2017" / "val.txt").unlink()
    with pytest.raises(DatasetError, match="2017: no list names a sequence"):
        DavisDataset(root)
    assert not is_davis(tmp_path)


@pytest.mark.parametrize("text", ["", "\n \n", "\ufeff"])
def test_an_empty_list_does_not_drop_its_split_in_silence(tmp_path: Path, text: str) -> None:
    root = make_root(tmp_path)
    path = write_list(root, 2017, "val", text)
    with pytest.raises(DatasetError, match=rf"{path} is empty; unpack the official file there"):
        DavisDataset(root)


def test_a_mask_that_changed_its_size_is_named(tmp_path: Path) -> None:
    root = make_root(tmp_path / "davis")
    dataset = DavisDataset(root)
    write_mask(root / "Annotations" / "480p" / "judo" / "00000.png", np.ones((5, 5)))
    with pytest.raises(DatasetError, match=r"00000\.png has changed its size since the data set"):
        dataset.actor_masks(dataset.split("train")[0], [0])


PACKED = [
    ("palette, 1 bit", [bytes([0b00010000])], 1, 3, [0, 0, 0, 1]),
    ("palette, 2 bit", [bytes([0b00011011])], 2, 3, [0, 1, 2, 3]),
    ("palette, 4 bit", [bytes([0x01, 0x23])], 4, 3, [0, 1, 2, 3]),
    ("palette, 8 bit", [bytes([0, 1, 2, 200])], 8, 3, [0, 1, 2, 200]),
    ("grey, 1 bit", [bytes([0b00010000])], 1, 0, [0, 0, 0, 1]),
    ("grey, 2 bit", [bytes([0b00011011])], 2, 0, [0, 1, 2, 3]),
    ("grey, 4 bit", [bytes([0x01, 0x23])], 4, 0, [0, 1, 2, 3]),
    ("grey, 8 bit", [bytes([0, 1, 2, 200])], 8, 0, [0, 1, 2, 200]),
]


@pytest.mark.parametrize(
    ("rows", "bits", "colour", "expected"),
    [case[1:] for case in PACKED],
    ids=[c[0] for c in PACKED],
)
def test_numbers_are_read_as_stored(
    tmp_path: Path, rows: list[bytes], bits: int, colour: int, expected: list[int]
) -> None:
    path = tmp_path / "mask.png"
    path.write_bytes(png(rows, 4, bits, colour))
    assert read_object_ids(path, MaskKind.NUMBERED).tolist() == [expected]


def test_masks_written_by_opencv_are_read_as_stored(tmp_path: Path) -> None:
    numbers = np.random.default_rng(0).integers(0, 256, (31, 45), np.uint8)
    cv2.imwrite(str(tmp_path / "mask.png"), numbers)
    assert (read_object_ids(tmp_path / "mask.png", MaskKind.NUMBERED) == numbers).all()


def huge() -> bytes:
    return png([b"\0"], 1)[:16] + b"\x7f\xff\xff\xff" * 2 + png([b"\0"], 1)[24:]


def noise() -> bytes:
    random = np.random.default_rng(0)
    return png([random.bytes(100) for _ in range(50)], 100)


DAMAGED = [
    (b"", "this is not a PNG file"),
    (b"GIF89a", "this is not a PNG file"),
    (huge(), "a PNG of 2147483647 x 2147483647 pixels is no mask"),
    (png([], 4), "a PNG of 4 x 0 pixels is no mask"),
    (png([bytes(12)], 4, 8, RGB), "the pixels are colours, expected object numbers"),
    (png([bytes(8)], 4, 16, GREY), "the pixels are colours, expected object numbers"),
    (noise()[:2000], "the PNG is damaged"),
    (noise()[:2000] + b"\xff" + noise()[2001:], "the PNG is damaged"),
    (noise()[:40], "the PNG is damaged"),
]


@pytest.mark.parametrize(("content", "text"), DAMAGED)
def test_a_damaged_mask_is_named(tmp_path: Path, content: bytes, text: str) -> None:
    path = tmp_path / "mask.png"
    path.write_bytes(content)
    with pytest.raises(DatasetError, match=rf"mask\.png: {text}"):
        read_object_ids(path, MaskKind.NUMBERED)
    boxes, (problem,) = boxes_of_masks([path], MaskKind.NUMBERED)
    assert boxes is None
    assert problem.file == str(path)
    assert problem.message.startswith(text)


def test_a_missing_mask_is_named(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"mask\.png: the mask does not exist"):
        read_object_ids(tmp_path / "mask.png", MaskKind.BINARY)


@pytest.mark.data
def test_the_real_sequences_have_one_object_in_most_frames(data_folder: Path) -> None:
    dataset = DavisDataset(data_folder / "davis2016")
    assert (len(dataset.split("train")), len(dataset.split("val"))) == (6, 8)
    for record in dataset.records:
        (tube,) = record.tubes
        assert (record.width, record.height) == (428, 240)
        assert len(tube) >= 0.9 * record.num_frames
        path = data_folder / "davis2016" / "Annotations" / "480p" / record.name
        frame = int(tube.frame_indices[len(tube) // 2])
        by_opencv = cv2.imread(str(path / f"{frame:05d}.png"), cv2.IMREAD_GRAYSCALE) > 0
        assert (dataset.actor_masks(record, [frame])[0] == by_opencv).all()
        rows, columns = np.nonzero(by_opencv)
        box = tube.boxes_xyxy[len(tube) // 2].tolist()
        assert box == [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
