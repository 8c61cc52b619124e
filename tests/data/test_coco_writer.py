from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pycocotools import mask as coco_mask
from tiny_data import FPS, HEIGHT, WIDTH, box_masks, make_tube, write_video

from vadsdk.data.coco import CocoDataset
from vadsdk.data.coco_writer import write_coco
from vadsdk.data.records import VideoRecord
from vadsdk.data.rle import EncodedMasks
from vadsdk.errors import DatasetError
from vadsdk.structures import Tube

LABELS = ("wave", "jump")
NUM_FRAMES = 20


def make_record(root: Path, name: str = "a", **changes: object) -> VideoRecord:
    record = VideoRecord(
        name=f"videos/{name}.mp4",
        path=root / "videos" / f"{name}.mp4",
        split="test",
        num_frames=NUM_FRAMES,
        width=WIDTH,
        height=HEIGHT,
        fps=FPS,
        tubes=(make_tube("jump", 4, 9), replace(make_tube("wave", 2, 5, id=7), score=0.25)),
    )
    return replace(record, **changes)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("coco")
    write_video(folder / "videos" / "a.mp4", NUM_FRAMES)
    write_video(folder / "videos" / "b.mp4", NUM_FRAMES)
    return folder


def described(record: VideoRecord) -> tuple[object, ...]:
    tubes = {
        tube.id: (
            tube.label,
            tube.frame_indices.tolist(),
            tube.boxes_xyxy.tolist(),
            pytest.approx(tube.score),
        )
        for tube in record.tubes
    }
    return (
        record.name,
        record.path,
        record.split,
        record.num_frames,
        record.width,
        record.height,
        record.fps,
        record.labelled,
        record.annotated_frames,
        tubes,
    )


@st.composite
def tubes(draw: st.DrawFn, id: int) -> Tube:
    frames = sorted(draw(st.sets(st.integers(0, NUM_FRAMES - 1), min_size=1, max_size=5)))
    side = {"allow_nan": False, "width": 32}
    boxes = []
    for _ in frames:
        x1, y1 = draw(st.floats(0, WIDTH - 2, **side)), draw(st.floats(0, HEIGHT - 2, **side))
        boxes.append(
            [
                x1,
                y1,
                draw(st.floats(np.nextafter(np.float32(x1 + 0.5), np.float32(99)), WIDTH, **side)),
                draw(st.floats(np.nextafter(np.float32(y1 + 0.5), np.float32(99)), HEIGHT, **side)),
            ]
        )
    return Tube(
        id=id,
        label=draw(st.sampled_from(LABELS)),
        score=draw(st.floats(0, 1)),
        frame_indices=np.array(frames),
        boxes_xyxy=np.array(boxes, np.float32),
    )


@given(st.data())
def test_what_is_written_is_what_is_read(root: Path, data: st.DataObject) -> None:
    ids = data.draw(st.lists(st.integers(0, 99), unique=True, max_size=4))
    found = tuple(data.draw(tubes(id)) for id in ids)
    used = {int(frame) for tube in found for frame in tube.frame_indices}
    more = data.draw(st.none() | st.sets(st.integers(0, NUM_FRAMES - 1), min_size=1, max_size=9))
    frames = None if more is None else tuple(sorted(used | more))
    frames = None if frames is not None and len(frames) == NUM_FRAMES else frames
    records = (
        make_record(root, tubes=found, annotated_frames=frames),
        make_record(root, "b", tubes=(), labelled=data.draw(st.booleans())),
    )
    write_coco(root / "annotations.json", records, LABELS)
    dataset = CocoDataset(root)
    assert dataset.labels == LABELS
    assert dataset.problems == ()
    assert list(map(described, dataset.records)) == list(map(described, records))


def test_masks_come_back_as_they_were_and_pycocotools_reads_them(tmp_path: Path) -> None:
    write_video(tmp_path / "videos" / "a.mp4", NUM_FRAMES)
    record = make_record(tmp_path)
    path = tmp_path / "annotations" / "instances_test.json"
    write_coco(
        path,
        [record],
        LABELS,
        tube_masks=lambda _, t: EncodedMasks.of(box_masks(t)) if t.label == "jump" else None,
    )
    dataset = CocoDataset(tmp_path)
    expected = np.zeros((NUM_FRAMES, HEIGHT, WIDTH), np.bool_)
    for tube in record.tubes:
        expected[tube.frame_indices] |= box_masks(tube)
    assert (dataset.actor_masks(dataset.records[0], range(NUM_FRAMES)) == expected).all()
    written = json.loads(path.read_text(encoding="utf-8"))["annotations"]
    assert [entry["area"] for entry in written] == [16 * 24] * 8
    masked = [entry["segmentation"] for entry in written if "segmentation" in entry]
    assert coco_mask.area(masked).tolist() == [16 * 24] * 5
    assert coco_mask.toBbox(masked).tolist() == [[8, 12, 16, 24]] * 5


def test_the_file_has_an_image_a_frame_and_an_annotation_a_box(root: Path) -> None:
    write_coco(root / "annotations.json", [make_record(root)], LABELS)
    content = json.loads((root / "annotations.json").read_text(encoding="utf-8"))
    assert content["categories"] == [{"id": 1, "name": "wave"}, {"id": 2, "name": "jump"}]
    assert len(content["images"]) == NUM_FRAMES
    assert content["images"][3] == {
        "id": 4,
        "video_id": 1,
        "frame_id": 3,
        "file_name": "videos/a.mp4/000003.jpg",
        "width": WIDTH,
        "height": HEIGHT,
    }
    assert content["annotations"][5] == {
        "id": 6,
        "image_id": 3,
        "video_id": 1,
        "category_id": 1,
        "track_id": 7,
        "score": 0.25,
        "bbox": [8, 12, 16, 24],
        "area": 384,
        "iscrowd": 0,
    }


def test_pictures_keep_their_names(tmp_path: Path) -> None:
    from test_coco import write_pictures

    write_pictures(tmp_path / "clip", ["f2.png", "f10.png"], HEIGHT, WIDTH)
    record = replace(
        make_record(tmp_path),
        path=tmp_path / "clip",
        name="clip",
        num_frames=2,
        tubes=(make_tube("wave", 1, 2),),
    )
    write_coco(tmp_path / "annotations.json", [record], LABELS)
    content = json.loads((tmp_path / "annotations.json").read_text(encoding="utf-8"))
    assert [image["file_name"] for image in content["images"]] == ["clip/f2.png", "clip/f10.png"]
    assert described(CocoDataset(tmp_path).records[0]) == described(record)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"tubes": (make_tube("run", 0, 2),)}, r"a\.mp4, tube 0: the label 'run' is not one of"),
        (
            {"tubes": (make_tube("wave", 0, 2), make_tube("jump", 0, 2))},
            "tube 0: ids are from 0 on, each once in a video; number them",
        ),
        ({"tubes": (make_tube("wave", 0, 2, id=-1),)}, "tube -1: ids are from 0 on"),
        (
            {"tubes": (replace(make_tube("wave", 0, 2), score=float("nan")),)},
            r"the score nan is not in \[0, 1\]; scale it",
        ),
        (
            {"tubes": (make_tube("wave", 18, 21),)},
            "it ends at frame 20, the video at 19; cut the tube",
        ),
    ],
)
def test_what_no_reader_would_take_is_not_written(
    tmp_path: Path, changes: dict[str, object], message: str
) -> None:
    path = tmp_path / "annotations.json"
    with pytest.raises(DatasetError, match=message):
        write_coco(path, [make_record(tmp_path, **changes)], LABELS)
    assert not path.exists()


def test_names_that_come_twice_and_masks_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    path, record = tmp_path / "annotations.json", make_record(tmp_path)
    with pytest.raises(DatasetError, match=r"the video 'videos/a\.mp4' comes 2 times; rename one"):
        write_coco(path, [record, record], LABELS)
    with pytest.raises(DatasetError, match="the label 'wave' comes 2 times"):
        write_coco(path, [record], ["wave", "wave", "jump"])
    with pytest.raises(DatasetError, match="has one video and one label at least"):
        write_coco(path, [], LABELS)
    small = EncodedMasks.of(np.zeros((5, 3, 4), np.bool_))
    with pytest.raises(
        DatasetError, match=r"tube 0: its masks are \(5, 3, 4\), expected \(5, 48, 64\)"
    ):
        write_coco(path, [record], LABELS, tube_masks=lambda *_: small)
    assert not path.exists()


def test_a_file_that_cannot_be_written_leaves_what_was_there(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(DatasetError, match=r"cannot write .*file/annotations\.json"):
        write_coco(tmp_path / "file" / "annotations.json", [make_record(tmp_path)], LABELS)
