from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest
from tiny_data import WIDTH, write_video

from vadsdk.data.check import check_dataset
from vadsdk.data.dataset import FORMATS, open_dataset
from vadsdk.data.importing import import_dataset
from vadsdk.data.problems import Problem
from vadsdk.data.recognition_kinetics import read_kinetics
from vadsdk.data.recognition_lists import read_lists
from vadsdk.data.recognition_official import read_hmdb51, read_ucf101
from vadsdk.data.splits import apply_split, choose_key_frames, choose_labelled
from vadsdk.data.stats import describe
from vadsdk.data.stats_picture import save_picture
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


def list_problems(root: Path, format: str) -> Sequence[Problem]:
    problems = FORMATS[format].problems
    assert problems is not None
    return problems(root)


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
    dataset = open_dataset(make_ucf101(tmp_path))
    assert (dataset.format, dataset.labels) == ("ucf101", ("Archery", "Biking"))
    record = dataset.split("train")[1]
    assert (record.name, record.video_label, record.tubes) == ("Biking/v_b1", "Biking", ())
    assert record.path == tmp_path / "UCF-101" / "Biking" / "v_b1.mp4"
    assert (record.num_frames, record.width, record.height, record.fps) == (0, 0, 0, 0)
    assert [record.name for record in dataset.split("test")] == ["Archery/v_a2", "Biking/v_b2"]
    with pytest.raises(DatasetError, match="has no split 'val'; choose one of: test, train"):
        dataset.split("val")


def test_hmdb51_leaves_out_what_is_not_in_the_split(tmp_path: Path) -> None:
    dataset = open_dataset(make_hmdb51(tmp_path))
    assert (dataset.format, dataset.labels) == ("hmdb51", ("run", "sit"))
    found = [(record.name, record.split, record.video_label) for record in dataset.records]
    assert found == [
        ("run/(Rad)x!", "train", "run"),
        ("sit/a", "train", "sit"),
        ("sit/b", "test", "sit"),
    ]
    assert dataset.records[0].path == tmp_path / "run" / "(Rad)x!.avi"


def test_kinetics_finds_clips_by_id_and_time_or_by_id(tmp_path: Path) -> None:
    dataset = open_dataset(make_kinetics(tmp_path))
    assert (dataset.format, dataset.labels) == ("kinetics400", ("playing, well", "riding a bike"))
    first, second = dataset.split("train")
    assert first.name == "playing, well/-_a_000012_000022"
    assert second.path == tmp_path / "train" / "riding_a_bike" / "bbb.webm"
    assert second.video_label == "riding a bike"
    assert [record.path.suffix for record in dataset.split("val")] == [".mkv"]
    (unlabelled,) = dataset.split("test")
    assert (unlabelled.labelled, unlabelled.video_label) == (False, None)


def test_in_the_lists_what_is_not_labelled_has_no_class(tmp_path: Path) -> None:
    dataset = open_dataset(make_lists(tmp_path))
    assert (dataset.format, dataset.labels) == ("lists", ("Archery", "Biking"))
    found = [(r.name, r.video_label) for r in dataset.split("train")]
    assert found == [("Biking/v_b1", "Biking"), ("Archery/v_a1", None), ("Biking/v_b3", None)]
    assert [r.labelled for r in dataset.split("train")] == [True, False, False]
    assert dataset.split("train")[0].path == tmp_path / "videos" / "Biking" / "v_b1.avi"
    assert dataset.split("train")[1].path == tmp_path / "rawframes" / "Archery" / "v_a1"
    assert [(r.name, r.video_label) for r in dataset.split("val")] == [("Archery/v_a2", "Archery")]


def test_the_whole_list_stands_for_an_unlabelled_one(tmp_path: Path) -> None:
    write(tmp_path / "k_train_1_percent_labeled_videos.txt", "cut it (up)/a_1.mp4 0\n")
    write(tmp_path / "k_train_list_videos.txt", "cut it (up)/a_1.mp4 0\nsit/b.mp4 1\n")
    for name in ("cut it (up)/a_1.mp4", "sit/b.mp4"):
        write(tmp_path / "videos" / name)
    dataset = open_dataset(tmp_path)
    found = [(r.name, r.labelled) for r in dataset.records]
    assert found == [("cut it (up)/a_1", True), ("sit/b", False)]
    assert dataset.labels == ("cut it (up)", "sit")


def test_without_a_percentage_the_whole_list_is_labelled(tmp_path: Path) -> None:
    write(tmp_path / "my_train.txt", "sit/b.mp4 12 0\n")
    write(tmp_path / "sit" / "b.mp4")
    (record,) = open_dataset(tmp_path).records
    assert (record.video_label, record.labelled) == ("sit", True)


def test_one_of_several_percentages_must_be_chosen(tmp_path: Path) -> None:
    root = make_lists(tmp_path)
    name = "ucf101_train_50_percent_labeled_split_1_rawframes.txt"
    write(root / "videossl_splits" / name, "Biking/v_b1 70 1\nBiking/v_b3 80 1\nArchery/v_a1 60 0")
    with pytest.raises(DatasetError, match=r"percentages of labelled videos: 10, 50; none was cho"):
        open_dataset(root)
    with pytest.raises(DatasetError, match=r"percentages of labelled videos: 10, 50; not 20\. C"):
        open_dataset(root, labelled_percent=20)
    assert len(open_dataset(root, labelled_percent=50).split("train")) == 3
    assert sum(record.labelled for record in open_dataset(root, labelled_percent=10).records) == 2


@pytest.mark.parametrize("make", [make_ucf101, make_hmdb51, make_kinetics, make_lists])
def test_videos_without_a_file_are_counted_and_reported_as_harmless(
    tmp_path: Path, make: object
) -> None:
    assert callable(make)
    dataset = open_dataset(make(tmp_path))
    gone = dataset.records[0]
    assert gone.path.is_file()
    gone.path.unlink()
    again = open_dataset(tmp_path)
    assert [r.name for r in again.records] == [r.name for r in dataset.records[1:]]
    (problem,) = list_problems(tmp_path, dataset.format)
    assert not problem.fatal
    assert "listed videos are not here, such as" in problem.message


def test_no_video_at_all_is_an_error(tmp_path: Path) -> None:
    root = make_ucf101(tmp_path)
    (root / "UCF-101").rename(root / "elsewhere")
    with pytest.raises(DatasetError, match=r"none of the 4 listed videos is below this folder, su"):
        open_dataset(root)


def test_links_out_of_the_data_set_are_refused(tmp_path: Path) -> None:
    root = make_ucf101(tmp_path / "ucf")
    video = root / "UCF-101" / "Archery" / "v_a1.avi"
    video.rename(tmp_path / "outside.avi")
    video.symlink_to(tmp_path / "outside.avi")
    with pytest.raises(DatasetError, match=r"v_a1\.avi: the link leads out of the data set"):
        open_dataset(root)
    (root / "UCF-101").rename(tmp_path / "UCF-101")
    (root / "UCF-101").symlink_to(tmp_path / "UCF-101")
    with pytest.raises(DatasetError, match=r"4 problems in the annotation"):
        open_dataset(root)


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
        open_dataset(root)


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
        open_dataset(root)


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
        open_dataset(root)


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
        open_dataset(root)


@pytest.mark.parametrize(
    ("make", "name", "text"),
    [
        (make_ucf101, "ucfTrainTestlist/trainlist01.txt", ""),
        (make_ucf101, "ucfTrainTestlist/testlist01.txt", "\n"),
        (make_hmdb51, "splits/run_test_split1.txt", ""),
        (make_lists, "videossl_splits/ucf101_val_split_1_rawframes.txt", ""),
        (make_kinetics, "validate.csv", HEADER),
    ],
)
def test_an_empty_list_does_not_drop_its_videos_in_silence(
    tmp_path: Path, make: Callable[[Path], Path], name: str, text: str
) -> None:
    root = make(tmp_path)
    write(root / name, text)
    with pytest.raises(DatasetError, match=f"{name}(: line 1: there is no row| is empty; unpack)"):
        open_dataset(root)


def test_all_problems_are_collected(tmp_path: Path) -> None:
    root = make_ucf101(tmp_path)
    write(root / "ucfTrainTestlist" / "trainlist01.txt", "x 1\ny 2\nBiking/v_b1.avi 2\n")
    problems = list_problems(root, "ucf101")
    assert [problem.field for problem in problems] == ["line 1, path", "line 2, path"]
    with pytest.raises(DatasetError, match="2 problems in the annotation"):
        open_dataset(root)


def test_text_that_is_not_utf8_is_named(tmp_path: Path) -> None:
    root = make_ucf101(tmp_path)
    (root / "ucfTrainTestlist" / "trainlist01.txt").write_bytes(b"Archery/v_\xe9.avi 1\n")
    with pytest.raises(DatasetError, match=r"trainlist01\.txt, line 1: this is not UTF-8 text"):
        open_dataset(root)


def test_a_class_whose_name_is_not_utf8_is_named(tmp_path: Path) -> None:
    root = make_hmdb51(tmp_path)
    write(root / "splits" / os.fsdecode(b"caf\xe9_test_split1.txt"), "a.avi 1")
    with pytest.raises(DatasetError, match=r"caf\\udce9_test_split1\.txt: the file's name, which"):
        open_dataset(root)


def test_the_format_is_found_or_named(tmp_path: Path) -> None:
    root = make_ucf101(tmp_path)
    write(root / "train.csv", HEADER)
    with pytest.raises(DatasetError, match="files of several formats: ucf101, kinetics400; name"):
        open_dataset(root)
    assert open_dataset(root, format="ucf101").format == "ucf101"
    with pytest.raises(ConfigError, match=r"unknown data set format 'ucf-101'.* mean 'ucf101'"):
        open_dataset(root, format="ucf-101")
    with pytest.raises(DatasetError, match=r"kinetics400: a csv file with the columns label,youtu"):
        open_dataset(write(tmp_path / "empty" / "x.txt").parent)


@pytest.mark.parametrize(
    ("read", "text"),
    [
        (
            lambda root: read_ucf101(root, 1),
            r"classInd\.txt does not exist; unpack the official file",
        ),
        (lambda root: read_hmdb51(root, 1), r"has no file \*_test_split1\.txt; unpack the officia"),
        (read_kinetics, r"has no csv file that begins with the columns label,youtube_id,time_st"),
        (lambda root: read_lists(root, 1, None), r"has no training list; expected those of one"),
    ],
)
def test_missing_lists_are_named(tmp_path: Path, read: Callable[[Path], object], text: str) -> None:
    with pytest.raises(DatasetError, match=text):
        read(tmp_path)


def test_splits_and_percentages_that_are_not_there_are_refused(tmp_path: Path) -> None:
    ucf101, kinetics = make_ucf101(tmp_path / "u"), make_kinetics(tmp_path / "k")
    with pytest.raises(DatasetError, match="the lists have the splits 1, 2 and 3, not 4"):
        open_dataset(ucf101, split_index=4)
    with pytest.raises(DatasetError, match=r"trainlist02\.txt does not exist"):
        open_dataset(ucf101, split_index=2)
    with pytest.raises(DatasetError, match="which names its splits; leave split_index out"):
        open_dataset(kinetics, split_index=2)
    with pytest.raises(DatasetError, match="leave labelled_percent out, and choose a share with"):
        open_dataset(ucf101, labelled_percent=10)
    with pytest.raises(DatasetError, match="has lists of the splits 1, not 2"):
        open_dataset(make_lists(tmp_path / "l"), split_index=2)
    write(tmp_path / "l" / "hmdb51_train_split_1_rawframes.txt", "a/b 3 0\n")
    with pytest.raises(DatasetError, match="has lists of 'hmdb51', 'ucf101'; expected those"):
        open_dataset(tmp_path / "l")


def make_real(root: Path) -> Path:
    """UCF-101 with two videos a class and split, of which one cannot be read."""
    make_ucf101(root)
    lists = root / "ucfTrainTestlist"
    write(lists / "trainlist01.txt", "".join(f"Archery/v_a{n}.avi 1\n" for n in (1, 3, 4, 5)))
    with (lists / "trainlist01.txt").open("a") as file:
        file.write("Biking/v_b1.avi 2\n")
    for path in (root / "UCF-101").glob("*/*"):
        write_video(path, 12)
    for number in (3, 4):
        write_video(root / "UCF-101" / "Archery" / f"v_a{number}.avi", 20)
    write(root / "UCF-101" / "Archery" / "v_a5.avi", "no video")
    return root


def test_they_are_imported_with_their_classes(tmp_path: Path) -> None:
    dataset = open_dataset(make_real(tmp_path / "ucf"))
    report = import_dataset(dataset, tmp_path / "out")
    assert (report.num_videos, report.num_actions) == (6, 6)
    ((name, reason),) = report.skipped
    assert name == "Archery/v_a5"
    assert "v_a5.avi is not a video" in reason
    native = open_dataset(tmp_path / "out")
    assert (native.format, native.labels) == ("vadsdk", dataset.labels)
    found = {r.name: (r.video_label, r.split, r.num_frames, r.width) for r in native.records}
    assert found["videos/Archery/v_a3.avi"] == ("Archery", "train", 20, WIDTH)
    assert found["videos/Biking/v_b2.avi"] == ("Biking", "test", 12, WIDTH)
    assert not check_dataset(tmp_path / "out").num_fatal


def test_what_is_not_labelled_stays_so_when_imported(tmp_path: Path) -> None:
    root = make_lists(tmp_path / "lists")
    for name in ("Biking/v_b1.avi", "Biking/v_b3.avi", "Archery/v_a2.avi"):
        write_video(root / "videos" / name, 12)
    for index in range(3):
        cv2.imwrite(
            str(root / "rawframes" / "Archery" / "v_a1" / f"img_{index}.jpg"),
            np.zeros((48, 64, 3), np.uint8),
        )
    assert import_dataset(open_dataset(root), tmp_path / "out").num_actions == 2
    found = {r.name: r.video_label for r in open_dataset(tmp_path / "out").records if r.labelled}
    assert found == {"videos/Biking/v_b1.avi": "Biking", "videos/Archery/v_a2.avi": "Archery"}
    text = (tmp_path / "out" / "dataset.json").read_text()
    assert text.count("Archery") == len(["labels", "video_label", *2 * ["path"]])


def test_broken_videos_are_found_by_a_check(tmp_path: Path) -> None:
    report = check_dataset(make_real(tmp_path), clip_frames=8)
    assert (report.format, report.num_videos) == ("ucf101", 7)
    (problem,) = report.problems
    assert problem.file.endswith("v_a5.avi")
    assert "the video is not readable" in problem.message


def test_a_check_reads_the_lists_of_all_splits(tmp_path: Path) -> None:
    root = make_ucf101(tmp_path)
    write(root / "ucfTrainTestlist" / "trainlist02.txt", "x 1\n")
    write(root / "ucfTrainTestlist" / "testlist02.txt", "Archery/v_a2.avi")
    problem = next(p for p in check_dataset(root).problems if p.fatal)
    assert problem.file.endswith("trainlist02.txt")


def test_their_balance_and_lengths_are_described(tmp_path: Path) -> None:
    dataset = open_dataset(make_real(tmp_path))
    stats = describe(dataset)
    archery, biking = stats.classes
    assert archery.num_videos == archery.num_actions == {"test": 1, "train": 4}
    assert sorted(archery.lengths.tolist()) == [12, 12, 20, 20]  # one cannot be read
    assert biking.lengths.tolist() == [12, 12]
    assert not len(archery.box_sizes)
    assert [split.num_frames for split in stats.splits] == [24, 64]
    save_picture(dataset, stats, tmp_path / "stats.png")
    image = cv2.imread(str(tmp_path / "stats.png"))
    grey = (abs(image.astype(int) - 8 * 6) <= 3).all(axis=2)  # the middle frame of 12
    assert grey.sum() > 100


def test_a_share_of_each_class_is_labelled(tmp_path: Path) -> None:
    dataset = open_dataset(make_real(tmp_path))
    chosen = choose_labelled(dataset.split("train"), 0.5, seed=0)
    assert len(chosen & {f"Archery/v_a{n}" for n in (1, 3, 4, 5)}) == 2
    assert "Biking/v_b1" in chosen
    partly = apply_split(dataset, chosen)
    for record in partly.split("train"):
        assert record.labelled == (record.name in chosen)
        assert (record.video_label is not None) == record.labelled
    with pytest.raises(ConfigError, match="one class as a whole and no frames to choose from"):
        choose_key_frames(dataset.records[0], 1)


@pytest.mark.data
def test_the_lists_of_the_parent_of_jhmdb_are_not_taken_for_its_own(data_folder: Path) -> None:
    assert open_dataset(data_folder / "jhmdb21").format == "jhmdb21"
    with pytest.raises(DatasetError, match=r"is not in the format 'hmdb51', which has <class>_te"):
        open_dataset(data_folder / "jhmdb21", format="hmdb51")
