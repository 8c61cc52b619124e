from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pycocotools import mask as coco_mask
from tiny_data import HEIGHT, WIDTH, write_video

from vadsdk.data import coco_json
from vadsdk.data.coco import CocoDataset, is_coco, read_problems, split_of_file
from vadsdk.data.coco_footage import picture_names
from vadsdk.data.coco_masks import decode_segmentation
from vadsdk.data.coco_schema import RleEntry
from vadsdk.data.rle import encode_masks
from vadsdk.errors import DatasetError
from vadsdk.video.folders import read_images

Content = dict[str, Any]
CATEGORIES = [{"id": 7, "name": "wave"}, {"id": 2, "name": "jump"}]


def write_pictures(folder: Path, names: list[str], height: int = 6, width: int = 8) -> None:
    """Picture i of `names` is grey with the value 10 * i."""
    folder.mkdir(parents=True, exist_ok=True)
    for index, name in enumerate(names):
        image = np.full((height, width, 3), 10 * index, np.uint8)
        (folder / name).write_bytes(cv2.imencode(Path(name).suffix, image)[1].tobytes())


def picture_form() -> Content:
    """Six pictures, of which the frames 1, 2 and 4 are listed; track 5 waves in 1 and 4."""
    return {
        "videos": [{"id": 1, "name": "clip", "width": 8, "height": 6, "fps": 5}],
        "images": [
            {"id": 10 + frame, "video_id": 1, "frame_id": 99, "file_name": f"clip/{frame}.png"}
            for frame in (4, 1, 2)
        ],
        "annotations": [
            {"id": 1, "image_id": 14, "category_id": 7, "track_id": 5, "bbox": [2, 1, 3, 4]},
            {"id": 2, "image_id": 11, "category_id": 7, "track_id": 5, "bbox": [0.5, 1, 3, 4]},
        ],
        "categories": [dict(category) for category in CATEGORIES],
    }


def write_json(root: Path, content: object, name: str = "annotations.json") -> Path:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def make_root(root: Path, content: object) -> Path:
    write_pictures(root / "pictures" / "clip", [f"{frame}.png" for frame in range(6)])
    write_json(root, content)
    return root


def test_pictures_with_tracks_become_tubes(tmp_path: Path) -> None:
    root = make_root(tmp_path, picture_form())
    assert is_coco(root)
    dataset = CocoDataset(root)
    assert dataset.format == "coco"
    assert dataset.labels == ("jump", "wave")  # by category id
    assert dataset.problems == ()
    assert not dataset.has_masks
    (record,) = dataset.split("train")
    assert (record.name, record.path) == ("pictures/clip", root / "pictures" / "clip")
    assert (record.num_frames, record.width, record.height, record.fps) == (6, 8, 6, 5)
    assert record.annotated_frames == (1, 2, 4)
    (tube,) = record.tubes
    assert (tube.id, tube.label, tube.score) == (5, "wave", 1)
    assert tube.frame_indices.tolist() == [1, 4]
    assert tube.boxes_xyxy.tolist() == [[0.5, 1, 3.5, 5], [2, 1, 5, 5]]
    assert (tube.start_seconds, tube.end_seconds) == (0.2, 1)
    assert dataset.actor_masks(record, [1, 2]).sum(axis=(1, 2)).tolist() == [16, 0]


def test_a_video_file_counts_frames_from_0_and_tells_what_the_file_does_not(tmp_path: Path) -> None:
    write_video(tmp_path / "deep" / "down" / "clip.mp4", 5)
    content = picture_form()
    content["videos"] = [{"id": 1, "file_name": "down/clip", "split": "val"}]
    content["images"] = [{"id": 10 + i, "video_id": 1, "frame_index": i} for i in range(5)]
    write_json(tmp_path, content)
    (record,) = CocoDataset(tmp_path).split("val")
    assert record.name == "deep/down/clip.mp4"
    assert (record.num_frames, record.width, record.height, record.fps) == (5, WIDTH, HEIGHT, 10)
    assert record.annotated_frames is None
    assert record.tubes[0].frame_indices.tolist() == [1, 4]


def test_a_pictures_frame_is_its_place_in_the_order_that_frames_are_read_in(tmp_path: Path) -> None:
    names = ["f10.png", "f9.png", "f100.png", "F1.png", "g.png", "f09.png", "\u0661.png"]
    write_pictures(tmp_path, names)
    in_order = picture_names(tmp_path)
    assert in_order.index("f9.png") < in_order.index("f10.png") < in_order.index("f100.png")
    greys = read_images(tmp_path)[:, 0, 0, 0] // 10
    assert [names[grey] for grey in greys] == in_order


def youtube_form() -> Content:
    mask = np.zeros((1, 6, 8), np.bool_)
    mask[0, 2:4, 1:5] = True
    rle = {"size": [6, 8], "counts": encode_masks(mask)[0]}
    return {
        "videos": [
            {
                "id": 3,
                "width": 8,
                "height": 6,
                "length": 3,
                "file_names": ["clip/0.png", "clip/2.png", "clip/4.png"],
            }
        ],
        "annotations": [
            {
                "id": 4,
                "video_id": 3,
                "category_id": 2,
                "bboxes": [None, [1, 2, 4, 2], [1, 1, 2, 2]],
                "segmentations": [None, rle, None],
            },
            {"id": 9, "video_id": 3, "category_id": 2, "segmentations": [rle, None, None]},
        ],
        "categories": [dict(category) for category in CATEGORIES],
    }


def test_the_form_of_youtube_vis_is_read(tmp_path: Path) -> None:
    root = make_root(tmp_path, youtube_form())
    dataset = CocoDataset(root)
    (record,) = dataset.records
    assert record.num_frames == 6
    assert record.annotated_frames == (0, 2, 4)
    assert [(tube.id, tube.frame_indices.tolist()) for tube in record.tubes] == [
        (4, [2, 4]),
        (9, [0]),
    ]
    assert record.tubes[1].boxes_xyxy.tolist() == [[1, 2, 5, 4]]
    assert dataset.has_masks
    masks = dataset.actor_masks(record, [0, 2, 3, 4])
    assert masks.sum(axis=(1, 2)).tolist() == [8, 8, 0, 4]  # the last is the filled box
    assert masks[0, 2:4, 1:5].all()


def test_a_file_without_annotations_is_not_labelled(tmp_path: Path) -> None:
    content = youtube_form()
    content["annotations"] = None
    (record,) = CocoDataset(make_root(tmp_path, content)).records
    assert not record.labelled
    content["annotations"] = []
    write_json(tmp_path, content)
    (record,) = CocoDataset(tmp_path).records
    assert record.labelled


def test_boxes_without_a_track_are_linked_by_label_and_overlap(tmp_path: Path) -> None:
    content = picture_form()
    boxes = [  # frame, category, x; each is 4 wide
        (1, 7, 0),
        (1, 7, 3),
        (2, 7, 2.5),
        (2, 7, 0.5),
        (2, 2, 0.5),
        (4, 7, 0.5),
        (4, 7, 4),
    ]
    content["annotations"] = [
        {"image_id": 10 + frame, "category_id": category, "bbox": [x, 0, 4, 6], "score": 0.5}
        for frame, category, x in boxes
    ]
    (record,) = CocoDataset(make_root(tmp_path, content)).records
    assert [
        (tube.label, tube.frame_indices.tolist(), tube.boxes_xyxy[:, 0].tolist(), tube.score)
        for tube in record.tubes
    ] == [
        ("wave", [1, 2, 4], [0, 0.5, 0.5], 0.5),
        ("wave", [1, 2, 4], [3, 2.5, 4], 0.5),
        ("jump", [2], [0.5], 0.5),
    ]
    assert [tube.id for tube in record.tubes] == [0, 1, 2]


def test_boxes_that_hardly_overlap_or_skip_a_listed_frame_are_not_linked(tmp_path: Path) -> None:
    content = picture_form()
    content["annotations"] = [
        {"image_id": 10 + frame, "category_id": 7, "bbox": [x, 0, 3, 6]}
        for frame, x in ((1, 0), (2, 2), (4, 0))
    ]
    (record,) = CocoDataset(make_root(tmp_path, content)).records
    assert [tube.frame_indices.tolist() for tube in record.tubes] == [[1], [2], [4]]


def test_a_track_of_two_labels_is_two_tubes_of_different_ids(tmp_path: Path) -> None:
    content = picture_form()
    content["annotations"][1]["category_id"] = 2
    (record,) = CocoDataset(make_root(tmp_path, content)).records
    assert [(tube.id, tube.label) for tube in record.tubes] == [(5, "wave"), (0, "jump")]


def test_polygons_and_runs_of_numbers_are_masks(tmp_path: Path) -> None:
    content = picture_form()
    square = [1, 2, 5, 2, 5, 4, 1, 4]
    content["annotations"][0] |= {"segmentation": [square, [6, 0, 8, 0, 8, 2, 6, 2]]}
    content["annotations"][1] |= {"segmentation": {"size": [6, 8], "counts": [6, 6, 36]}}
    dataset = CocoDataset(make_root(tmp_path, content))
    masks = dataset.actor_masks(dataset.records[0], [1, 4])
    assert masks[0, :, 1].all()
    assert masks[0].sum() == 6
    assert masks[1, 2:4, 1:5].all()
    assert masks[1, 0:2, 6:8].all()
    assert masks[1].sum() == 12


@given(st.lists(st.integers(0, 12), min_size=1, max_size=8))
def test_runs_of_numbers_mean_what_pycocotools_means(counts: list[int]) -> None:
    total = sum(counts)
    height, width = max(total, 1), 1
    entry = RleEntry(size=[height, width], counts=counts if total else [1])
    packed = coco_mask.frPyObjects({"size": [height, width], "counts": entry.counts}, height, width)
    mask = decode_segmentation(entry, (height, width))
    text = RleEntry(size=[height, width], counts=packed["counts"].decode())
    assert (mask == decode_segmentation(text, (height, width))).all()
    assert mask.sum() == sum(entry.counts[1::2])


def test_crowds_are_left_out_and_reported(tmp_path: Path) -> None:
    content = picture_form()
    content["annotations"][0]["iscrowd"] = 1
    dataset = CocoDataset(make_root(tmp_path, content))
    assert dataset.records[0].tubes[0].frame_indices.tolist() == [1]
    (problem,) = dataset.problems
    assert problem.message.startswith("1 annotations with `iscrowd` are left out")


def test_videos_that_are_not_there_are_left_out_and_counted(tmp_path: Path) -> None:
    content = picture_form()
    content["videos"].append({"id": 2, "name": "gone", "width": 8, "height": 6})
    content["images"].append({"id": 1, "video_id": 2, "file_name": "gone/1.png"})
    content["annotations"].append({"image_id": 1, "category_id": 7, "bbox": [0, 0, 900, 1]})
    dataset = CocoDataset(make_root(tmp_path, content))
    assert len(dataset.records) == dataset.missing_videos == 1
    (problem,) = dataset.problems
    assert problem.field == "videos"
    assert problem.message.startswith("1 of 2 videos are not there, such as 'gone'; put them")
    del content["videos"][0], content["images"][:3], content["annotations"][:2]
    write_json(tmp_path, content)
    with pytest.raises(DatasetError, match=r"annotations\.json: videos: 1 of 1 videos are not th"):
        CocoDataset(tmp_path)


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("instances_train.json", "train"),
        ("annotations/instances_val2017.json", "val"),
        ("annotations/validation.json", "val"),
        ("test/annotations.json", "test"),
        ("annotations.json", "train"),
    ],
)
def test_the_name_of_a_file_tells_the_split(tmp_path: Path, name: str, split: str) -> None:
    assert split_of_file(tmp_path / name, tmp_path) == split


def test_files_of_several_splits_are_one_data_set(tmp_path: Path) -> None:
    for split, frame in (("train", 1), ("val", 4)):
        write_pictures(tmp_path / split / "clip", [f"{i}.png" for i in range(6)])
        content = picture_form()
        content["annotations"] = [
            {"image_id": 10 + frame, "category_id": 7, "track_id": 0, "bbox": [0, 0, 1, 1]}
        ]
        write_json(tmp_path, content, f"annotations/instances_{split}.json")
    dataset = CocoDataset(tmp_path)
    assert [record.name for record in dataset.records] == ["train/clip", "val/clip"]
    assert dataset.split("val")[0].tubes[0].frame_indices.tolist() == [4]
    with pytest.raises(DatasetError, match="has no split 'test'; choose one of: train, val"):
        dataset.split("test")


def test_a_video_in_two_files_is_refused(tmp_path: Path) -> None:
    root = make_root(tmp_path, picture_form())
    write_json(root, picture_form(), "instances_val.json")
    with pytest.raises(DatasetError, match="pictures/clip is listed more than once in the files"):
        CocoDataset(root)


def change(content: Content, path: str, value: object) -> None:
    *parts, last = path.split("/")
    target: Any = content
    for part in parts:
        target = target[int(part) if part.isdigit() else part]
    target[int(last) if last.isdigit() else last] = value


PICTURE_PROBLEMS = [
    ("categories", [], "categories: List should have at least 1 item"),
    ("categories/1/id", 7, r"categories\[0\]\.id: 7 comes twice"),
    ("categories/1/name", "wave", r"categories\[1\]\.name: 'wave' comes twice"),
    ("videos", {}, "videos: Input should be a valid list, not {}"),
    ("videos/0/id", "1", r"videos\[0\]\.id: Input should be a valid integer, not '1'"),
    ("videos/0/width", -8, r"videos\[0\]\.width: Input should be greater than 0, not -8"),
    ("videos/0/width", 10**6, r"videos\[0\]\.width: .* less than or equal to 16384"),
    ("videos/0/width", True, r"videos\[0\]\.width: Input should be a valid integer, not True"),
    ("videos/0/fps", 0, r"videos\[0\]\.fps: Input should be greater than 0"),
    ("videos/0/height", None, r"videos\[0\]: its size or length is not known; state width"),
    ("videos/0/name", "../clip", r"videos\[0\]\.file_name: '\.\./clip' leads out of the data set"),
    ("videos/0/name", "/etc/clip", r"videos\[0\]\.file_name: '/etc/clip' leads out of the data"),
    ("videos/0/name", "a\\clip", r"leads out of the data set"),
    ("videos/0/name", "cl\0ip", r"1 of 1 videos are not there, such as 'cl\\x00ip'"),
    ("videos/0/length", 6, None),
    ("images/0/id", 11, r"images\[0\]\.id: the id 11 comes twice"),
    ("images/0/video_id", 9, r"images\[0\]\.video_id: there is no video 9; add it"),
    ("images/0/width", 9, r"images\[0\]\.width: 9 pixels, those of its video are 8"),
    ("images/0/file_name", "clip/9.png", r"images\[0\]\.file_name: there is no picture 'clip/9"),
    ("images/0/file_name", "clip/1.png", r"images\[1\]\.frame_id: frame 1 of its video comes tw"),
    ("images/0/file_name", None, r"images\[0\]\.frame_id: 99 is not among the frames .* 0 to 5"),
    ("annotations/0", 3, r"annotations\[0\]: Input should be a valid dict.*, not 3"),
    ("annotations/0/bbox", [1, 2, 3], r"annotations\[0\]\.bbox: List should have at least 4 items"),
    ("annotations/0/bbox", [1, 2, 3, "4"], r"annotations\[0\]\.bbox\[3\]: Input should be a valid"),
    ("annotations/0/bbox", [1, 2, 0, 3], r"annotations\[0\]\.bbox: \[1, 2, 0, 3\] is empty"),
    ("annotations/0/bbox", [1, 2, -1, 3], r"annotations\[0\]\.bbox: \[1, 2, -1, 3\] is empty"),
    ("annotations/0/bbox", [1, 2, 9, 3], r"annotations\[0\]\.bbox: .* outside the 8 x 6 frame"),
    ("annotations/0/bbox", None, r"annotations\[0\]\.bbox: it is missing; give x, y, width"),
    ("annotations/0/score", 1.5, r"annotations\[0\]\.score: Input should be less than or equal"),
    ("annotations/0/image_id", 99, r"annotations\[0\]\.image_id: there is no image 99; add it"),
    ("annotations/0/image_id", None, r"annotations\[0\]\.image_id: it is missing; give it with"),
    ("annotations/0/image_id", 11, r"annotations\[1\]\.bbox: the track 5 has two boxes in frame 1"),
    ("annotations/0/category_id", 1, r"annotations\[0\]\.category_id: there is no category 1"),
    (
        "annotations/0/segmentation",
        [[1, 2, 3, 4]],
        r"annotations\[0\]\.segmentation: polygon 0 has 4 numbers; give x and y of three",
    ),
    (
        "annotations/0/segmentation",
        [[0, 0, 1e9, 0, 5, 5]],
        r"annotations\[0\]\.segmentation: polygon 0 reaches to 1e\+09, far outside",
    ),
    (
        "annotations/0/segmentation",
        {"size": [6, 8], "counts": [47, 2]},
        r"annotations\[0\]\.segmentation: a mask's runs do not add up to its 6 x 8 pixels",
    ),
    (
        "annotations/0/segmentation",
        {"size": [6, 8], "counts": [50, -2]},
        r"annotations\[0\]\.segmentation: a mask's runs do not add up",
    ),
    (
        "annotations/0/segmentation",
        {"size": [8, 6], "counts": [48]},
        r"annotations\[0\]\.segmentation: the mask is 8 x 6, the frame 6 x 8",
    ),
    (
        "annotations/0/segmentation",
        {"size": [6, 8], "counts": [1.5]},
        r"annotations\[0\]\.segmentation\.counts\[0\]: Input should be a valid integer",
    ),
    ("annotations/0/segmentation", "abc", r"annotations\[0\]\.segmentation: Input should be a val"),
]


@pytest.mark.parametrize(("path", "value", "message"), PICTURE_PROBLEMS)
def test_malformed_annotation_is_named_by_its_place(
    tmp_path: Path, path: str, value: object, message: str | None
) -> None:
    content = picture_form()
    change(content, path, value)
    root = make_root(tmp_path, content)
    if message is None:
        CocoDataset(root)
        return
    with pytest.raises(DatasetError, match=message) as caught:
        CocoDataset(root)
    assert str(root / "annotations.json") in str(caught.value)
    assert any(problem.fatal for problem in read_problems(root))


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("annotations/0/bboxes", [None], r"annotations\[0\]\.bboxes: 1 entries for a video of 3 f"),
        (
            "annotations/0/bboxes/1",
            [0, 0, 90, 1],
            r"annotations\[0\]\.bboxes\[1\]: .* lies outside the 8 x 6 frame",
        ),
        (
            "annotations/0/segmentations/1",
            [[1]],
            r"annotations\[0\]\.segmentations\[1\]: polygon 0 has 1 numbers",
        ),
        (
            "annotations/1/segmentations/0/counts",
            "\u0000",
            r"annotations\[1\]\.segmentations\[0\]: a mask's runs hold the unreadable",
        ),
        (
            "annotations/1/segmentations/0",
            {"size": [6, 8], "counts": [48]},
            r"annotations\[1\]\.segmentations\[0\]: the mask is empty, so it has no box",
        ),
        ("annotations/0/video_id", 8, r"annotations\[0\]\.video_id: there is no video 8; add it"),
        ("annotations/1/id", 4, None),
        ("videos/0/file_names/1", "clip/9.png", r"videos\[0\]\.file_names\[1\]: there is no pict"),
        ("videos/0/file_names/1", "clip/5.png", r"file_names: the pictures are not in the order"),
        ("videos/0/num_frames", 4, r"videos\[0\]\.length: num_frames is 4, length 3; correct one"),
        ("videos/0/labelled", False, r"annotations\[0\]: its video has `labelled` false; set it"),
    ],
)
def test_malformed_lists_of_youtube_vis_are_named_by_their_place(
    tmp_path: Path, path: str, value: object, message: str | None
) -> None:
    content = youtube_form()
    change(content, path, value)
    root = make_root(tmp_path, content)
    if message is None:
        CocoDataset(root)
        return
    with pytest.raises(DatasetError, match=message):
        CocoDataset(root)


def test_compressed_runs_that_do_not_fit_are_named_when_they_are_read(tmp_path: Path) -> None:
    content = youtube_form()
    content["annotations"][0]["segmentations"][1]["counts"] = "03"
    content["annotations"].pop()
    dataset = CocoDataset(make_root(tmp_path, content))
    with pytest.raises(
        DatasetError,
        match=r"annotations\.json: annotations\[0\]\.segmentations\[1\]: .* do not add up to its 6",
    ):
        dataset.actor_masks(dataset.records[0], [2])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"line 1, column 1: this is not JSON"),
        (
            '{"videos": [],\n "images": [}',
            r"\.json, line 2, column 13: this is not JSON",
        ),
        ('{"videos": [], "videos": []}', "the key 'videos' comes twice in one object; keep one"),
        ('{"videos": [{"id": 1, "fps": NaN}]}', "has the number NaN, which JSON does not know"),
        ('{"videos": [{"id": 1, "fps": -Infinity}]}', "has the number -Infinity"),
        (
            '{"videos": [{"id": 1, "fps": 1e999}]}',
            r"videos\[0\]\.fps: Input should be a finite n",
        ),
        ('{"videos": ' + "[" * 100_000, "nests too deeply to be a COCO file"),
        ('{"videos": [{"id": ' + "9" * 5000 + "}]}", "is not JSON: Exceeds the limit"),
        ('{"videos": [{"id": ' + "9" * 30 + "}]}", r"videos\[0\]\.id: Input should be less than"),
        ('{"images": []}', "it has no `videos`; if it is about single pictures, move it out"),
        ("[]", "Input should be a valid dictionary or instance of CocoFile"),
        ("\xff", "is not JSON: 'utf-8' codec can't decode"),
    ],
)
def test_a_file_that_is_no_coco_json_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "annotations.json"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(DatasetError, match=message) as caught:
        CocoDataset(tmp_path)
    assert str(path) in str(caught.value)


def test_no_file_or_a_file_too_large_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not is_coco(tmp_path)
    with pytest.raises(DatasetError, match=r"has none of annotations\.json, instances_\*\.json"):
        CocoDataset(tmp_path)
    make_root(tmp_path, picture_form())
    monkeypatch.setattr(coco_json, "MAX_FILE_BYTES", 10)
    with pytest.raises(DatasetError, match=r"annotations\.json is larger than 10 bytes; split it"):
        CocoDataset(tmp_path)


def test_videos_of_one_name_are_told_apart_by_more_of_the_path(tmp_path: Path) -> None:
    root = make_root(tmp_path, picture_form())
    write_pictures(root / "other" / "clip", ["0.png"])
    with pytest.raises(DatasetError, match="'clip' is both other/clip and pictures/clip; name mor"):
        CocoDataset(root)
    content = picture_form()
    content["videos"][0]["file_name"] = "pictures/clip"
    write_json(root, content)
    assert CocoDataset(root).records[0].num_frames == 6


@pytest.mark.parametrize("kind", ["folder", "picture", "file", "annotation"])
def test_links_that_lead_out_of_the_folder_are_refused(tmp_path: Path, kind: str) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    make_root(outside, picture_form())
    root.mkdir()
    write_json(root, picture_form())
    clip = outside / "pictures" / "clip"
    if kind == "folder":
        (root / "clip").symlink_to(clip)
    elif kind == "picture":
        write_pictures(root / "clip", [f"{frame}.png" for frame in range(5)])
        (root / "clip" / "5.png").symlink_to(clip / "5.png")
    elif kind == "file":
        write_video(outside / "clip.mp4", 5)
        (root / "clip.mp4").symlink_to(outside / "clip.mp4")
    else:
        write_pictures(root / "clip", [f"{frame}.png" for frame in range(6)])
        (root / "annotations.json").unlink()
        (root / "annotations.json").symlink_to(outside / "annotations.json")
    with pytest.raises(DatasetError, match="is a link that leads out of the data set; copy"):
        CocoDataset(root)


def test_a_broken_video_whose_size_is_not_stated_is_named(tmp_path: Path) -> None:
    (tmp_path / "clip.mp4").write_bytes(b"no video")
    content = picture_form()
    content["videos"] = [{"id": 1, "name": "clip"}]
    write_json(tmp_path, content)
    with pytest.raises(DatasetError, match=r"videos\[0\]\.file_name: .*clip\.mp4"):
        CocoDataset(tmp_path)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=5,
)
PLACES = [path for path, *_ in PICTURE_PROBLEMS] + ["images", "images/0", "videos/0", "annotations"]


@given(place=st.sampled_from(PLACES), value=JSON)
def test_any_value_anywhere_is_read_or_refused_with_a_dataset_error(
    tmp_path_factory: pytest.TempPathFactory, place: str, value: object
) -> None:
    root = tmp_path_factory.getbasetemp() / "any_value"
    if not root.exists():
        make_root(root, {})
    content = picture_form()
    change(content, place, value)
    write_json(root, content)
    try:
        dataset = CocoDataset(root)
        for record in dataset.records:
            dataset.actor_masks(record, range(record.num_frames))
    except DatasetError as error:
        text = str(error)
    else:
        text = f"{root} is read"
    assert str(root) in text
