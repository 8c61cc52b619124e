from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_data import FPS, HEIGHT, WIDTH, write_video

from vadsdk.data.cvat import CvatDataset, is_cvat, read_problems
from vadsdk.data.cvat_shapes import Polygon, RunMask
from vadsdk.data.dataset import find_format, open_dataset
from vadsdk.errors import DatasetError

META = f"""<meta>
    <task>
      <id>7</id><name>morning shift</name><size>20</size><mode>interpolation</mode>
      <subset>Train</subset><start_frame>0</start_frame><stop_frame>19</stop_frame>
      <labels>
        <label><name>wave</name><attributes><attribute><name>action</name>
          <mutable>True</mutable><input_type>select</input_type>
          <values>idle\npour\nstir</values></attribute></attributes></label>
        <label><name>jump</name></label>
      </labels>
      <source>clip.mp4</source>
    </task>
    <original_size><width>{WIDTH}</width><height>{HEIGHT}</height></original_size>
  </meta>"""


def box(frame: int, left: float = 8, *, outside: int = 0, attributes: str = "") -> str:
    return (
        f'<box frame="{frame}" outside="{outside}" occluded="0" keyframe="1" '
        f'xtl="{left}" ytl="12" xbr="{left + 16}" ybr="36">{attributes}</box>'
    )


def doing(action: str) -> str:
    return f'<attribute name="action">{action}</attribute>'


def track(*shapes: str, id: str = "3", label: str = "wave", task: str = "") -> str:
    body = "\n".join(shapes)
    return f'<track id="{id}" label="{label}" source="manual" {task}>\n{body}\n</track>'


def write_xml(path: Path, *tracks: str, meta: str = META) -> Path:
    body = "\n".join(tracks)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        f'<?xml version="1.0" encoding="utf-8"?>\n<annotations>\n<version>1.1</version>\n'
        f"{meta}\n{body}\n</annotations>\n",
        encoding="utf-8",
    )
    return path


def read_one(
    folder: Path, *tracks: str, meta: str = META, action: str | None = None
) -> CvatDataset:
    write_xml(folder / "annotations.xml", *tracks, meta=meta)
    return CvatDataset(folder, action_attribute=action)


def error_of(folder: Path, *tracks: str, meta: str = META, action: str | None = None) -> str:
    with pytest.raises(DatasetError) as caught:
        read_one(folder, *tracks, meta=meta, action=action)
    return str(caught.value)


def test_a_task_beside_its_video_is_read(tmp_path: Path) -> None:
    write_video(tmp_path / "clip.mp4", 20)
    dataset = read_one(tmp_path, track(box(4), box(5), box(6, outside=1)))
    assert (dataset.format, dataset.labels) == ("cvat", ("jump", "wave"))
    assert not dataset.has_masks
    (record,) = dataset.split("train")
    assert (record.name, record.path) == ("clip.mp4", tmp_path / "clip.mp4")
    assert (record.num_frames, record.width, record.height) == (20, WIDTH, HEIGHT)
    assert record.fps == FPS
    assert record.annotated_frames is None
    (tube,) = record.tubes
    assert (tube.id, tube.label, tube.score) == (3, "wave", 1.0)
    assert tube.frame_indices.tolist() == [4, 5]
    assert tube.boxes_xyxy.tolist() == [[8, 12, 24, 36]] * 2
    assert (tube.start_seconds, tube.end_seconds) == (0.4, 0.6)


def test_boxes_are_interpolated_between_shapes_and_hold_until_outside(tmp_path: Path) -> None:
    shapes = box(2, 8), box(6, 16), box(9, 0, outside=1), box(12, 4)
    (tube,) = read_one(tmp_path, track(*shapes)).records[0].tubes
    #          2..xx..6..9 nothing 12
    assert tube.frame_indices.tolist() == [2, 3, 4, 5, 6, 7, 8, 12]
    assert tube.boxes_xyxy[:, 0].tolist() == [8, 10, 12, 14, 16, 16, 16, 4]
    assert tube.boxes_xyxy[:, 2].tolist() == [24, 26, 28, 30, 32, 32, 32, 20]


def test_a_track_that_is_never_inside_is_no_tube(tmp_path: Path) -> None:
    assert not read_one(tmp_path, track(box(2, outside=1))).records[0].tubes


def test_an_attribute_names_the_action_one_tube_a_run(tmp_path: Path) -> None:
    shapes = [
        box(1, attributes=doing("pour")),
        box(2, attributes=doing("pour")),
        box(3, attributes=doing("stir")),
        box(4, attributes=doing("__undefined__")),
        box(5, attributes=doing("pour")),
    ]
    dataset = read_one(tmp_path, track(*shapes), track(*shapes[:1], id="4"), action="action")
    tubes = dataset.records[0].tubes
    assert dataset.labels == ("idle", "pour", "stir")
    assert [(tube.id, tube.label, tube.frame_indices.tolist()) for tube in tubes] == [
        (0, "pour", [1, 2]),
        (1, "stir", [3]),
        (2, "pour", [5]),
        (3, "pour", [1]),
    ]


def test_an_attribute_holds_until_it_is_given_again(tmp_path: Path) -> None:
    shapes = box(1, attributes=doing("pour")), box(2), box(4, attributes=doing("stir"))
    tubes = read_one(tmp_path, track(*shapes), action="action").records[0].tubes
    assert [(tube.label, tube.frame_indices.tolist()) for tube in tubes] == [
        ("pour", [1, 2, 3]),
        ("stir", [4]),
    ]


def test_an_attribute_that_is_missing_is_named_with_those_that_are_there(tmp_path: Path) -> None:
    text = error_of(tmp_path, track(box(1, attributes=doing("pour"))), action="verb")
    assert text.endswith("track 3: has no attribute 'verb', only: action; set it on every track")


def test_a_polygon_is_a_mask_and_a_tight_box(tmp_path: Path) -> None:
    square = '<polygon frame="4" outside="0" occluded="0" points="8.00,12.00;24,12;24,36;8,36"/>'
    larger = '<polygon frame="6" outside="0" occluded="0" points="8,12;28,12;28,36;8,36"/>'
    dataset = read_one(tmp_path, track(square, larger))
    (record,) = dataset.records
    assert dataset.has_masks
    assert record.tubes[0].boxes_xyxy.tolist() == [
        [8, 12, 24, 36],
        [8, 12, 26, 36],
        [8, 12, 28, 36],
    ]
    masks = dataset.actor_masks(record, [3, 4, 5])
    expected = np.zeros((3, HEIGHT, WIDTH), np.bool_)
    expected[1, 12:36, 8:24] = expected[2, 12:36, 8:26] = True
    assert (masks == expected).all()


def test_a_polygon_of_other_points_holds_until_the_next(tmp_path: Path) -> None:
    triangle = '<polygon frame="4" outside="0" points="8,12;24,12;24,36"/>'
    square = '<polygon frame="6" outside="0" points="9,12;28,12;28,36;8,36"/>'
    (tube,) = read_one(tmp_path, track(triangle, square)).records[0].tubes
    assert tube.boxes_xyxy[:, 0].tolist() == [8, 8, 8]
    assert tube.boxes_xyxy[:, 2].tolist() == [24, 24, 28]


def test_a_polygon_that_leaves_the_frame_is_cut_at_its_edge(tmp_path: Path) -> None:
    shape = '<polygon frame="4" outside="0" points="-9,-5;24,-5;24,36;-9,36"/>'
    dataset = read_one(tmp_path, track(shape))
    assert dataset.records[0].tubes[0].boxes_xyxy.tolist() == [[0, 0, 24, 36]]
    assert dataset.actor_masks(dataset.records[0], [4]).sum() == 24 * 36


def test_a_mask_is_runs_along_the_rows_of_its_window(tmp_path: Path) -> None:
    # off 1, on 2 | on 1, off 2     a window of 3 x 2 pixels at column 5, row 7
    shape = '<mask frame="4" outside="0" rle="1, 3, 2" left="5" top="7" width="3" height="2"/>'
    dataset = read_one(tmp_path, track(shape), track(box(4, 30), id="4", label="jump"))
    masks = dataset.actor_masks(dataset.records[0], np.array([4]))
    expected = np.zeros((HEIGHT, WIDTH), np.bool_)
    expected[7, 6] = expected[7, 7] = expected[8, 5] = True
    expected[12:36, 30:46] = True
    assert (masks[0] == expected).all()
    assert dataset.records[0].tubes[0].boxes_xyxy.tolist() == [[5, 7, 8, 9]]


@given(st.lists(st.booleans(), min_size=12, max_size=12).filter(any))
def test_the_box_of_a_mask_is_that_of_its_pixels(pixels: list[bool]) -> None:
    window = np.array(pixels).reshape(3, 4)
    edges = np.flatnonzero(np.diff(np.r_[False, window.ravel()]))
    runs = np.diff(np.r_[0, edges, window.size])
    rows, columns = np.nonzero(window)
    box = RunMask(left=10, top=20, width=4, height=3, runs=runs).tight_box()
    assert box == (
        10 + columns.min(),
        20 + rows.min(),
        11 + columns.max(),
        21 + rows.max(),
    )


@given(
    st.lists(
        st.tuples(st.integers(-8, 40), st.integers(-8, 40)), min_size=3, max_size=9, unique=True
    )
)
def test_a_polygon_is_filled_as_opencv_fills_it_away_from_its_edge(
    points: list[tuple[int, int]],
) -> None:
    drawn = np.zeros((32, 32), np.bool_)
    Polygon(np.array(points, np.float64) + 0.5).draw(drawn)  # corners on the centres of pixels
    reference, edge = np.zeros((2, 64, 64), np.uint8)  # OpenCV is inexact outside of the picture
    inside = [np.array(points, np.int32) + 16]
    cv2.fillPoly(reference, inside, 1)
    cv2.polylines(edge, inside, True, 1, thickness=3)
    same = drawn == reference[16:48, 16:48].astype(bool)
    assert same[edge[16:48, 16:48] == 0].all()


def test_a_turned_box_becomes_the_upright_box_around_it(tmp_path: Path) -> None:
    shape = box(4).replace("<box ", '<box rotation="90" ')  # 16 x 24 about (16, 24)
    (tube,) = read_one(tmp_path, track(shape)).records[0].tubes
    assert tube.boxes_xyxy[0].tolist() == pytest.approx([4, 16, 28, 32])


PROJECT = f"""<meta><project><name>all</name>
  <labels><label><name>wave</name></label></labels>
  <tasks>
    <task><id>1</id><name>a</name><size>20</size><subset>Test</subset><source>x/a.mp4</source>
      <original_size><width>{WIDTH}</width><height>{HEIGHT}</height></original_size></task>
    <task><id>2</id><name>b</name><size>10</size><source>b.avi</source>
      <original_size><width>{WIDTH}</width><height>{HEIGHT}</height></original_size></task>
  </tasks></project></meta>"""


def test_a_project_has_a_video_a_task(tmp_path: Path) -> None:
    tracks = track(box(4), id="0", task='task_id="1"'), track(box(5), id="1", task='task_id="2"')
    dataset = read_one(tmp_path, *tracks, meta=PROJECT)
    assert [(record.name, record.split, record.num_frames) for record in dataset.records] == [
        ("a.mp4", "test", 20),
        ("b.avi", "train", 10),
    ]
    assert [record.tubes[0].start_frame for record in dataset.records] == [4, 5]


def test_a_track_of_no_task_of_the_project_is_refused(tmp_path: Path) -> None:
    text = error_of(tmp_path, track(box(4), task='task_id="9"'), meta=PROJECT)
    assert "track 3: task_id is '9', expected one of the tasks in <meta>: 1, 2" in text


def test_a_part_of_a_video_leaves_the_rest_unknown(tmp_path: Path) -> None:
    write_video(tmp_path / "clip.mp4", 20)
    meta = META.replace("<size>20", "<size>5").replace("<start_frame>0", "<start_frame>10")
    meta = meta.replace("<stop_frame>19", "<stop_frame>14")
    (record,) = read_one(tmp_path, track(box(12), box(15, outside=1)), meta=meta).records
    assert record.num_frames == 20
    assert record.annotated_frames == (10, 11, 12, 13, 14)
    assert record.tubes[0].frame_indices.tolist() == [12, 13, 14]
    (problem,) = read_problems(tmp_path)
    assert not problem.fatal
    assert "covers the frames 10 to 14 of the 20 of clip.mp4" in problem.message


def test_frames_that_a_task_skips_are_interpolated(tmp_path: Path) -> None:
    meta = META.replace("<size>20", "<size>4")  # every fifth frame
    (record,) = read_one(tmp_path, track(box(0, 0), box(5, 10)), meta=meta).records
    assert record.num_frames == 20
    assert record.tubes[0].boxes_xyxy[:, 0].tolist() == [0, 2, 4, 6, 8, 10]


@pytest.mark.parametrize(
    ("source", "name", "xml"),
    [
        ("clip.mp4", "", "annotations.xml"),
        ("C:\\films\\clip.mp4", "", "annotations.xml"),
        ("clip.mov", "", "annotations.xml"),
        ("", "clip.mp4", "annotations.xml"),
        ("", "clip", "annotations.xml"),
        ("", "", "clip.xml"),
    ],
)
def test_the_video_is_found_by_source_name_or_xml_file(
    tmp_path: Path, source: str, name: str, xml: str
) -> None:
    for video in ("another.mp4", "clip.mp4"):
        write_video(tmp_path / "shift" / video, 20)
    meta = META.replace("clip.mp4", source).replace("morning shift", name)
    write_xml(tmp_path / "shift" / xml, track(box(4)), meta=meta)
    (record,) = CvatDataset(tmp_path).records
    assert (record.name, record.path) == ("shift/clip.mp4", tmp_path / "shift" / "clip.mp4")


def test_the_only_video_beside_the_only_file_is_the_one(tmp_path: Path) -> None:
    write_video(tmp_path / "renamed.mp4", 20)
    assert read_one(tmp_path, track(box(4))).records[0].name == "renamed.mp4"


def test_a_source_leads_nowhere_else(tmp_path: Path) -> None:
    meta = META.replace("clip.mp4", "../../secret/clip.mp4")
    (record,) = read_one(tmp_path, track(box(4)), meta=meta).records
    assert record.path == tmp_path / "clip.mp4"
    assert record.fps == 0
    assert record.tubes[0].end_seconds == 0


def test_a_folder_of_exported_images_is_the_video(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    for index in range(3):
        image = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
        assert cv2.imwrite(str(tmp_path / f"images/frame_{index:06}.png"), image)
    meta = META.replace("<size>20", "<size>3").replace("<stop_frame>19", "<stop_frame>2")
    (record,) = read_one(tmp_path, track(box(1)), meta=meta).records
    assert (record.path, record.num_frames, record.fps) == (tmp_path / "images", 3, 25)


def test_what_the_file_does_not_say_is_taken_from_the_video(tmp_path: Path) -> None:
    write_video(tmp_path / "clip.mp4", 20)
    dataset = read_one(tmp_path, track(box(1)), track(box(2), id="4", label="jump"), meta="")
    (record,) = dataset.records
    assert (record.num_frames, record.width, record.height) == (20, WIDTH, HEIGHT)
    assert dataset.labels == ("jump", "wave")


def test_files_in_folders_are_one_data_set_by_name(tmp_path: Path) -> None:
    write_xml(tmp_path / "b" / "annotations.xml", track(box(4)))
    write_xml(tmp_path / "a" / "annotations.xml", track(box(5)))
    dataset = CvatDataset(tmp_path)
    assert [record.name for record in dataset.records] == ["a/clip.mp4", "b/clip.mp4"]
    assert [record.tubes[0].start_frame for record in dataset.records] == [5, 4]


def test_two_files_about_one_video_are_refused(tmp_path: Path) -> None:
    for name in ("one.xml", "two.xml"):
        write_xml(tmp_path / name, track(box(4)))
    with pytest.raises(DatasetError, match=r"clip\.mp4: 2 tasks are about this video; keep one"):
        CvatDataset(tmp_path)


def test_progress_is_told_file_by_file(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_xml(tmp_path / name / "annotations.xml", track(box(4)))
    calls: list[tuple[int, int]] = []
    CvatDataset(tmp_path, progress=lambda done, total: calls.append((done, total)))
    assert calls == [(1, 2), (2, 2)]


def test_the_layout_is_known_by_its_root_element(tmp_path: Path) -> None:
    assert not is_cvat(tmp_path)
    write_xml(tmp_path / "a" / "annotations.xml")
    assert is_cvat(tmp_path)
    (tmp_path / "a" / "annotations.xml").write_text("<annotation/>", encoding="utf-8")
    assert not is_cvat(tmp_path)


@pytest.mark.parametrize("text", ["", "no XML", "<project/>", "<annotation/>"])
@pytest.mark.parametrize("place", ["0.xml", "a/0.xml"])
def test_a_broken_or_foreign_file_does_not_hide_the_others_and_is_told(
    tmp_path: Path, place: str, text: str
) -> None:
    write_xml(tmp_path / "b" / "annotations.xml", track(box(4)))
    (tmp_path / place).parent.mkdir(exist_ok=True)
    (tmp_path / place).write_text(text, encoding="utf-8")
    assert find_format(tmp_path) == "cvat"
    with pytest.raises(
        DatasetError, match=rf"{tmp_path / place}: line 1, column .*annotations|XML"
    ):
        open_dataset(tmp_path)


def test_a_single_file_that_is_broken_is_told(tmp_path: Path) -> None:
    (tmp_path / "annotations.xml").write_text("", encoding="utf-8")
    with pytest.raises(DatasetError, match=r"annotations\.xml: line 1, column 1: this is not XML"):
        open_dataset(tmp_path)


def linked(tmp_path: Path, kind: str) -> Path:
    """Put the video of a task outside of the data set, in one of three ways."""
    root, outside = tmp_path / "set", tmp_path / "outside"
    xml = write_xml(root / "annotations.xml", track(box(4)))
    write_video(outside / "clip.mp4", 20)
    if kind == "video":
        (root / "clip.mp4").symlink_to(outside / "clip.mp4")
        return xml
    outside.joinpath("0.png").write_bytes(b"")
    if kind == "folder":
        (root / "images").symlink_to(outside)
        return xml
    (root / "images").mkdir()
    (root / "images" / "0.png").symlink_to(outside / "0.png")
    return xml


@pytest.mark.parametrize(
    ("kind", "name"), [("video", "clip.mp4"), ("folder", "images"), ("image", "images/0.png")]
)
def test_a_link_out_of_the_data_set_is_not_followed(tmp_path: Path, kind: str, name: str) -> None:
    xml = linked(tmp_path, kind)
    expected = (
        f"{xml}: line 5: the video {xml.parent / name} is a link that leads out of the data set; "
        "put the file itself there"
    )
    with pytest.raises(DatasetError, match=re.escape(expected)):
        CvatDataset(xml.parent)


def test_an_xml_file_that_is_a_link_out_is_not_followed(tmp_path: Path) -> None:
    outside = write_xml(tmp_path / "outside.xml", track(box(4)))
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "annotations.xml").symlink_to(outside)
    with pytest.raises(DatasetError, match=r"set/annotations\.xml: is a link that leads out"):
        CvatDataset(tmp_path / "set")


BOMB = '<!DOCTYPE lolz [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]>'
EXTERNAL = '<!DOCTYPE x SYSTEM "file:///etc/hostname">'


@pytest.mark.parametrize("doctype", [BOMB, EXTERNAL])
def test_a_doctype_is_refused(tmp_path: Path, doctype: str) -> None:
    path = tmp_path / "annotations.xml"
    path.write_text(f'<?xml version="1.0"?>\n{doctype}\n<annotations>&b;</annotations>')
    with pytest.raises(DatasetError, match=r"annotations\.xml: line 2, .*DOCTYPE of '.*refused"):
        CvatDataset(tmp_path)


def test_deep_nesting_is_refused(tmp_path: Path) -> None:
    text = error_of(tmp_path, "\n" + "<g>" * 100_000 + "</g>" * 100_000)
    assert "<g> is nested more than 32 elements deep" in text


def broken(old: str, new: str) -> Callable[[str], str]:
    return lambda text: text.replace(old, new)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (broken("</annotations>", ""), "line 25, column 1: this is not XML (no element found)"),
        (broken("</track>", "</trak>"), "this is not XML (mismatched tag); mend the file there"),
        (broken('"utf-8"', '"klingon"'), "line 1, column"),
        (broken("annotations", "annotation"), "the file begins with <annotation>, expected <anno"),
        (broken("<version>1.1", "<version>2"), "line 3, <version>: is '2', expected 1.1"),
        (broken("<track ", '<image id="0"/><track '), "belongs to 'CVAT for images'"),
        (broken("<size>20", "<size>many"), "<size>: is 'many', expected 1 to 10000000"),
        (broken("<size>20", "<size>99999999"), "<size>: is '99999999', expected 1 to 10000000"),
        (broken(f"<width>{WIDTH}", "<width>-1"), "<width>: is '-1', expected 1 to 65535"),
        (broken("original_size", "size_of_old"), "<meta> has no <original_size>, and there is no"),
        (broken('id="3"', 'id="x"'), "track x: id is 'x', expected a whole number"),
        (broken(' label="wave"', ""), "track 3: has no label; give it one of"),
        (broken('label="wave"', 'label="dig"'), "track 3.label: unknown label 'dig'; add it to"),
        (broken('xtl="8"', 'xtl="nan"'), "line 21, track 3, frame 4: xtl is 'nan', expected a nu"),
        (broken('xtl="8"', 'xtl="inf"'), "track 3, frame 4: xtl is 'inf', expected a number of"),
        (broken('xtl="8"', 'xtl="1e400"'), "track 3, frame 4: xtl is '1e400', expected a number"),
        (broken('xtl="8"', 'xtl="1_0"'), "track 3, frame 4: xtl is '1_0', expected a number of"),
        (broken('xtl="8"', ""), "track 3, frame 4: xtl is nothing, expected a number of pixels"),
        (broken('xtl="8"', 'xtl="30"'), "the box [30, 12, 24, 36] of frame 4 is empty"),
        (broken('xtl="8"', 'xtl="-8"'), "of frame 4 lies outside the 64 x 48 frame"),
        (broken('frame="4"', 'frame="-4"'), "track 3, frame -4: frame is '-4', expected a whole"),
        (broken('frame="4"', ""), "track 3, frame ?: frame is nothing, expected a whole number"),
        (broken('frame="5"', 'frame="20"'), "frame 20: is outside the task, which has the frames"),
        (broken('frame="5"', 'frame="4"'), "line 22, track 3, frame 4: comes after frame 4; a"),
        (broken('outside="0"', 'outside="2"'), "frame 4: outside is '2', expected 0 or 1"),
        (broken("<box ", '<box rotation="north" '), "rotation is 'north', expected degrees"),
        (broken("box", "polyline"), "track 3: is made of <polyline>, expected boxes, polygons"),
        (broken("<box ", "<polygon "), "mismatched tag"),
    ],
)
def test_what_is_malformed_is_named(
    tmp_path: Path, change: Callable[[str], str], message: str
) -> None:
    path = write_xml(tmp_path / "annotations.xml", track(box(4), box(5)))
    text = path.read_text(encoding="utf-8")
    assert change(text) != text
    path.write_text(change(text), encoding="utf-8")
    with pytest.raises(DatasetError) as caught:
        CvatDataset(tmp_path)
    assert str(path) in str(caught.value)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ('<polygon frame="4" points="1,2;3,4"/>', "points is '1,2;3,4', expected three or more"),
        ('<polygon frame="4" points="1,2;3,4;5"/>', "expected three or more 'x,y' with ';'"),
        ('<polygon frame="4"/>', "points is nothing, expected three or more"),
        ('<polygon frame="4" points="1,2;3,4;5,x"/>', "points is 'x', expected a number of"),
        ('<polygon frame="4" points="99,2;99,4;99,9"/>', "of frame 4 is empty"),
        ('<mask frame="4" rle="1,2" left="0" top="0" width="2" height="2"/>', "add up to 3 pixels"),
        ('<mask frame="4" rle="1,x" left="0" top="0" width="2" height="2"/>', "rle is 'x', expect"),
        ('<mask frame="4" left="0" top="0" width="2" height="2"/>', "rle is '', expected a whole"),
        ('<mask frame="4" rle="4" left="0" top="0" width="2" height="2"/>', "of frame 4 is empty"),
        ('<mask frame="4" rle="0,4" left="63" top="0" width="2" height="2"/>', "to (65, 2), outs"),
        ('<mask frame="4" rle="0,4" left="0" top="-1" width="2" height="2"/>', "top is '-1', expe"),
    ],
)
def test_a_malformed_outline_is_named(tmp_path: Path, shape: str, message: str) -> None:
    text = error_of(tmp_path, track(shape))
    assert "track 3" in text
    assert message in text


def test_two_kinds_of_shape_in_a_track_are_refused(tmp_path: Path) -> None:
    text = error_of(tmp_path, track(box(3), '<polygon frame="4" points="1,2;3,4;3,2"/>'))
    assert "track 3: mixes <box> and <polygon>; draw it with one of them" in text


def test_an_id_that_comes_twice_is_refused(tmp_path: Path) -> None:
    assert "the id 3 is used twice; number the tracks" in error_of(tmp_path, *[track(box(4))] * 2)


def test_few_lines_cannot_fill_the_memory(tmp_path: Path) -> None:
    meta = META.replace("<size>20", "<size>10000000")
    text = error_of(tmp_path, track(box(0), box(9_999_999)), meta=meta)
    assert "9999998 values lie between its shapes, of 5000000 that are interpolated" in text


def test_every_problem_is_listed(tmp_path: Path) -> None:
    write_xml(tmp_path / "a.xml", track(box(4, 30), box(9, -50)), track(box(30), id="4"))
    (tmp_path / "b.xml").write_text("<annotations>", encoding="utf-8")
    problems = [str(problem) for problem in read_problems(tmp_path)]
    assert len(problems) == 3
    assert "track 3.boxes[2]: the box" in problems[0]
    assert "frame 30: is outside the task" in problems[1]
    assert problems[2].startswith(f"{tmp_path / 'b.xml'}: line 1, column 14: this is not XML")


def test_a_folder_without_xml_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"has no XML file in it, expected a file that CVAT ex"):
        CvatDataset(tmp_path)


def test_a_data_set_without_a_label_is_refused(tmp_path: Path) -> None:
    write_video(tmp_path / "clip.mp4", 3)
    assert "no label is named anywhere; export tasks that have labels" in error_of(
        tmp_path, meta=""
    )


@given(st.binary(max_size=200))
def test_no_bytes_make_anything_but_a_dataset_error(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    folder = tmp_path_factory.mktemp("bytes")
    (folder / "annotations.xml").write_bytes(content)
    with pytest.raises(DatasetError):
        CvatDataset(folder)


ODD = ["", "-1", "nan", "1e6", "1e-40", "99999999999", "0", "1", "\u0663", "0,4", "4,5;6,7;8,9"]
SHAPES = (
    '<polygon frame="4" outside="0" points="8,12;24,12;24,36"/>',
    '<polygon frame="7" outside="0" points="8,12;24,12;24,36"/>',
)
MASK = '<mask frame="4" outside="0" rle="1,3,2" left="5" top="7" width="3" height="2"/>'


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 10_000), st.sampled_from(ODD)), min_size=1, max_size=3))
def test_an_odd_value_is_read_or_named_whatever_its_place(
    tmp_path_factory: pytest.TempPathFactory, changes: list[tuple[int, str]]
) -> None:
    folder = tmp_path_factory.mktemp("odd")
    tracks = track(box(2), box(9, 20)), track(*SHAPES, id="4"), track(MASK, id="5", label="jump")
    path = write_xml(folder / "annotations.xml", *tracks)
    text = path.read_text(encoding="utf-8")
    for position, odd in changes:
        values = list(re.finditer(r'(?<==")[^"]*(?=")|(?<=>)[^<>\s][^<>]*(?=<)', text))
        chosen = values[position % len(values)]
        text = text[: chosen.start()] + odd + text[chosen.end() :]
    path.write_text(text, encoding="utf-8")
    try:
        dataset = CvatDataset(folder)
    except DatasetError:
        return
    for record in dataset.records:
        assert dataset.actor_masks(record, [4]).shape == (1, record.height, record.width)
