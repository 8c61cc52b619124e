from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from tiny_data import FPS, HEIGHT, WIDTH, write_video

from vadsdk.data.ava import AvaDataset, is_ava, read_ava
from vadsdk.data.ava_files import (
    parse_ava_rows,
    read_ava_detections,
    read_ava_rows,
    read_exclusions,
    read_label_map,
)
from vadsdk.data.dataset import open_dataset
from vadsdk.errors import ConfigError, DatasetError
from vadsdk.structures.ava import NO_PERSON, AvaRows

LABEL_MAP = """# all actions
label {
  name: "stand"
  label_id: 12
  label_type: PERSON_MOVEMENT
}
item { name: 'it\\'s "sit"' id: 11 }
"""
TRAIN = """movie,0001,0.25,0.25,0.5,0.75,12,0
movie,0001,0.25,0.25,0.5,0.75,11,0
movie,0002,0.5,0.25,0.75,0.75,12,0
movie,0002,0.0,0.0,1.0,1.0,12,1
movie,0000
absent,0001,0.25,0.25,0.5,0.75,12,0
"""
VAL = "later,0001,0.25,0.25,0.5,0.75,12,5\n"


def make_root(root: Path, train: str = TRAIN, val: str | None = VAL) -> Path:
    """Two videos of 3 seconds at 10 frames a second; the csv names a third one."""
    write_video(root / "videos" / "movie.mkv", 30)
    write_video(root / "videos" / "later.mp4", 30)
    (root / "ava_train_v2.2.csv").write_text(train, encoding="utf-8")
    if val is not None:
        (root / "ava_val_v2.2.csv").write_text(val, encoding="utf-8")
    (root / "ava_action_list_v2.2.pbtxt").write_text(LABEL_MAP, encoding="utf-8")
    return root


def written(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_a_tube_a_person_and_action_with_boxes_at_the_key_frames_alone(tmp_path: Path) -> None:
    dataset = AvaDataset(make_root(tmp_path))
    assert dataset.labels == ('it\'s "sit"', "stand")
    (record,) = dataset.split("train")
    assert (record.name, record.path) == ("movie", tmp_path / "videos" / "movie.mkv")
    assert (record.num_frames, record.width, record.height) == (30, WIDTH, HEIGHT)
    assert record.annotated_frames == (0, 10, 20)
    found = [(tube.label, tube.frame_indices.tolist()) for tube in record.tubes]
    assert found == [('it\'s "sit"', [10]), ("stand", [10, 20]), ("stand", [20])]
    stand = record.tubes[1]
    assert stand.boxes_xyxy.tolist() == [[16, 12, 32, 36], [32, 12, 48, 36]]
    assert (stand.start_seconds, stand.end_seconds) == (1.0, 2.1)
    assert [tube.id for tube in record.tubes] == [0, 1, 2]
    assert [record.name for record in dataset.split("val")] == ["later"]


def test_masks_are_the_filled_boxes_of_the_key_frames(tmp_path: Path) -> None:
    dataset = AvaDataset(make_root(tmp_path))
    masks = dataset.actor_masks(dataset.split("train")[0], [0, 10, 11])
    assert masks.sum(axis=(1, 2)).tolist() == [0, 16 * 24, 0]
    assert masks[1, 12:36, 16:32].all()


def test_videos_without_a_file_are_counted_and_reported_as_harmless(tmp_path: Path) -> None:
    root = make_root(tmp_path)
    assert AvaDataset(root).missing_videos == 1
    (problem,) = read_ava(root).problems
    assert not problem.fatal
    assert problem.message.startswith("1 of 3 annotated videos have no file here, such as absent")


def test_no_video_at_all_is_an_error(tmp_path: Path) -> None:
    root = make_root(tmp_path, train=TRAIN.replace("movie", "other"), val=None)
    with pytest.raises(DatasetError, match="none of the 2 annotated videos is here; put them"):
        AvaDataset(root)


@pytest.mark.parametrize(("train", "val", "name"), [("", VAL, "train"), (TRAIN, "\n", "val")])
def test_an_empty_csv_does_not_drop_its_split_in_silence(
    tmp_path: Path, train: str, val: str, name: str
) -> None:
    root = make_root(tmp_path, train=train, val=val)
    with pytest.raises(DatasetError, match=rf"ava_{name}_v2\.2\.csv is empty; unpack the official"):
        AvaDataset(root)


def test_a_list_of_exclusions_may_be_empty(tmp_path: Path) -> None:
    root = make_root(tmp_path)
    written(root / "ava_train_excluded_timestamps_v2.2.csv", "")
    assert AvaDataset(root).split("train")[0].annotated_frames == (0, 10, 20)


def test_excluded_key_frames_are_dropped(tmp_path: Path) -> None:
    root = make_root(tmp_path)
    written(root / "ava_train_excluded_timestamps_v2.2.csv", "movie,0002\nmovie,0000\n")
    written(root / "ava_val_excluded_timestamps_v2.2.csv", "later,1.0\n")
    dataset = AvaDataset(root)
    (record,) = dataset.split("train")
    assert record.annotated_frames == (10,)
    assert [tube.frame_indices.tolist() for tube in record.tubes] == [[10], [10]]
    (nothing_known,) = dataset.split("val")
    assert not nothing_known.labelled


def test_timestamps_count_from_the_start_of_a_cut(tmp_path: Path) -> None:
    root = make_root(tmp_path, train="movie,0902,0.25,0.25,0.5,0.75,12,0\n", val=None)
    dataset = AvaDataset(root, start_seconds=900)
    (tube,) = dataset.records[0].tubes
    assert tube.frame_indices.tolist() == [2 * FPS]
    with pytest.raises(
        DatasetError,
        match=r"ava_train_v2\.2\.csv: line 1, timestamp: 902 s of movie is outside the file, "
        r"which has 0 s to 3 s \(1 such rows\); use the whole movie, or write the time",
    ):
        AvaDataset(root)
    with pytest.raises(ConfigError, match="not nan"):
        AvaDataset(root, start_seconds=float("nan"))


def test_the_start_of_the_cuts_may_be_written_beside_the_annotation(tmp_path: Path) -> None:
    root = make_root(tmp_path, train="movie,0902,0.25,0.25,0.5,0.75,12,0\n", val=None)
    path = written(root / "start_seconds.txt", "900\n")
    dataset = open_dataset(root)
    assert dataset.records[0].annotated_frames == (2 * FPS,)
    assert isinstance(dataset, AvaDataset)
    assert dataset.benchmark("train").start_seconds == 900
    assert not read_ava(root).problems
    with pytest.raises(DatasetError, match="outside the file"):
        AvaDataset(root, start_seconds=0.0)  # what is given counts
    path.write_text("15 min", encoding="utf-8")
    with pytest.raises(DatasetError, match=r"start_seconds\.txt: expected the time.*'15 min'"):
        open_dataset(root)
    path.write_text("-3", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"not -3\.0"):
        open_dataset(root)


def test_rows_without_a_person_are_tubes_by_themselves(tmp_path: Path) -> None:
    row = "movie,{},0.25,0.25,0.5,0.75,12\n"
    root = make_root(tmp_path, train=row.format(1) + row.format(2) + row.format(2), val=None)
    tubes = AvaDataset(root).records[0].tubes
    assert [tube.frame_indices.tolist() for tube in tubes] == [[10], [20], [20]]


def test_with_the_list_of_evaluated_actions_alone_the_others_are_left_out(tmp_path: Path) -> None:
    root = make_root(tmp_path)
    (root / "ava_action_list_v2.2.pbtxt").unlink()
    evaluated = 'item { name: "stand" id: 12 }'
    written(root / "ava_action_list_v2.2_for_activitynet_2019.pbtxt", evaluated)
    dataset = AvaDataset(root)
    assert dataset.labels == ("stand",)
    assert {tube.label for tube in dataset.split("train")[0].tubes} == {"stand"}


def test_a_box_slightly_over_the_edge_is_clipped_to_the_frame(tmp_path: Path) -> None:
    root = make_root(tmp_path, train="movie,1,-0.005,0,1.005,1,12,0\n", val=None)
    assert AvaDataset(root).records[0].tubes[0].boxes_xyxy.tolist() == [[0, 0, WIDTH, HEIGHT]]


GOOD = "movie,1,0.1,0.1,0.5,0.5,12,0\n"
MALFORMED = [
    ("movie,1,0.1,0.1,0.5,12", "line 2, columns: expected 8: video, timestamp, x1, y1, x2, y2"),
    ("movie", "line 2, columns: expected video, timestamp, ... separated by commas, not 1"),
    ("../movie,1,0.1,0.1,0.5,0.5,12,0", "line 2, video: expected a plain name without slashes"),
    ("..,1,0.1,0.1,0.5,0.5,12,0", "line 2, video: expected a plain name"),
    ("movie,x,0.1,0.1,0.5,0.5,12,0", "line 2, timestamp: expected a finite number, not 'x'"),
    ("movie,-1,0.1,0.1,0.5,0.5,12,0", "line 2, timestamp: expected seconds from 0 on, not -1"),
    ("movie,1e300,0.1,0.1,0.5,0.5,12,0", "line 2, timestamp: expected seconds from 0 on, not 1e"),
    ("movie,1,nan,0.1,0.5,0.5,12,0", "line 2, x1: expected a finite number, not 'nan'"),
    ("movie,1,0.1,1_0,0.5,0.5,12,0", "line 2, y1: expected a finite number, not '1_0'"),
    ("movie,1,0.1,0.1,inf,0.5,12,0", "line 2, x2: expected a finite number, not 'inf'"),
    ("movie,1,0.1,0.1,0.5,,12,0", "line 2, y2: expected a finite number, not ''"),
    ("movie,1,0.1,0.1,0.5,0.5,0,0", "line 2, action id: expected a whole number from 1 on, not"),
    ("movie,1,0.1,0.1,0.5,0.5,1.5,0", "line 2, action id: expected a whole number from 1 on"),
    ("movie,1,0.1,0.1,0.5,0.5," + "9" * 5000 + ",0", "line 2, action id: expected a whole number"),
    ("movie,1,0.1,0.1,0.5,0.5,12,0.7", "line 2, person id: expected a whole number from -1 on"),
    ("movie,1,0.1,0.1,0.5,1.5,12,0", "line 2, box: the box [0.1, 0.1, 0.5, 1.5] lies outside 0 to"),
    ("movie,1,0.5,0.1,0.1,0.5,12,0", "line 2, x2: the box [0.5, 0.1, 0.1, 0.5] is empty; x2 must"),
    ("movie,1,0.1,0.5,0.5,0.5,12,0", "line 2, y2: the box [0.1, 0.5, 0.5, 0.5] is empty; y2 must"),
    ("movie,1,0.1,0.1,0.1000000001,0.5,12,0", "line 2, x2: the box"),
    ("movie,1,0.1,0.1,0.5,0.5,13,0", "line 2, action id: the id 13 is not in the action list"),
    ("movie,1", "line 2: the line says that nobody is in this key frame, others have boxes of it"),
    ("movie,1.0,0.2,0.1,0.5,0.5,12,0", "line 2, person id: person 0 of movie has action 12 at 1 s"),
    ("movie,3.01,0.1,0.1,0.5,0.5,12,0", "line 2, timestamp: 3.01 s of movie is outside the file"),
    ("movie,29", "timestamp: 29 s of movie is outside the file, which has 0 s to 3 s"),
    ("later,1,0.1,0.1,0.5,0.5,12,0", "video: the video later is in train as well; remove it from"),
]


@pytest.mark.parametrize(("line", "text"), MALFORMED)
def test_a_malformed_line_is_refused_with_file_line_and_field(
    tmp_path: Path, line: str, text: str
) -> None:
    root = make_root(tmp_path, train=GOOD + line + "\n")
    with pytest.raises(DatasetError, match=rf"ava_\w+_v2\.2\.csv: {re.escape(text)}"):
        AvaDataset(root)


def test_all_problems_are_collected_and_the_videos_are_found_all_the_same(tmp_path: Path) -> None:
    root = make_root(tmp_path, train=GOOD + "movie,x\nmovie,1,0.1,0.1,9,0.5,12,1\n")
    annotation = read_ava(root)
    assert [problem.field for problem in annotation.problems] == [
        "line 2, timestamp",
        "line 3, box",
    ]
    assert [record.name for record in annotation.records] == ["movie", "later"]
    assert not any(record.tubes for record in annotation.records)
    with pytest.raises(DatasetError, match=r"2 problems in the annotation, such as"):
        AvaDataset(root)


def test_files_that_are_no_videos_or_come_twice_are_named(tmp_path: Path) -> None:
    root = make_root(tmp_path)
    written(root / "videos" / "movie.mp4", "no video")
    written(root / "videos" / "later.mp4", "no video")
    texts = [str(problem) for problem in read_ava(root).problems if problem.fatal]
    assert any(
        "movie.mp4: another file, " in text and "movie.mkv, is the same video" in text
        for text in texts
    )
    assert any("later.mp4: the video is not readable" in text for text in texts)


def test_a_link_out_of_the_data_set_is_refused(tmp_path: Path) -> None:
    root = make_root(tmp_path / "ava")
    write_video(tmp_path / "outside.mp4", 30)
    (root / "videos" / "absent.mp4").symlink_to(tmp_path / "outside.mp4")
    with pytest.raises(DatasetError, match=r"absent\.mp4: the link leads out of the data set"):
        AvaDataset(root)


def test_missing_files_and_mixed_versions_are_named(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"has no annotation files such as ava_train_v2\.2"):
        AvaDataset(tmp_path)
    assert not is_ava(tmp_path)
    root = make_root(tmp_path)
    assert is_ava(root)
    written(root / "ava_train_v2.1.csv", TRAIN)
    with pytest.raises(DatasetError, match=r"has the annotation of v2\.1, v2\.2; keep"):
        AvaDataset(root)
    (root / "ava_train_v2.1.csv").unlink()
    (root / "ava_action_list_v2.2.pbtxt").unlink()
    with pytest.raises(DatasetError, match=r"ava_action_list_v2\.2\.pbtxt does not exist"):
        AvaDataset(root)
    written(root / "ava_action_list_v2.2.pbtxt", LABEL_MAP)
    (root / "videos").rename(root / "movies")
    with pytest.raises(DatasetError, match=r"videos does not exist; put the videos there"):
        AvaDataset(root)


def test_ground_truth_rows_keep_their_values(tmp_path: Path) -> None:
    rows = read_ava_rows(written(tmp_path / "gt.csv", "\ufeff" + TRAIN + "\n\n"))
    assert rows.videos.tolist() == ["movie"] * 4 + ["absent"]
    assert rows.timestamps.tolist() == [1, 1, 2, 2, 1]
    assert rows.boxes01[2].tolist() == [0.5, 0.25, 0.75, 0.75]
    assert rows.class_ids.tolist() == [12, 11, 12, 12, 12]
    assert rows.person_ids.tolist() == [0, 0, 0, 1, 0]
    assert rows.scores.tolist() == [1] * 5
    assert rows.empty_key_frames == {("movie", 0.0)}
    assert len(rows.at(rows.class_ids == 11)) == 1


def test_detections_keep_boxes_that_no_annotation_may_have(tmp_path: Path) -> None:
    rows = read_ava_detections(written(tmp_path / "d.csv", "a,1.25,0.9,0,0.1,1.5,3,0.125\n"))
    assert rows.boxes01.tolist() == [[0.9, 0, 0.1, 1.5]]
    assert rows.scores.tolist() == [0.125]
    assert rows.person_ids.tolist() == [NO_PERSON]
    assert len(read_ava_detections(written(tmp_path / "e.csv", ""))) == 0


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("a,1", "line 1, columns: expected 8: .* action id, score; not 2"),
        ("a,1,0,0,1,1,3", "line 1, columns: expected 8: .* action id, score; not 7"),
        ("a,1,0,0,1,1,3,high", "line 1, score: expected a finite number, not 'high'"),
        ("a,1,0,0,1,1,,0.5\nb", r"line 1, action id: .* not '' \(1 more in this file\)"),
    ],
)
def test_a_malformed_detection_is_named(tmp_path: Path, line: str, text: str) -> None:
    with pytest.raises(DatasetError, match=rf"d\.csv: {text}"):
        read_ava_detections(written(tmp_path / "d.csv", line))


def test_exclusions_are_video_and_time(tmp_path: Path) -> None:
    path = written(tmp_path / "x.csv", "a,0905\nb, 7.1234567\n")
    assert read_exclusions(path) == {("a", 905.0), ("b", 7.123457)}
    with pytest.raises(DatasetError, match=r"x\.csv: line 2, columns: expected video, timestamp"):
        read_exclusions(written(path, "a,1\na,1,2\n"))


def test_text_that_is_not_utf8_is_named_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "gt.csv"
    path.write_bytes(b"a,1\n\xff\xfe,1\n")
    with pytest.raises(DatasetError, match=r"gt\.csv, line 2: this is not UTF-8 text"):
        read_ava_rows(path)
    with pytest.raises(DatasetError, match=r"cannot read .*IsADirectory|cannot read "):
        read_ava_rows(tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "lists no action, expected blocks such as"),
        ("# only a comment", "lists no action"),
        ("item { name: 'a' id: 1 }\nitem { name: 'a' id: 2 }", "line 2: the id 2 or the name 'a'"),
        ("item { name: 'a' id: 1 }\nitem { name: 'b' id: 1 }", "line 2: the id 1 or the name 'b'"),
        ("item { name: 'a' }", "line 1: the block needs a `name` and an `id`"),
        ("item { id: 1 }", "line 1: the block needs a `name` and an `id`"),
        ("item {\n name: 'a'\n id: 0 }", "line 3: `id` must be a whole number from 1 on, at '0'"),
        ("item { name: 'a' id: 99999999999 }", "line 1: '99999999999 }' is not understood"),
        ("item { name: a id: 1 }", "line 1: `name` must be a text in quotes, at 'a'"),
        ("item { name: '' id: 1 }", "line 1: `name` must be a text in quotes"),
        ("item { name: 'a' id 1 }", "line 1: expected `key: value` or `}`, at 'id'"),
        ("item { name: 'a' id: 1", "line 1: the block is not closed with `}`; the file is cut"),
        ("item { item { id: 1 } }", "line 1: expected `key: value` or `}`, at 'item'"),
        ("{" * 100_000, "line 1: expected `item {` or `label {`, at '{'"),
        ("item", "line 1: expected `item {` or `label {`, at 'item'"),
        ("item { name: 'a\n' id: 1 }", "line 1: .* is not understood"),
        ("\x00", "line 1: .* is not understood"),
    ],
)
def test_a_malformed_label_map_is_named(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DatasetError, match=rf"list\.pbtxt,? {message}"):
        read_label_map(written(tmp_path / "list.pbtxt", text))


def test_rows_check_their_shapes() -> None:
    def make(count: int = 1, **changed: np.ndarray) -> AvaRows:
        columns = {
            "videos": np.array(["a"] * count),
            "timestamps": np.ones(1),
            "boxes01": np.array([[0.0, 0, 1, 1]]),
            "class_ids": np.ones(1, np.int64),
            "person_ids": np.ones(1, np.int64),
            "scores": np.ones(1),
        }
        return AvaRows(**(columns | changed))

    assert make().key_frames() == [("a", 1.0)]
    with pytest.raises(ValueError, match=r"2 rows need \(2, 4\) boxes"):
        make(2)
    with pytest.raises(ValueError, match=r"AvaRows\.scores must be finite"):
        make(scores=np.array([np.nan]))
    with pytest.raises(ValueError, match="rounded to 6 decimals"):
        make(timestamps=np.array([1.00000001]))


@pytest.mark.golden
def test_the_recorded_files_are_read(golden_folder: Path) -> None:
    rows = read_ava_rows(golden_folder / "ava_gt.csv")
    lines = (golden_folder / "ava_gt.csv").read_text(encoding="utf-8").split()
    assert len(rows) == len(lines)
    fields = lines[-1].split(",")
    assert rows.boxes01[-1].tolist() == [float(value) for value in fields[2:6]]
    assert parse_ava_rows(golden_folder / "ava_gt.csv").line_numbers[-1] == len(lines)
    detections = read_ava_detections(golden_folder / "ava_det.csv")
    assert (detections.boxes01[:, 0] > detections.boxes01[:, 2]).any()
    ids = [label_id for label_id, _ in read_label_map(golden_folder / "ava_labelmap.pbtxt")]
    assert ids == [1, 3, 12, 17, 74, 80]
