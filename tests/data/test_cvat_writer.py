from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_data import FPS, HEIGHT, LABELS, WIDTH, box_masks, make_tube, write_video

from vadsdk.data.cvat import CvatDataset
from vadsdk.data.cvat_outlines import mask_polygon
from vadsdk.data.cvat_shapes import Polygon
from vadsdk.data.cvat_writer import CvatVideoTubes, write_cvat
from vadsdk.data.records import VideoRecord
from vadsdk.data.rle import EncodedMasks
from vadsdk.errors import DatasetError
from vadsdk.structures import Tube


def record(name: str = "clip.mp4", **changes: Any) -> VideoRecord:
    made = VideoRecord(
        name=name,
        path=Path("elsewhere") / Path(name).name,
        split="test",
        num_frames=20,
        width=WIDTH,
        height=HEIGHT,
        fps=FPS,
    )
    return replace(made, **changes)


def video(*tubes: Tube, masks: Any = None, **changes: Any) -> CvatVideoTubes:
    encoded = {id: EncodedMasks.of(found.astype(np.bool_)) for id, found in (masks or {}).items()}
    return CvatVideoTubes(record=record(**changes), tubes=tubes, masks=encoded)


def shapes_of(path: Path) -> list[tuple[str, int, int]]:
    """Tag, frame and outside of every shape, as another reader finds them."""
    root = ElementTree.parse(path).getroot()
    return [
        (shape.tag, int(shape.attrib["frame"]), int(shape.attrib["outside"]))
        for track in root.findall("track")
        for shape in track
    ]


def test_a_tube_is_a_track_that_ends_outside(tmp_path: Path) -> None:
    (path,) = write_cvat(tmp_path, [video(make_tube("wave", 3, 5, id=7))], LABELS)
    assert path == tmp_path / "clip.xml"
    assert shapes_of(path) == [("box", 3, 0), ("box", 4, 0), ("box", 5, 1)]
    root = ElementTree.parse(path).getroot()
    assert [label.text for label in root.findall("meta/task/labels/label/name")] == list(LABELS)
    assert root.findtext("version") == "1.1"
    assert root.findtext("meta/task/size") == "20"
    assert root.findtext("meta/task/mode") == "interpolation"
    assert root.findtext("meta/task/source") == "clip.mp4"
    assert root.findtext("meta/task/subset") == "test"
    track = root.find("track")
    assert track is not None
    assert (track.attrib["id"], track.attrib["label"]) == ("7", "wave")
    assert {shape.attrib["keyframe"] for shape in track} == {"1"}
    assert [track[0].attrib[side] for side in ("xtl", "ytl", "xbr", "ybr")] == [
        "8",
        "12",
        "24",
        "36",
    ]


def test_gaps_are_outside_and_the_last_frame_of_the_video_needs_no_end(tmp_path: Path) -> None:
    tube = make_tube("wave", 0, 4)
    gapped = replace(tube, frame_indices=np.array([2, 3, 8, 19]))
    (path,) = write_cvat(tmp_path, [video(gapped)], LABELS)
    assert [(frame, outside) for _, frame, outside in shapes_of(path)] == [
        (2, 0),
        (3, 0),
        (4, 1),
        (8, 0),
        (9, 1),
        (19, 0),
    ]


def test_the_score_of_a_prediction_is_an_attribute(tmp_path: Path) -> None:
    tubes = replace(make_tube("wave", 3, 4), score=0.875), make_tube("jump", 3, 4, id=1)
    (path,) = write_cvat(tmp_path, [video(*tubes)], LABELS)
    root = ElementTree.parse(path).getroot()
    scores = [entry.text for entry in root.findall("track/box[@outside='0']/attribute")]
    assert scores == ["0.875", "1"]
    assert [entry.text for entry in root.findall(".//labels/label/attributes/attribute/name")] == [
        "score",
        "score",
    ]
    assert [tube.score for tube in CvatDataset(tmp_path).records[0].tubes] == [1, 1]


def test_annotation_has_no_score(tmp_path: Path) -> None:
    (path,) = write_cvat(tmp_path, [video(make_tube("wave", 3, 4))], LABELS)
    assert not ElementTree.parse(path).getroot().findall(".//attribute")


def test_masks_come_back_and_a_frame_without_pixels_is_a_gap(tmp_path: Path) -> None:
    tube = make_tube("wave", 3, 6)
    masks = box_masks(tube)
    masks[1] = False
    masks[2, 20:25, 12:20] = False  # a hole
    masks[2, 40:44, 50] = True  # a second part
    (path,) = write_cvat(tmp_path, [video(tube, masks={0: masks})], LABELS)
    assert [(tag, frame, outside) for tag, frame, outside in shapes_of(path)] == [
        ("polygon", 3, 0),
        ("polygon", 4, 1),
        ("polygon", 5, 0),
        ("polygon", 6, 1),
    ]
    dataset = CvatDataset(tmp_path)
    assert (dataset.actor_masks(dataset.records[0], [3, 4, 5]) == masks).all()
    assert dataset.records[0].tubes[0].boxes_xyxy.tolist() == [[8, 12, 24, 36], [8, 12, 51, 44]]


@given(st.lists(st.lists(st.booleans(), min_size=6, max_size=6), min_size=1, max_size=6))
def test_a_polygon_encloses_exactly_the_pixels_of_its_mask(rows: list[list[bool]]) -> None:
    mask, drawn = np.array(rows), np.zeros((len(rows), 6), np.bool_)
    points = mask_polygon(mask)
    if points:
        Polygon(np.array(points, np.float64)).draw(drawn)
    assert (drawn == mask).all()


def test_a_plain_rectangle_is_four_corners() -> None:
    mask = np.zeros((8, 8), np.bool_)
    mask[2:5, 1:7] = True
    assert sorted(mask_polygon(mask)) == [(1, 2), (1, 5), (7, 2), (7, 5)]


numbers = st.floats(0, 0.9375, width=32)


@st.composite
def tubes(draw: st.DrawFn, id: int) -> Tube:
    frames = sorted(draw(st.sets(st.integers(0, 19), min_size=1)))
    corners = np.array([[draw(numbers) for _ in range(4)] for _ in frames], np.float32) * np.array(
        [30, 20, 30, 20], np.float32
    )
    return Tube(
        id=id * 3,
        label=draw(st.sampled_from(LABELS)),
        score=1.0,
        frame_indices=np.array(frames),
        boxes_xyxy=corners + np.array([0, 0, 31, 21], np.float32),
    )


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_what_is_written_is_read_again(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("round")
    written = [data.draw(tubes(id)) for id in range(data.draw(st.integers(0, 3)))]
    write_cvat(folder, [video(*written, name="shift/clip.mp4")], LABELS)
    dataset = CvatDataset(folder)
    (read,) = dataset.records
    assert dataset.labels == LABELS
    assert (read.name, read.split, read.num_frames) == ("shift/clip.mp4", "test", 20)
    assert (read.width, read.height) == (WIDTH, HEIGHT)
    assert [(tube.id, tube.label) for tube in read.tubes] == [
        (tube.id, tube.label) for tube in written
    ]
    for tube, before in zip(read.tubes, written, strict=True):
        assert (tube.frame_indices == before.frame_indices).all()
        assert (tube.boxes_xyxy == before.boxes_xyxy).all()


names = st.text(
    st.characters(exclude_categories=["Cc", "Cs"], exclude_characters="\ufffe\uffff"), min_size=1
).filter(lambda text: text == text.strip())


@settings(max_examples=30, deadline=None)
@given(names, names)
def test_any_label_and_split_come_back(
    tmp_path_factory: pytest.TempPathFactory, label: str, split: str
) -> None:
    folder = tmp_path_factory.mktemp("names")
    write_cvat(folder, [video(make_tube(label, 3, 5), split=split)], [label])
    dataset = CvatDataset(folder)
    assert dataset.labels == (label,)
    assert dataset.records[0].tubes[0].label == label
    assert dataset.records[0].split == split.lower()


def test_what_is_written_beside_videos_is_the_same_data_set(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_video(tmp_path / "videos" / f"{name}.mp4", 20)
    written = [video(make_tube("wave", 3, 5), name=f"videos/{name}.mp4") for name in ("a", "b")]
    write_cvat(tmp_path, written, LABELS)
    records = CvatDataset(tmp_path).records
    assert [entry.name for entry in records] == ["videos/a.mp4", "videos/b.mp4"]
    assert [entry.fps for entry in records] == [FPS, FPS]
    assert records[0].tubes[0].to_json() == make_tube("wave", 3, 5).to_json()


def test_a_part_of_a_video_stays_a_part(tmp_path: Path) -> None:
    annotated = tuple(range(5, 9))
    written = video(make_tube("wave", 6, 8), annotated_frames=annotated)
    write_cvat(tmp_path, [written], LABELS)
    (read,) = CvatDataset(tmp_path).records
    assert read.annotated_frames == annotated


BOX = make_tube("wave", 3, 5)


@pytest.mark.parametrize(
    ("videos", "message"),
    [
        ([video(BOX, name="../clip.mp4")], "'../clip.mp4' leads out of the folder; give the video"),
        ([video(BOX, name="/clip.mp4")], "'/clip.mp4' leads out of the folder"),
        ([video(name="a.mp4"), video(name="a.avi")], "a.xml would hold 2 videos; give them diff"),
        ([video(make_tube("dig", 3, 5))], "tubes[0].label: unknown label 'dig'; add it to"),
        ([video(make_tube("wave", 18, 22))], "of frame 20 is outside the video, which has the fr"),
        ([video(make_tube("wave", 3, 5, left=60))], "of frame 3 lies outside the 64 x 48 frame"),
        ([video(BOX, BOX)], "tubes[0]: the id 0 is no number of its own"),
        ([video(make_tube("wave", 3, 5, id=-1))], "tubes[0]: the id -1 is no number of its own"),
        ([video(BOX, name="a\x01.mp4")], "the video name 'a\\x01.mp4' cannot stand in XML; rename"),
        ([video(annotated_frames=(1, 5))], "clip.mp4 has gaps between its annotated frames, which"),
        ([video(BOX, masks={4: box_masks(BOX)})], "there are masks for 4, which is no tube's id"),
        ([video(BOX, masks={0: box_masks(BOX)[:1]})], "the masks of tube 0 are (1, 48, 64), expec"),
        ([video(BOX, masks={0: 0 * box_masks(BOX)})], "tube 0 are all empty; leave them out to w"),
    ],
)
def test_what_cannot_be_written_is_said_before_anything_is(
    tmp_path: Path, videos: list[CvatVideoTubes], message: str
) -> None:
    with pytest.raises(DatasetError) as caught:
        write_cvat(tmp_path / "out", [video(BOX, name="first.mp4"), *videos], LABELS)
    assert message in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_a_failed_write_leaves_nothing_half_written(tmp_path: Path) -> None:
    (tmp_path / "clip.xml" / "in the way").mkdir(parents=True)
    with pytest.raises(DatasetError, match=r"cannot write .*clip\.xml"):
        write_cvat(tmp_path, [video(BOX)], LABELS)
    assert [entry.name for entry in tmp_path.iterdir()] == ["clip.xml"]
