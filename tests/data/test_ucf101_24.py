from __future__ import annotations

import pickle
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.io
from hypothesis import given
from hypothesis import strategies as st
from tiny_data import write_video

from vadsdk.data import matlab_files
from vadsdk.data.matlab_files import read_mat
from vadsdk.data.ucf101_24 import Ucf101Dataset, read_problems
from vadsdk.data.ucf101_24_annotation import Ucf101Annotation
from vadsdk.data.ucf101_24_files import is_ucf101_24
from vadsdk.errors import DatasetError
from vadsdk.video import read_frames

FENCING = "Fencing/v_Fencing_g01_c01"
SKIJET = "Skijet/v_Skijet_g01_c01"
BIKING = "Biking/v_Biking_g01_c01"

# frames (from 0, end exclusive) and x, y, width, height, the same in each frame
TUBES = {
    FENCING: [(0, 12, (200, 10, 100, 200)), (4, 9, (1, 2, 30, 40))],
    SKIJET: [(3, 7, (10, 20, 64, 48))],
    BIKING: [(0, 12, (5, 5, 10, 10))],
}
LABEL = {FENCING: 6, SKIJET: 17, BIKING: 2}
Entry = dict[str, Any]


def pickled(num_frames: int = 12) -> dict[str, Entry]:
    return {
        name: {
            "numf": np.uint8(num_frames),
            "label": LABEL[name],
            "annotations": [
                {
                    "label": LABEL[name],
                    "sf": start,
                    "ef": end,
                    "boxes": np.tile(np.array(box, np.uint8), (end - start, 1)),
                }
                for start, end, box in tubes
            ],
        }
        for name, tubes in TUBES.items()
    }


def write_pickle(root: Path, content: object) -> Path:
    path = root / "pyannot.pkl"
    path.write_bytes(pickle.dumps(content, 2))
    return path


def struct_array(rows: list[Entry]) -> np.ndarray:
    array = np.empty((1, len(rows)), [(key, "O") for key in rows[0]])
    for index, row in enumerate(rows):
        array[0, index] = tuple(row.values())
    return array


def write_mat(root: Path, **changes: object) -> Path:
    """Frames and classes count from 1, the last frame is inclusive."""
    rows = [
        {
            "num_imgs": np.uint8(12),
            "name": name,
            "tubes": struct_array(
                [
                    {
                        "ef": np.uint8(tube["ef"]),
                        "sf": np.uint8(tube["sf"] + 1),
                        "class": np.uint8(tube["label"] + 1),
                        "boxes": tube["boxes"],
                    }
                    | changes
                    for tube in entry["annotations"]
                ]
            ),
        }
        for name, entry in pickled().items()
    ]
    path = root / "finalAnnots.mat"
    scipy.io.savemat(path, {"annot": struct_array(rows)}, do_compression=True)
    return path


def make_root(root: Path) -> Path:
    """Fencing in native size, Skijet twice as large, Biking without its file."""
    write_video(root / "videos" / "Fencing" / "v_Fencing_g01_c01.avi", 12, 240, 320)
    write_video(root / "v_Skijet_g01_c01.mp4", 12, 480, 640)
    write_pickle(root, pickled())
    (root / "testlist01.txt").write_text(f"{SKIJET}\n{BIKING}.avi 3", encoding="utf-8")
    return root


@pytest.fixture(scope="module")
def read_only_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_root(tmp_path_factory.mktemp("ucf"))


def boxes(dataset: Ucf101Dataset) -> dict[str, list[Any]]:
    return {
        record.name: [
            (tube.start_frame, tube.end_frame, tube.label, tube.boxes_xyxy.tolist())
            for tube in record.tubes
        ]
        for record in dataset.records
    }


def test_videos_come_with_all_their_tubes_and_x_plus_width_does_not_overflow(
    read_only_root: Path,
) -> None:
    dataset = Ucf101Dataset(read_only_root)
    assert is_ucf101_24(read_only_root)
    assert len(dataset.labels) == 24
    assert list(dataset.labels) == sorted(dataset.labels)
    (fencing,) = dataset.split("train")
    assert (fencing.name, fencing.num_frames) == (FENCING, 12)
    assert (fencing.width, fencing.height, fencing.fps) == (320, 240, 10)
    assert boxes(dataset)[FENCING] == [
        (0, 12, "Fencing", [[200, 10, 300, 210]] * 12),
        (4, 9, "Fencing", [[1, 2, 31, 42]] * 5),
    ]
    assert [tube.id for tube in fencing.tubes] == [0, 1]
    assert (fencing.tubes[1].start_seconds, fencing.tubes[1].end_seconds) == (0.4, 0.9)


def test_boxes_are_scaled_to_a_file_of_another_size(read_only_root: Path) -> None:
    dataset = Ucf101Dataset(read_only_root)
    (record,) = dataset.split("test")
    assert (record.name, record.width, record.height) == (SKIJET, 640, 480)
    assert record.tubes[0].boxes_xyxy[0].tolist() == [20, 40, 148, 136]
    masks = dataset.actor_masks(record, [2, 3])
    assert not masks[0].any()
    assert masks[1].sum() == 128 * 96
    assert not dataset.has_masks


def test_a_video_that_is_not_there_is_left_out_and_counted(read_only_root: Path) -> None:
    dataset = Ucf101Dataset(read_only_root)
    assert dataset.missing_videos == 1
    assert BIKING not in boxes(dataset)
    (problem,) = dataset.problems
    assert not problem.fatal
    assert problem.message == (
        f"1 of 3 annotated videos are not there, such as {BIKING}; unpack them beside it to use "
        "them"
    )


def test_none_of_the_videos_is_an_error(tmp_path: Path) -> None:
    root = make_root(tmp_path)
    (root / "v_Skijet_g01_c01.mp4").unlink()
    (root / "videos" / "Fencing" / "v_Fencing_g01_c01.avi").unlink()
    with pytest.raises(DatasetError, match=r"pyannot\.pkl: 3 of 3 annotated videos are not there"):
        Ucf101Dataset(root)


def test_mat_and_pickle_say_the_same(tmp_path: Path) -> None:
    root = make_root(tmp_path)
    expected = boxes(Ucf101Dataset(root))
    write_mat(root)
    (root / "pyannot.pkl").unlink()
    assert boxes(Ucf101Dataset(root)) == expected
    write_pickle(root, [])
    assert boxes(Ucf101Dataset(root)) == expected  # the .mat file comes first


def test_a_file_that_is_no_video_is_a_record_for_the_decoder_to_report(tmp_path: Path) -> None:
    root = make_root(tmp_path)
    (root / "v_Skijet_g01_c01.mp4").write_bytes(b"no video")
    record = Ucf101Dataset(root).split("test")[0]
    assert (record.width, record.height, record.fps) == (320, 240, 25)


def test_of_two_files_the_native_one_in_its_class_folder_is_taken_and_the_other_named(
    tmp_path: Path,
) -> None:
    root = make_root(tmp_path)
    write_video(root / "a" / "v_Fencing_g01_c01.mp4", 12, 256, 340)
    dataset = Ucf101Dataset(root)
    assert dataset.split("train")[0].width == 320
    assert any("is also a/v_Fencing_g01_c01.mp4" in p.message for p in dataset.problems)


def test_a_link_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    root = make_root(tmp_path / "ucf")
    write_video(tmp_path / "else" / "b.mp4", 12)
    (root / "v_Biking_g01_c01.mp4").symlink_to(tmp_path / "else" / "b.mp4")
    with pytest.raises(
        DatasetError, match=r"c01\.mp4: it is a link that leads out of the data set; copy"
    ):
        Ucf101Dataset(root)


def test_the_official_training_list_leaves_out_what_it_does_not_name(tmp_path: Path) -> None:
    root = make_root(tmp_path)
    (root / "splitfiles").mkdir()
    train = root / "splitfiles" / "trainlist01.txt"
    train.write_text("ApplyLipstick/v_ApplyLipstick_g08_c01.avi 2\n", encoding="utf-8")
    dataset = Ucf101Dataset(root)
    assert [record.name for record in dataset.records] == [SKIJET]
    assert any("1 videos are in no list" in problem.message for problem in dataset.problems)
    train.write_text(f"{SKIJET}.avi 18\n{FENCING}.avi 7\n", encoding="utf-8")
    with pytest.raises(DatasetError, match=r"trainlist01\.txt and testlist01\.txt both have 'Skij"):
        Ucf101Dataset(root)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"{SKIJET}\n../b.avi\n", r"testlist01\.txt, line 2: '\.\./b\.avi' is not <class>/<video>"),
        ("Other/v_Other\n", "has none of the annotated videos in it"),
        ("", r"testlist01\.txt is empty; unpack the official file there again"),
        ("\udc80", r"testlist01\.txt, line 1: this is not UTF-8"),
    ],
)
def test_a_malformed_list_is_named(tmp_path: Path, text: str, message: str) -> None:
    root = make_root(tmp_path)
    (root / "testlist01.txt").write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(DatasetError, match=message):
        Ucf101Dataset(root)


def test_an_empty_training_list_does_not_drop_the_split_in_silence(tmp_path: Path) -> None:
    root = make_root(tmp_path)
    (root / "trainlist01.txt").write_text("\n", encoding="utf-8")
    with pytest.raises(DatasetError, match=r"trainlist01\.txt is empty; unpack the official"):
        Ucf101Dataset(root)


def test_lists_with_a_byte_order_mark_are_read(tmp_path: Path) -> None:
    root = make_root(tmp_path)
    expected = [(record.name, record.split) for record in Ucf101Dataset(root).records]
    path = root / "testlist01.txt"
    path.write_text("\ufeff" + path.read_text(encoding="utf-8"), encoding="utf-8")
    assert [(record.name, record.split) for record in Ucf101Dataset(root).records] == expected


def test_a_split_that_is_not_there_is_refused(read_only_root: Path, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="UCF101-24 has the splits 1, 2 and 3, not 0"):
        Ucf101Dataset(read_only_root, 0)
    with pytest.raises(DatasetError, match=r"has no testlist02\.txt; put the official one there"):
        Ucf101Dataset(read_only_root, 2)
    with pytest.raises(DatasetError, match=r"neither finalAnnots\.mat nor pyannot\.pkl; put one"):
        Ucf101Dataset(tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda video: video.pop("numf"), rf"pyannot\.pkl: {FENCING}\.numf: it is missing"),
        (lambda video: video.update(numf="12"), r"numf: expected a whole number from 0, not '12'"),
        (lambda video: video.update(numf=2**40), "expected a whole number from 0"),
        (lambda video: video.update(annotations=None), "annotations: None is no list of tubes"),
        (lambda video: video.update(annotations=[1]), r"annotations\[0\]\.sf: it is missing"),
        (lambda video: video.update(annotations=[{}] * 1001), "1001 tubes are more than 1000"),
        (lambda video: video.update(numf=8), r"annotations\[0\]\.boxes\[8\]: .* outside the video"),
        (lambda video: video["annotations"][1].update(sf=3), r"\[1\]\.boxes: \(5, 4\) boxes for"),
        (lambda video: video["annotations"][1].update(sf=9), r"\[1\]\.boxes: \(5, 4\) boxes for"),
        (lambda video: video["annotations"][1].update(sf=True), "whole number from 0, not True"),
        (lambda video: video["annotations"][1].update(ef=2.5), "whole number from 0, not 2.5"),
        (lambda video: video["annotations"][1].update(label=7), r"class 7 is not that of the name"),
        (lambda video: video["annotations"][1].update(label=24), "class 24 is not that of the"),
        (lambda video: video["annotations"][1].update(boxes=[1]), r"\.boxes: \[1\] are no numbers"),
        (
            lambda video: video["annotations"][1].update(boxes=np.full((5, 4), "a")),
            "are no numbers",
        ),
        (
            lambda video: video["annotations"][1].update(boxes=np.full((5, 4), np.nan)),
            r"boxes\[0\]: .* is not finite",
        ),
        (
            lambda video: video["annotations"][1].update(boxes=np.zeros((5, 4), np.uint8)),
            r"boxes\[0\]: .* is empty",
        ),
        (
            lambda video: video["annotations"][1].update(boxes=np.full((5, 4), 200, np.uint8)),
            r"boxes\[0\]: .* lies outside the 320 x 240 frame",
        ),
    ],
)
def test_malformed_annotation_is_named(
    tmp_path: Path, change: Callable[[Entry], None], message: str
) -> None:
    root = make_root(tmp_path)
    content = pickled()
    change(content[FENCING])
    write_pickle(root, content)
    with pytest.raises(DatasetError, match=message):
        Ucf101Dataset(root)
    assert any(problem.fatal for problem in read_problems(root))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([1], "holds no dictionary of videos"),
        ({}, "has no videos in it"),
        ({1: {}}, "the name 1 is not <class>/<video>"),
        ({"Fencing/../x": {}}, r"the name 'Fencing/\.\./x' is not"),
        ({"Reading/v_a": {}}, "with one of the 24 classes"),
    ],
)
def test_a_pickle_of_something_else_is_refused(
    tmp_path: Path, content: object, message: str
) -> None:
    path = write_pickle(tmp_path, content)
    with pytest.raises(DatasetError, match=message) as caught:
        Ucf101Annotation(path)
    assert str(path) in str(caught.value)


def test_malformed_mat_annotation_is_named(tmp_path: Path) -> None:
    root = make_root(tmp_path)
    write_mat(root, sf=np.uint8(0))
    with pytest.raises(
        DatasetError, match=r"finalAnnots\.mat: Fencing/.*: tubes\[0\]\.boxes: \(12"
    ):
        Ucf101Dataset(root)
    scipy.io.savemat(root / "finalAnnots.mat", {"other": 1.0})
    with pytest.raises(DatasetError, match=r"finalAnnots\.mat has no struct `annot` in it"):
        Ucf101Dataset(root)


def test_a_name_that_comes_twice_is_refused(tmp_path: Path) -> None:
    rows = struct_array([{"name": FENCING}, {"name": FENCING}])
    scipy.io.savemat(tmp_path / "finalAnnots.mat", {"annot": rows})
    with pytest.raises(DatasetError, match="annot: a video's name comes twice"):
        Ucf101Annotation(tmp_path / "finalAnnots.mat")


@pytest.mark.parametrize("compressed", [False, True])
def test_numbers_text_and_structs_of_a_mat_file_come_back(tmp_path: Path, compressed: bool) -> None:
    path = tmp_path / "a.mat"
    kinds = ["u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f4", "f8"]
    numbers = {f"n{kind}": np.arange(24).reshape(2, 3, 4).astype(kind) for kind in kinds}
    parts = struct_array([{"a": 1.5, "b": "xy"}, {"a": np.zeros((0, 4)), "b": ""}])
    scipy.io.savemat(
        path, numbers | {"text": "B\xe4\u20ac", "parts": parts}, do_compression=compressed
    )
    content = read_mat(path)
    for name, expected in numbers.items():
        assert (content[name] == expected).all()
    assert content["text"] == "B\xe4\u20ac"
    first, second = content["parts"]
    assert (first["a"].tolist(), first["b"]) == ([[1.5]], "xy")
    assert (second["a"].shape, second["b"]) == ((0, 4), "")


def element(kind: int, content: bytes) -> bytes:
    return struct.pack("<II", kind, len(content)) + content + bytes(-len(content) % 8)


def matrix(kind: int, *parts: bytes, shape: tuple[int, ...] = (1, 1), flags: int = 0) -> bytes:
    head = element(6, struct.pack("<II", kind | flags, 0))
    size = element(5, struct.pack(f"<{len(shape)}i", *shape))
    return element(14, head + size + element(1, b"a") + b"".join(parts))


def mat_file(*variables: bytes) -> bytes:
    return b"MATLAB 5.0".ljust(124) + struct.pack("<H", 0x0100) + b"IM" + b"".join(variables)


ONE = element(9, struct.pack("<d", 1.0))


def nested(depth: int) -> bytes:
    value = matrix(6, ONE)
    for _ in range(depth):
        value = matrix(2, element(5, struct.pack("<i", 8)), element(1, b"field\0\0\0"), value)
    return value


def test_the_crafted_mat_file_is_well_formed_but_for_what_the_tests_change(tmp_path: Path) -> None:
    (tmp_path / "a.mat").write_bytes(mat_file(nested(2)))
    assert read_mat(tmp_path / "a.mat")["a"][0]["field"][0]["field"] == 1


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "its header is another's"),
        (b"\x89HDF".ljust(600), "its header is another's"),
        (mat_file(nested(20)), "it nests more than 16 structs"),
        (mat_file(nested(2))[:-4], r"an element of \d+ bytes is cut off"),
        (mat_file(b"\x0e\0\0"), "unpack_from requires a buffer"),
        (mat_file(element(9, b"12345678")), "a variable has the type 9, expected a matrix"),
        (mat_file(element(15, b"no zlib")), "incorrect header check"),
        (mat_file(element(15, zlib.compress(ONE))), "a variable has the type 9"),
        (mat_file(matrix(1, matrix(6, ONE))), "a is neither struct, text nor real numbers"),
        (mat_file(matrix(6, ONE, ONE, flags=0x800)), "a is neither struct, text nor real"),
        (mat_file(matrix(6, ONE, shape=(1,))), r"a matrix has the size \[1\]"),
        (mat_file(matrix(6, ONE, shape=(-1, -1))), "a matrix has the size"),
        (mat_file(matrix(6, ONE, shape=(2**30, 2**30))), "cannot reshape array of size 1"),
        (mat_file(matrix(6, element(99, b"12345678"))), "numbers have the type 99"),
        (mat_file(matrix(6, element(9, b"123"))), "buffer size must be a multiple"),
        (mat_file(matrix(4, element(9, b"12345678"))), "a text has the type 9"),
        (mat_file(matrix(4, element(16, b"\xff"))), "can't decode byte 0xff"),
        (
            mat_file(matrix(2, element(5, struct.pack("<i", 0)), element(1, b""), shape=(2, 2))),
            "a struct has names of 0 in 0 bytes",
        ),
        (
            mat_file(
                matrix(2, element(5, struct.pack("<i", 2)), element(1, b"a\0"), shape=(2**30, 9))
            ),
            "a struct of 9663676416 parts is cut off",
        ),
        (
            mat_file(matrix(2, element(5, struct.pack("<i", 2)), element(1, b"a\0"), ONE)),
            "a struct's part has the type 9",
        ),
        (mat_file(element(14, element(9, b"12345678"))), "flags has the type 9, expected 32-bit"),
        (mat_file(element(14, element(6, b""))), "list index out of range"),
    ],
)
def test_malformed_and_hostile_mat_files_are_refused(
    tmp_path: Path, content: bytes, message: str
) -> None:
    path = tmp_path / "a.mat"
    path.write_bytes(content)
    with pytest.raises(DatasetError, match=message) as caught:
        read_mat(path)
    assert f"{path} is not a readable MATLAB 5 file: " in str(caught.value)


def test_a_mat_file_that_is_missing_or_too_large_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(DatasetError, match=r"cannot read .*a\.mat: No such file"):
        read_mat(tmp_path / "a.mat")
    monkeypatch.setattr(matlab_files, "MAX_BYTES", 4096)
    (tmp_path / "a.mat").write_bytes(mat_file(element(15, zlib.compress(bytes(100_000)))))
    with pytest.raises(DatasetError, match="it decompresses to more than 4096 bytes"):
        read_mat(tmp_path / "a.mat")
    (tmp_path / "a.mat").write_bytes(bytes(5000))
    with pytest.raises(DatasetError, match="is larger than 4096 bytes"):
        read_mat(tmp_path / "a.mat")


@given(st.data())
def test_a_damaged_mat_file_raises_nothing_but_a_dataset_error(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    content = bytearray(mat_file(nested(2), matrix(4, element(16, b"text"), shape=(1, 4))))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(126, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.getbasetemp() / "damaged.mat"
    path.write_bytes(content)
    try:
        read_mat(path)
    except DatasetError:
        return


@pytest.mark.data
def test_the_official_mat_and_pickle_agree_in_every_box(data_folder: Path) -> None:
    folder = data_folder / "ucf101-24"
    mat = Ucf101Annotation(folder / "finalAnnots.mat")
    pickle_file = Ucf101Annotation(folder / "pyannot.pkl")
    assert mat.names == pickle_file.names
    num_tubes = num_boxes = num_frames = 0
    for name in mat.names:
        (video, problems), (other, _) = mat.video(name), pickle_file.video(name)
        assert not problems
        assert video is not None
        assert other is not None
        assert video.num_frames == other.num_frames
        num_frames += video.num_frames
        for tube, twin in zip(video.tubes, other.tubes, strict=True):
            assert tube.first_frame == twin.first_frame
            assert (tube.boxes_xyxy == twin.boxes_xyxy).all()
            num_tubes += 1
            num_boxes += len(tube.boxes_xyxy)
    # Counted with scipy's reader, independently of this one.
    assert (len(mat.names), num_tubes, num_boxes, num_frames) == (3194, 4458, 573862, 555157)


@pytest.mark.data
def test_the_real_videos_have_the_frames_that_are_annotated(data_folder: Path) -> None:
    dataset = Ucf101Dataset(data_folder / "ucf101-24")
    assert dataset.missing_videos == 3194 - 8
    assert {record.split for record in dataset.records} == {"test"}
    by_name = {record.name: record for record in dataset.records}
    assert len(by_name["SalsaSpin/v_SalsaSpin_g03_c01"].tubes) == 5
    cliff = by_name["CliffDiving/v_CliffDiving_g03_c01"]
    assert (cliff.width, cliff.height) == (340, 256)
    assert [(tube.start_frame, tube.end_frame) for tube in cliff.tubes] == [(23, 78)]
    for record in dataset.records:
        assert len(read_frames(record.path, size=(8, 8))) == record.num_frames
        for tube in record.tubes:
            assert (tube.boxes_xyxy <= [record.width, record.height] * 2).all()
