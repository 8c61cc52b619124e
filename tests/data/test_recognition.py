from __future__ import annotations

import os
from pathlib import Path

import pytest

from vadsdk.data import batches
from vadsdk.data.recognition import (
    NO_CLASS,
    RecognitionRecord,
    open_recognition,
    read_recognition,
)
from vadsdk.errors import ConfigError, DatasetError


def write(path: Path, text: str = "") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def make_ucf101(root: Path) -> Path:
    lists = root / "ucfTrainTestlist"
    write(lists / "classInd.txt", "1 Archery\r\n2 Biking\r\n")
    write(lists / "trainlist01.txt", "Archery/v_a1.avi 1\r\nBiking/v_b1.avi 2\r\n")
    write(lists / "testlist01.txt", "Archery/v_a2.avi\nBiking/v_b2.avi\n")
    for name in ("Archery/v_a1.avi", "Archery/v_a2.avi", "Biking/v_b1.mp4", "Biking/v_b2.avi"):
        write(root / "UCF-101" / name)
    return root


def make_hmdb51(root: Path) -> Path:
    write(root / "splits" / "sit_test_split1.txt", "a.avi 1 \nb.avi 2 \nc.avi 0 \n")
    write(root / "splits" / "run_test_split1.txt", "(Rad)x!.avi 1 \n")
    for name in ("sit/a.avi", "sit/b.avi", "sit/c.avi", "run/(Rad)x!.avi"):
        write(root / name)
    return root


HEADER = "label,youtube_id,time_start,time_end,split,is_cc\n"


def make_kinetics(root: Path) -> Path:
    train = f'{HEADER}"playing, well",-_a,12,22,train,0\nriding a bike,bbb,0,10,train,0\n'
    write(root / "train.csv", train)
    write(root / "validate.csv", f"{HEADER}riding a bike,ccc,1,11,validate,1\n")
    write(root / "test.csv", "youtube_id,time_start,time_end,split\nddd,2,12,test\n")
    write(root / "train" / "playing, well" / "-_a_000012_000022.mp4")
    write(root / "train" / "riding_a_bike" / "bbb.webm")
    write(root / "videos" / "riding a bike" / "ccc_000001_000011.mkv")
    write(root / "test" / "ddd_000002_000012.mp4")
    return root


def make_lists(root: Path) -> Path:
    lists = root / "videossl_splits"
    stem = "ucf101_train_{}_percent_{}_split_1_rawframes.txt"
    whole = "Archery/v_a1 60 0\nBiking/v_b1 70 1\nBiking/v_b3 80 1\n"
    write(lists / stem.format(10, "labeled"), "Biking/v_b1 70 1\n")
    write(lists / stem.format(10, "unlabeled"), whole)
    write(lists / "ucf101_val_split_1_rawframes.txt", "Archery/v_a2 90 0\n")
    (root / "rawframes" / "Archery" / "v_a1").mkdir(parents=True)
    for name in ("Biking/v_b1.avi", "Biking/v_b3.avi", "Archery/v_a2.avi"):
        write(root / "videos" / name)
    return root


def test_ucf101_takes_its_classes_from_the_index(tmp_path: Path) -> None:
    dataset = open_recognition(make_ucf101(tmp_path))
    assert (dataset.format, dataset.labels) == ("ucf101", ("Archery", "Biking"))
    assert dataset.split("train")[1] == RecognitionRecord(
        name="Biking/v_b1",
        path=tmp_path / "UCF-101" / "Biking" / "v_b1.mp4",
        label="Biking",
        class_index=1,
        split="train",
    )
    assert [record.name for record in dataset.split("test")] == ["Archery/v_a2", "Biking/v_b2"]
    with pytest.raises(DatasetError, match="has no split 'val'; choose one of: test, train"):
        dataset.split("val")


def test_hmdb51_leaves_out_what_is_not_in_the_split(tmp_path: Path) -> None:
    dataset = open_recognition(make_hmdb51(tmp_path))
    assert (dataset.format, dataset.labels) == ("hmdb51", ("run", "sit"))
    found = [(record.name, record.split, record.class_index) for record in dataset.records]
    assert found == [("run/(Rad)x!", "train", 0), ("sit/a", "train", 1), ("sit/b", "test", 1)]
    assert dataset.records[0].path == tmp_path / "run" / "(Rad)x!.avi"


def test_kinetics_finds_clips_by_id_and_time_or_by_id(tmp_path: Path) -> None:
    dataset = open_recognition(make_kinetics(tmp_path))
    assert (dataset.format, dataset.labels) == ("kinetics400", ("playing, well", "riding a bike"))
    first, second = dataset.split("train")
    assert first.name == "playing, well/-_a_000012_000022"
    assert second.path == tmp_path / "train" / "riding_a_bike" / "bbb.webm"
    assert (second.label, second.class_index) == ("riding a bike", 1)
    assert [record.path.suffix for record in dataset.split("val")] == [".mkv"]
    (unlabelled,) = dataset.split("test")
    assert (unlabelled.labelled, unlabelled.label) == (False, None)
    assert unlabelled.class_index == NO_CLASS == batches.NO_CLASS


def test_in_the_lists_what_is_not_labelled_has_no_class(tmp_path: Path) -> None:
    dataset = open_recognition(make_lists(tmp_path))
    assert (dataset.format, dataset.labels) == ("lists", ("Archery", "Biking"))
    found = [(r.name, r.label, r.class_index, r.num_frames) for r in dataset.split("train")]
    assert found == [
        ("Biking/v_b1", "Biking", 1, 70),
        ("Archery/v_a1", None, NO_CLASS, 60),
        ("Biking/v_b3", None, NO_CLASS, 80),
    ]
    assert [r.labelled for r in dataset.split("train")] == [True, False, False]
    assert dataset.split("train")[0].path == tmp_path / "videos" / "Biking" / "v_b1.avi"
    assert dataset.split("train")[1].path == tmp_path / "rawframes" / "Archery" / "v_a1"
    assert [(r.name, r.label) for r in dataset.split("val")] == [("Archery/v_a2", "Archery")]


def test_the_whole_list_stands_for_an_unlabelled_one(tmp_path: Path) -> None:
    write(tmp_path / "k_train_1_percent_labeled_videos.txt", "cut it (up)/a_1.mp4 0\n")
    write(tmp_path / "k_train_list_videos.txt", "cut it (up)/a_1.mp4 0\nsit/b.mp4 1\n")
    for name in ("cut it (up)/a_1.mp4", "sit/b.mp4"):
        write(tmp_path / "videos" / name)
    dataset = open_recognition(tmp_path)
    found = [(r.name, r.labelled, r.num_frames) for r in dataset.records]
    assert found == [("cut it (up)/a_1", True, None), ("sit/b", False, None)]
    assert dataset.labels == ("cut it (up)", "sit")


def test_without_a_percentage_the_whole_list_is_labelled(tmp_path: Path) -> None:
    write(tmp_path / "my_train.txt", "sit/b.mp4 12 0\n")
    write(tmp_path / "sit" / "b.mp4")
    (record,) = open_recognition(tmp_path).records
    assert (record.label, record.num_frames, record.labelled) == ("sit", 12, True)


def test_one_of_several_percentages_must_be_chosen(tmp_path: Path) -> None:
    root = make_lists(tmp_path)
    name = "ucf101_train_50_percent_labeled_split_1_rawframes.txt"
    write(root / "videossl_splits" / name, "Biking/v_b1 70 1\nBiking/v_b3 80 1\nArchery/v_a1 60 0")
    with pytest.raises(DatasetError, match=r"percentages of labelled videos: 10, 50; none was cho"):
        open_recognition(root)
    with pytest.raises(DatasetError, match=r"percentages of labelled videos: 10, 50; not 20\. C"):
        open_recognition(root, percent=20)
    assert len(open_recognition(root, percent=50).split("train")) == 3
    assert sum(record.labelled for record in open_recognition(root, percent=10).records) == 2


@pytest.mark.parametrize("make", [make_ucf101, make_hmdb51, make_kinetics, make_lists])
def test_videos_without_a_file_are_counted_and_reported_as_harmless(
    tmp_path: Path, make: object
) -> None:
    assert callable(make)
    dataset = open_recognition(make(tmp_path))
    assert dataset.missing_videos == 0
    gone = dataset.records[0]
    assert gone.path.is_file()
    gone.path.unlink()
    again = open_recognition(tmp_path)
    assert again.missing_videos == 1
    assert [r.name for r in again.records] == [r.name for r in dataset.records[1:]]
    (problem,) = read_recognition(tmp_path, dataset.format).problems
    assert not problem.fatal
    assert "listed videos are not here, such as" in problem.message


def test_no_video_at_all_is_an_error(tmp_path: Path) -> None:
    root = make_ucf101(tmp_path)
    (root / "UCF-101").rename(root / "elsewhere")
    with pytest.raises(DatasetError, match=r"none of the 4 listed videos is below this folder, su"):
        open_recognition(root)


def test_links_out_of_the_data_set_are_refused(tmp_path: Path) -> None:
    root = make_ucf101(tmp_path / "ucf")
    video = root / "UCF-101" / "Archery" / "v_a1.avi"
    video.rename(tmp_path / "outside.avi")
    video.symlink_to(tmp_path / "outside.avi")
    with pytest.raises(DatasetError, match=r"v_a1\.avi: the link leads out of the data set"):
        open_recognition(root)
    (root / "UCF-101").rename(tmp_path / "UCF-101")
    (root / "UCF-101").symlink_to(tmp_path / "UCF-101")
    with pytest.raises(DatasetError, match=r"4 problems in the annotation"):
        open_recognition(root)


UCF101_FAULTS = [
    ("classInd.txt", "1 A\n3 B\n", "the indices must be 1, 2, 3 ..., each once"),
    ("classInd.txt", "", "the indices must be 1, 2, 3"),
    ("classInd.txt", "1 Archery\n2 Archery\n", r"line 2, class: 'Archery' comes twice"),
    ("classInd.txt", "one Archery\n", r"line 1, index: expected a whole number from 1 on"),
    ("classInd.txt", "1 ../Archery\n", r"line 1, class: expected a plain name without slashes"),
    ("trainlist01.txt", "Archery/v_a1.avi 2", r"line 1, class index: 2 is not the index 1 of Arc"),
    ("trainlist01.txt", "\nArchery/v_a1.avi", r"line 2, class index: expected a whole number fro"),
    ("trainlist01.txt", "Walking/v.avi 1", r"line 1, path: the class 'Walking' is not in classInd"),
    ("trainlist01.txt", "../Archery/v.avi 1", r"line 1, path: '../Archery/v\.avi' leads out of"),
    ("trainlist01.txt", "/etc/Archery/passwd 1", r"line 1, path: .* leads out of the data set"),
    ("trainlist01.txt", "C:/Archery/v.avi 1", r"line 1, path: .* leads out of the data set"),
    ("trainlist01.txt", "v.avi 1", r"line 1, path: the class '' is not in classInd"),
    ("testlist01.txt", "Archery/v_a1.avi", r"line 1: Archery/v_a1 is listed before, in trainlist"),
    ("testlist01.txt", "Archery/v_a2.avi 2", r"line 1, class index: 2 is not the index 1"),
]


@pytest.mark.parametrize(("name", "text", "message"), UCF101_FAULTS)
def test_a_malformed_line_of_ucf101_is_named(
    tmp_path: Path, name: str, text: str, message: str
) -> None:
    root = make_ucf101(tmp_path)
    write(root / "ucfTrainTestlist" / name, text)
    with pytest.raises(DatasetError, match=rf"{name}: {message}"):
        open_recognition(root)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a.avi 3", r"line 1, code: expected 1 \(train\), 2 \(test\) or 0 \(neither\), not '3'"),
        ("a.avi", r"line 1, clip: expected a plain name"),
        ("../a.avi 1", r"line 1, clip: expected a plain name without slashes"),
        ("a.avi 1\na.avi 2", r"line 2: sit/a is listed before, in sit_test_split1\.txt, line 1"),
    ],
)
def test_a_malformed_line_of_hmdb51_is_named(tmp_path: Path, text: str, message: str) -> None:
    root = make_hmdb51(tmp_path)
    write(root / "splits" / "sit_test_split1.txt", text)
    with pytest.raises(DatasetError, match=rf"sit_test_split1\.txt: {message}"):
        open_recognition(root)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("a,b,0,10,train", r"line 2: expected 6 fields as in the first line, not 5"),
        ("a,b,0,10,trian,0", r"line 2, split: expected one of train, val, .*, not 'trian'"),
        ("a,../b,0,10,train,0", r"line 2, youtube_id: expected a plain name without slashes"),
        ("a/b,b,0,10,train,0", r"line 2, label: expected a plain name without slashes"),
        (",b,0,10,train,0", r"line 2, label: a label is missing; only the test split has none"),
        ("a,b,x,10,train,0", r"line 2, time_start: expected a whole number from 0 on, not 'x'"),
        ("a,b,10,0,train,0", r"line 2, time_end: expected a whole number from 10 on, not '0'"),
        ('"a,b,10,20,train,0', r"line 2: this is not a csv file \(unexpected end of data\)"),
    ],
)
def test_a_malformed_row_of_kinetics_is_named(tmp_path: Path, row: str, message: str) -> None:
    root = make_kinetics(tmp_path)
    write(root / "train.csv", HEADER + row)
    with pytest.raises(DatasetError, match=rf"train\.csv: {message}"):
        open_recognition(root)


LIST_FAULTS = [
    ("Biking/v_b1 70", r"line 1, columns: expected 'path num_frames class_index' or 'path class"),
    ("Biking/v_b1 0 1", r"line 1, num_frames: expected a whole number from 1 on, not '0'"),
    ("Biking/v_b1 70 -1", r"line 1, class_index: expected a whole number from 0 on, not '-1'"),
    ("Biking/v_b1 70 999999999", r"line 1, class_index: 999999999 is no index of a class"),
    ("Biking/../v_b1 70 1", r"line 1, path: 'Biking/\.\./v_b1' leads out of the data set"),
    ("Biking/v_b1 70 0", r"line 1, class_index: the class Archery has the index 0 here"),
    (
        "Biking/v_b1 70 1\nRun/v 70 3",
        r"class_index: no list has a video of class 2, but of",
    ),
    ("Biking/v_b1 70 1\nBiking/v_b1 70 1", r"line 2: Biking/v_b1 is listed before, in ucf101_trai"),
]


@pytest.mark.parametrize(("text", "message"), LIST_FAULTS)
def test_a_malformed_line_of_the_lists_is_named(tmp_path: Path, text: str, message: str) -> None:
    root = make_lists(tmp_path)
    name = "ucf101_train_10_percent_labeled_split_1_rawframes.txt"
    write(root / "videossl_splits" / name, text)
    with pytest.raises(DatasetError, match=message):
        open_recognition(root)


def test_all_problems_are_collected(tmp_path: Path) -> None:
    root = make_ucf101(tmp_path)
    write(root / "ucfTrainTestlist" / "trainlist01.txt", "x 1\ny 2\nBiking/v_b1.avi 2\n")
    lists = read_recognition(root, "ucf101")
    assert [problem.field for problem in lists.problems] == ["line 1, path", "line 2, path"]
    assert len(lists.records) == 3
    with pytest.raises(DatasetError, match="2 problems in the annotation"):
        open_recognition(root)


def test_text_that_is_not_utf8_is_named(tmp_path: Path) -> None:
    root = make_ucf101(tmp_path)
    (root / "ucfTrainTestlist" / "trainlist01.txt").write_bytes(b"Archery/v_\xe9.avi 1\n")
    with pytest.raises(DatasetError, match=r"trainlist01\.txt, line 1: this is not UTF-8 text"):
        open_recognition(root)


def test_a_class_whose_name_is_not_utf8_is_named(tmp_path: Path) -> None:
    root = make_hmdb51(tmp_path)
    write(root / "splits" / os.fsdecode(b"caf\xe9_test_split1.txt"), "a.avi 1")
    with pytest.raises(DatasetError, match=r"caf\\udce9_test_split1\.txt: the file's name, which"):
        open_recognition(root)


def test_the_format_is_found_or_named(tmp_path: Path) -> None:
    root = make_ucf101(tmp_path)
    write(root / "train.csv", HEADER)
    with pytest.raises(DatasetError, match="lists of several formats: ucf101, kinetics400; name"):
        open_recognition(root)
    assert open_recognition(root, "ucf101").format == "ucf101"
    with pytest.raises(ConfigError, match=r"unknown format of lists 'ucf-101'.* mean 'ucf101'"):
        open_recognition(root, "ucf-101")
    with pytest.raises(DatasetError, match="has no lists of a known format"):
        open_recognition(write(tmp_path / "empty" / "x.txt").parent)
    with pytest.raises(DatasetError, match="is not a folder; give the folder of a data set"):
        open_recognition(tmp_path / "absent", "ucf101")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("ucf101", r"classInd\.txt does not exist; unpack the official file there"),
        ("hmdb51", r"has no file \*_test_split1\.txt; unpack the official splits there"),
        ("kinetics400", r"has no csv file that begins with the columns label,youtube_id,time_st"),
        ("lists", r"has no training list; expected those of one data set"),
    ],
)
def test_missing_lists_are_named(tmp_path: Path, name: str, text: str) -> None:
    with pytest.raises(DatasetError, match=text):
        open_recognition(tmp_path, name)


def test_splits_and_percentages_that_are_not_there_are_refused(tmp_path: Path) -> None:
    ucf101, kinetics = make_ucf101(tmp_path / "u"), make_kinetics(tmp_path / "k")
    with pytest.raises(DatasetError, match="the lists have the splits 1, 2 and 3, not 4"):
        open_recognition(ucf101, split_index=4)
    with pytest.raises(DatasetError, match=r"trainlist02\.txt does not exist"):
        open_recognition(ucf101, split_index=2)
    with pytest.raises(DatasetError, match="Kinetics-400 has one split, the first, not 2"):
        open_recognition(kinetics, split_index=2)
    with pytest.raises(ConfigError, match="UCF-101 has no lists of labelled percentages"):
        open_recognition(ucf101, percent=10)
    with pytest.raises(DatasetError, match="has lists of the splits 1, not 2"):
        open_recognition(make_lists(tmp_path / "l"), split_index=2)
    write(tmp_path / "l" / "hmdb51_train_split_1_rawframes.txt", "a/b 3 0\n")
    with pytest.raises(DatasetError, match="has lists of 'hmdb51', 'ucf101'; expected those"):
        open_recognition(tmp_path / "l")


def test_a_record_has_a_class_just_if_it_is_labelled(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="a: label and class index are given if it is labelled"):
        RecognitionRecord(
            name="a", path=tmp_path, label="x", class_index=0, split="train", labelled=False
        )


@pytest.mark.data
def test_the_lists_of_the_parent_of_jhmdb_are_not_taken_for_its_own(data_folder: Path) -> None:
    with pytest.raises(DatasetError, match="has no lists of a known format"):
        open_recognition(data_folder / "jhmdb21")
