from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vadsdk.data.voc import VocDataset, is_voc, read_problems
from vadsdk.data.voc_annotation import VocObject
from vadsdk.data.voc_linking import link
from vadsdk.errors import DatasetError
from vadsdk.video import read_frames

WIDTH, HEIGHT = 64, 48


def write_pictures(root: Path, video: str, names: list[str]) -> None:
    """The picture i is grey with the value 10 * i, so that its place can be read off."""
    folder = root / "JPEGImages" / video
    folder.mkdir(parents=True, exist_ok=True)
    for index, name in enumerate(names):
        assert cv2.imwrite(str(folder / name), np.full((HEIGHT, WIDTH, 3), 10 * index, np.uint8))


def an_object(xmin: float = 11, label: str = "pour", *, track: str = "<trackid>3</trackid>") -> str:
    return (
        f"<object><name>{label}</name>{track}<difficult>0</difficult>\n<bndbox>"
        f"<xmin>{xmin}</xmin><ymin>21</ymin><xmax>{xmin + 19}</xmax><ymax>40</ymax>"
        "</bndbox></object>"
    )


def write_xml(path: Path, *objects: str, folder: str = "", filename: str = "") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    body = "\n".join(objects)
    path.write_text(
        f"<annotation>\n<folder>{folder}</folder><filename>{filename}</filename>\n"
        f"<size><width>{WIDTH}</width><height>{HEIGHT}</height><depth>3</depth></size>\n"
        f"{body}\n</annotation>\n",
        encoding="utf-8",
    )
    return path


def write_video(root: Path, video: str, *frames: list[str], offset: int = 0) -> None:
    """One picture and one annotation a frame."""
    write_pictures(root, video, [f"{index}.jpg" for index in range(len(frames))])
    for index, objects in enumerate(frames):
        write_xml(root / "Annotations" / video / f"{index}.xml", *objects)


def write_list(root: Path, split: str, *lines: str) -> Path:
    path = root / "ImageSets" / "Main" / f"{split}.txt"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_pictures_of_a_folder_are_a_video(tmp_path: Path) -> None:
    write_video(tmp_path, "shift/one", [an_object(11)], [an_object(13)], [])
    dataset = VocDataset(tmp_path, fps=10)
    assert (dataset.format, dataset.labels, dataset.has_masks) == ("voc", ("pour",), False)
    (record,) = dataset.split("train")
    assert (record.name, record.path) == ("shift/one", tmp_path / "JPEGImages" / "shift" / "one")
    assert (record.num_frames, record.width, record.height, record.fps) == (3, WIDTH, HEIGHT, 10)
    assert record.annotated_frames is None
    assert record.labelled
    (tube,) = record.tubes
    assert (tube.id, tube.label, tube.score) == (3, "pour", 1)
    assert tube.frame_indices.tolist() == [0, 1]
    assert (tube.start_seconds, tube.end_seconds) == (0, 0.2)


def test_corners_count_from_one_and_include_the_last_pixel(tmp_path: Path) -> None:
    write_video(tmp_path, "one", [an_object(11)])
    dataset = VocDataset(tmp_path)
    (record,) = dataset.records
    assert record.tubes[0].boxes_xyxy.tolist() == [[10, 20, 30, 40]]
    expected = np.zeros((HEIGHT, WIDTH), np.bool_)
    expected[20:40, 10:30] = True
    assert (dataset.actor_masks(record, [0])[0] == expected).all()


def test_frames_are_in_the_order_in_which_they_are_decoded(tmp_path: Path) -> None:
    names = ["frame2.jpg", "frame10.jpg", "frame11.jpg"]  # as numbers, not as text
    write_pictures(tmp_path, "one", names)
    for name in names:
        write_xml(tmp_path / f"Annotations/one/{name[:-4]}.xml", an_object(int(name[5:-4])))
    (record,) = VocDataset(tmp_path).records
    assert record.tubes[0].boxes_xyxy[:, 0].tolist() == [1, 9, 10]
    assert read_frames(record.path)[:, 0, 0, 0].tolist() == pytest.approx([0, 10, 20], abs=2)


def test_of_pictures_without_annotation_nothing_is_known(tmp_path: Path) -> None:
    write_video(tmp_path, "one", [an_object()], [an_object()], [])
    (tmp_path / "Annotations/one/1.xml").unlink()
    write_pictures(tmp_path, "other", ["0.png", "1.png"])
    labelled, unlabelled = VocDataset(tmp_path).records
    assert labelled.annotated_frames == (0, 2)
    assert (unlabelled.name, unlabelled.labelled, unlabelled.split) == ("other", False, "train")
    assert (unlabelled.num_frames, unlabelled.width, unlabelled.height) == (2, WIDTH, HEIGHT)


@pytest.mark.parametrize("filename", ["7.jpg", "7", ""])
def test_files_directly_in_annotations_name_folder_and_picture(
    tmp_path: Path, filename: str
) -> None:
    write_pictures(tmp_path, "one", ["5.jpg", "7.jpg"])
    xml = "7.xml" if not filename else "0001.xml"
    write_xml(tmp_path / "Annotations" / xml, an_object(), folder="one", filename=filename)
    (record,) = VocDataset(tmp_path).records
    assert record.name == "one"
    assert record.tubes[0].frame_indices.tolist() == [1]


def test_one_id_with_two_labels_is_two_tubes(tmp_path: Path) -> None:
    both = [an_object(label="pour"), an_object(label="stir")]
    plain = an_object(40, track="")
    write_video(tmp_path, "one", [*both, plain], [*both, plain])
    tubes = VocDataset(tmp_path).records[0].tubes
    assert [(tube.id, tube.label, len(tube)) for tube in tubes] == [
        (3, "pour", 2),
        (4, "stir", 2),
        (5, "pour", 2),
    ]


def test_both_names_of_the_track_are_known(tmp_path: Path) -> None:
    write_video(tmp_path, "one", [an_object(track="<track_id>8</track_id>")])
    assert VocDataset(tmp_path).records[0].tubes[0].id == 8


def seen(x1: float, label: str = "pour", track_id: int | None = None) -> VocObject:
    return VocObject(label=label, track_id=track_id, box_xyxy=(x1, 0, x1 + 10, 10), line=1)


def linked(*pictures: list[VocObject]) -> list[tuple[str, list[int], list[float]]]:
    tracks = link(list(enumerate(pictures)))
    return [(track.label, track.frames, [box[0] for box in track.boxes_xyxy]) for track in tracks]


def test_objects_without_an_id_are_linked_by_overlap() -> None:
    pictures = [seen(0), seen(30)], [seen(32), seen(2)], [seen(4), seen(34)]
    assert linked(*pictures) == [("pour", [0, 1, 2], [0, 2, 4]), ("pour", [0, 1, 2], [30, 32, 34])]


def test_the_highest_overlap_is_linked_first() -> None:
    # 4 overlaps both 0 (IoU 6/14) and 5 (IoU 9/11); 0 then takes 3 (IoU 7/13)
    assert linked([seen(0), seen(5)], [seen(4), seen(3)]) == [
        ("pour", [0, 1], [0, 3]),
        ("pour", [0, 1], [5, 4]),
    ]


def test_labels_are_never_mixed_and_far_boxes_begin_anew() -> None:
    assert linked([seen(0)], [seen(0, "stir")], [seen(6, "stir")]) == [
        ("pour", [0], [0]),
        ("stir", [1], [0]),
        ("stir", [2], [6]),
    ]


def test_a_track_ends_in_the_picture_that_lacks_it() -> None:
    assert linked([seen(0)], [], [seen(0)]) == [("pour", [0], [0]), ("pour", [2], [0])]


def test_an_id_links_whatever_the_overlap() -> None:
    assert linked([seen(0, track_id=1)], [], [seen(40, track_id=1), seen(0)]) == [
        ("pour", [0, 2], [0, 40]),
        ("pour", [2], [0]),
    ]


@given(st.lists(st.lists(st.tuples(st.integers(0, 40), st.sampled_from("ab"))), max_size=5))
def test_every_object_is_in_one_track_and_frames_increase(
    pictures: list[list[tuple[int, str]]],
) -> None:
    tracks = link([(i, [seen(x, label) for x, label in row]) for i, row in enumerate(pictures)])
    came = [
        (frame, box[0], track.label)
        for track in tracks
        for frame, box in zip(track.frames, track.boxes_xyxy, strict=True)
    ]
    assert sorted(came) == sorted(
        (frame, x, label) for frame, row in enumerate(pictures) for x, label in row
    )
    assert all(np.all(np.diff(track.frames) == 1) for track in tracks)


def test_lists_give_the_splits_by_video_or_by_picture(tmp_path: Path) -> None:
    for video in ("a", "b", "c", "d"):
        write_video(tmp_path, video, [an_object()], [an_object()])
    write_list(tmp_path, "train", "a", "")
    write_list(tmp_path, "val", "b/0  1", "b/1 -1")
    write_list(tmp_path, "test", "c/1")
    records = VocDataset(tmp_path).records
    assert [(record.name, record.split) for record in records] == [
        ("a", "train"),
        ("b", "val"),
        ("c", "test"),
        ("d", "unlisted"),
    ]
    (problem,) = read_problems(tmp_path)
    assert not problem.fatal
    assert str(problem).endswith("Main: d: no list names the video; it is in the split 'unlisted'")


def test_a_video_without_annotation_stays_in_train(tmp_path: Path) -> None:
    write_video(tmp_path, "a", [an_object()])
    write_pictures(tmp_path, "b", ["0.jpg"])
    write_pictures(tmp_path, "c", ["0.jpg"])
    write_list(tmp_path, "test", "a", "c")
    splits = [(record.name, record.split) for record in VocDataset(tmp_path).records]
    assert splits == [("a", "test"), ("b", "train"), ("c", "test")]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["one", "two"], "train.txt: line 2: 'two' is neither a folder of JPEGImages nor a pic"),
        (["one/9"], "train.txt: line 1: 'one/9' is neither a folder of JPEGImages nor"),
    ],
)
def test_a_list_that_names_nothing_is_refused(
    tmp_path: Path, lines: list[str], message: str
) -> None:
    write_video(tmp_path, "one", [an_object()])
    write_list(tmp_path, "train", *lines)
    with pytest.raises(DatasetError) as caught:
        VocDataset(tmp_path)
    assert message in str(caught.value)


def test_a_video_in_two_splits_is_refused(tmp_path: Path) -> None:
    write_video(tmp_path, "one", [an_object()], [an_object()])
    write_list(tmp_path, "train", "one/0")
    write_list(tmp_path, "test", "one/1")
    with pytest.raises(DatasetError, match=r"test\.txt: line 1: 'one/1' puts the video 'one' into"):
        VocDataset(tmp_path)


def test_a_list_that_is_no_text_is_refused(tmp_path: Path) -> None:
    write_video(tmp_path, "one", [an_object()])
    write_list(tmp_path, "train").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DatasetError, match=r"train\.txt: cannot be read: .*; save it as UTF-8"):
        VocDataset(tmp_path)


def broken(old: str, new: str) -> Callable[[str], str]:
    return lambda text: text.replace(old, new)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (broken("</annotation>", ""), "line 7, column 1: this is not XML (no element found)"),
        (broken("annotation>", "annotations>"), "begins with <annotations>, expected <annotation>"),
        (broken("<annotation>", '<!DOCTYPE a [<!ENTITY b "c">]><annotation>'), "DOCTYPE of 'a' is"),
        (broken("<width>64", "<width>0"), "line 3, <size>: is '0' x '48', expected width and hei"),
        (broken("<width>64", "<width>70000"), "is '70000' x '48', expected width and height from"),
        (broken("size>", "sighs>"), "has no <size>; add the picture's width and height"),
        (broken("<name>pour</name>", ""), "line 4, <object>: has no <name>; add the name of its"),
        (broken("<trackid>3", "<trackid>x"), "line 4, <object>: <trackid> is 'x', expected a wh"),
        (broken("bndbox>", "box>"), "line 4, <object>: has no <bndbox>; add xmin, ymin, xmax and"),
        (broken("<xmin>11", "<xmin>nan"), "line 4, <object>: xmin is 'nan', expected a number"),
        (broken("<xmin>11", "<xmin>1e999"), "xmin is '1e999', expected a number of pixels"),
        (broken("<xmin>11</xmin>", ""), "xmin is nothing, expected a number of pixels"),
        (broken("<xmin>11", "<xmin>31"), "the box [31, 21, 30, 40] is empty; it needs xmax >= xm"),
        (broken("<xmax>30", "<xmax>66"), "the box [11, 21, 66, 40] lies outside the 64 x 48 pic"),
        (broken("<xmin>11", "<xmin>-1"), "the box [-1, 21, 30, 40] lies outside the 64 x 48 pic"),
    ],
)
def test_what_is_malformed_is_named(
    tmp_path: Path, change: Callable[[str], str], message: str
) -> None:
    write_video(tmp_path, "one", [an_object()])
    path = tmp_path / "Annotations/one/0.xml"
    text = path.read_text(encoding="utf-8")
    assert change(text) != text
    path.write_text(change(text), encoding="utf-8")
    with pytest.raises(DatasetError) as caught:
        VocDataset(tmp_path)
    assert str(path) in str(caught.value)
    assert message in str(caught.value)


def test_a_file_that_names_no_picture_goes_by_its_own_name(tmp_path: Path) -> None:
    write_video(tmp_path, "one", [an_object()])
    write_xml(tmp_path / "Annotations/one/0.xml", an_object(), filename="renamed.jpg")
    assert len(VocDataset(tmp_path).records[0].tubes) == 1


def test_a_track_that_is_twice_in_a_picture_is_refused(tmp_path: Path) -> None:
    write_video(tmp_path, "one", [an_object(1), an_object(9)])
    text = error_of(tmp_path)
    assert "0.xml: line 4, <object>: track 3 is there twice as 'pour'; keep one" in text


def test_a_flood_of_objects_is_refused(tmp_path: Path) -> None:
    write_video(tmp_path, "one", [an_object(track="")] * 1001)
    assert "0.xml: has 1001 objects, expected 1000 at most" in error_of(tmp_path)


def test_a_box_may_reach_one_pixel_over_the_edge(tmp_path: Path) -> None:
    write_video(tmp_path, "one", [an_object(0)])  # counted from 0, as ImageNet VID does
    assert VocDataset(tmp_path).records[0].tubes[0].boxes_xyxy[0].tolist() == [-1, 20, 19, 40]


def error_of(root: Path) -> str:
    with pytest.raises(DatasetError) as caught:
        VocDataset(root)
    return str(caught.value)


def test_pictures_of_two_sizes_are_refused(tmp_path: Path) -> None:
    write_video(tmp_path, "one", [an_object()], [an_object()])
    path = tmp_path / "Annotations/one/1.xml"
    path.write_text(path.read_text().replace("<width>64", "<width>60"), encoding="utf-8")
    assert (
        "1.xml: <size>: is 60 x 48, in 0.xml 64 x 48; the frames of a video have one"
        in error_of(tmp_path)
    )


@pytest.mark.parametrize(
    "place", ["JPEGImages/one", "JPEGImages/one/1.jpg", "Annotations/one/1.xml"]
)
def test_a_link_out_of_the_data_set_is_not_followed(tmp_path: Path, place: str) -> None:
    root = tmp_path / "set"
    write_video(root, "one", [an_object()], [an_object()])
    (root / place).rename(tmp_path / "outside")
    (root / place).symlink_to(tmp_path / "outside")
    assert f"{root / place}: is a link that leads out of the data set; put the" in error_of(root)


@pytest.mark.parametrize("text", ["", "no XML", "<annotations/>"])
def test_a_broken_or_foreign_file_does_not_hide_the_others_and_is_told(
    tmp_path: Path, text: str
) -> None:
    write_video(tmp_path, "one", [an_object()])
    path = tmp_path / "Annotations" / "0.xml"
    path.write_text(text, encoding="utf-8")
    assert is_voc(tmp_path)
    assert f"{path}: line 1, column " in error_of(tmp_path)


def test_lists_with_a_byte_order_mark_are_read(tmp_path: Path) -> None:
    write_video(tmp_path, "one", [an_object()])
    write_list(tmp_path, "test", "\ufeffone")
    assert len(VocDataset(tmp_path).split("test")) == 1


def test_an_annotation_without_its_picture_is_refused(tmp_path: Path) -> None:
    write_video(tmp_path, "one", [an_object()])
    write_xml(tmp_path / "Annotations/one/9.xml", an_object())
    assert "9.xml: there is no picture '9' in " in error_of(tmp_path)


def test_two_annotations_of_a_picture_are_refused(tmp_path: Path) -> None:
    write_video(tmp_path, "one", [an_object()])
    write_xml(tmp_path / "Annotations/one/copy.xml", an_object(), filename="0.jpg")
    assert "0.jpg is annotated in" in error_of(tmp_path)


def test_single_pictures_are_no_videos(tmp_path: Path) -> None:
    write_xml(tmp_path / "Annotations/000005.xml", an_object(), folder="VOC2012")
    (tmp_path / "JPEGImages").mkdir()
    text = error_of(tmp_path)
    assert "JPEGImages/VOC2012 is not a folder; check the path; the frames of the video" in text


@pytest.mark.parametrize("folder", ["../other", "/etc", "", "a/../../b"])
def test_a_folder_that_leads_out_is_refused(tmp_path: Path, folder: str) -> None:
    write_video(tmp_path, "one", [an_object()])
    write_xml(tmp_path / "Annotations/x.xml", an_object(), folder=folder)
    assert f"x.xml: <folder> is {folder!r}, expected a folder of JPEGImages" in error_of(tmp_path)


def test_a_data_set_without_an_object_is_refused(tmp_path: Path) -> None:
    write_video(tmp_path, "one", [])
    assert "Annotations: none of the files has an <object>; annotate some" in error_of(tmp_path)


def test_a_folder_without_annotation_is_refused(tmp_path: Path) -> None:
    assert "has no XML file in it, expected Annotations/<video>/<frame>.xml" in error_of(tmp_path)


@pytest.mark.parametrize("fps", [0, -1, float("nan"), float("inf")])
def test_a_rate_is_positive(tmp_path: Path, fps: float) -> None:
    with pytest.raises(DatasetError, match="expected a positive number of pictures a second"):
        VocDataset(tmp_path, fps=fps)


def test_every_problem_is_listed(tmp_path: Path) -> None:
    write_video(tmp_path, "one", [an_object(-9)], [an_object(99)])
    write_video(tmp_path, "two", [an_object()])
    (tmp_path / "Annotations/two/0.xml").write_text("<annotation>", encoding="utf-8")
    problems = [str(problem) for problem in read_problems(tmp_path)]
    assert [problem.partition("Annotations/")[2][:9] for problem in problems] == [
        "one/0.xml",
        "one/1.xml",
        "two/0.xml",
    ]


def test_progress_is_told_file_by_file(tmp_path: Path) -> None:
    write_video(tmp_path, "one", [an_object()], [])
    calls: list[tuple[int, int]] = []
    VocDataset(tmp_path, progress=lambda done, total: calls.append((done, total)))
    assert calls == [(1, 2), (2, 2)]


def test_the_layout_is_known_by_its_folders_and_root_element(tmp_path: Path) -> None:
    (tmp_path / "JPEGImages").mkdir()
    assert not is_voc(tmp_path)
    path = write_xml(tmp_path / "Annotations/one/0.xml")
    assert is_voc(tmp_path)
    path.write_text("<annotations/>", encoding="utf-8")
    assert not is_voc(tmp_path)
