"""COCO files with videos: COCO-VID and TAO, or YouTube-VIS (see `coco_schema.py`).

    my_data/
      annotations.json                  or instances_<split>.json, or annotations/<anything>.json
      .../<video>.mp4                   anywhere below
      .../<video>/00000.jpg             or a folder of its pictures

Frames count from 0; a picture's frame is its place in its folder, whatever `frame_id` says. Where
only some frames are listed as images, nothing is known of the others, and no box is made up there.
Boxes without a track are linked by label: from one listed frame to the next, greatest overlap
first, from an intersection over union of 0.3 on.

A video's split is its own `split`, else what its file's name tells (`instances_train.json`:
"train"), else the name of the file's folder, else "train".
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vadsdk.data.coco_boxes import read_boxes
from vadsdk.data.coco_footage import CocoFootage
from vadsdk.data.coco_json import read_coco_file
from vadsdk.data.coco_masks import decode_segmentation, mask_field
from vadsdk.data.coco_schema import CocoFile
from vadsdk.data.coco_tubes import CocoBox, link_tubes
from vadsdk.data.coco_videos import CocoVideos, read_videos
from vadsdk.data.contained_paths import ContainedPaths
from vadsdk.data.problems import Problem, raise_if_fatal
from vadsdk.data.records import VideoRecord, fill_boxes, records_of_split
from vadsdk.data.rle import EncodedMasks, encode_in_parts
from vadsdk.errors import DatasetError
from vadsdk.structures import Tube

FILE_PATTERNS = ("annotations.json", "instances_*.json", "annotations/*.json")
SPLITS = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
    "testing": "test",
}
"""What a part of a file's name stands for; a year after it (`train2017`) is left out."""


class CocoDataset:
    """COCO files with videos, as far as the videos are there.

    Args:
        root: of the data set.

    Raises:
        DatasetError: there is no such file, it is malformed, or none of its videos is there.
    """

    format = "coco"

    def __init__(self, root: Path) -> None:
        content = read_coco(root)
        raise_if_fatal(content.problems, root)
        self.name = root.resolve().name
        self.labels = tuple(content.labels)
        self.records = tuple(content.records)
        self.missing_videos = content.num_missing
        """Videos that the files name, but that are not there."""
        self.problems = tuple(content.problems)
        """What is wrong with them and does not stop a training run."""
        self._boxes = {
            name: boxes
            for name, boxes in content.boxes.items()
            if any(box.segmentation is not None for box in boxes)
        }
        self._files = content.files
        self.has_masks = bool(self._boxes)

    def split(self, name: str) -> tuple[VideoRecord, ...]:
        """Return the records of one split; a DatasetError lists the splits if there are none."""
        return records_of_split(self, name)

    def actor_masks(
        self, record: VideoRecord, frame_indices: Sequence[int] | NDArray[np.integer]
    ) -> NDArray[np.bool_]:
        """Return the union of the actors in each frame, (T, H, W).

        An actor without a segmentation is its filled box.
        """
        if record.name not in self._boxes:
            return fill_boxes(record, frame_indices)
        return self._drawn(self._boxes[record.name], record, frame_indices)

    def tube_masks(self, record: VideoRecord, tube: Tube) -> EncodedMasks | None:
        """Return the masks of a tube, None if none of its boxes has a segmentation.

        A box of it without a segmentation is filled.
        """
        rows = zip(tube.frame_indices.tolist(), tube.boxes_xyxy.tolist(), strict=True)
        places = {(frame, tuple(box)) for frame, box in rows}
        own = [
            box
            for box in self._boxes.get(record.name, ())
            if box.label == tube.label
            and (box.frame, tuple(np.array(box.xyxy, np.float32).tolist())) in places
        ]
        if all(box.segmentation is None for box in own):
            return None
        size = (record.height, record.width)
        return encode_in_parts(
            tube.frame_indices, size, lambda frames: self._drawn(own, record, frames)
        )

    def _drawn(
        self,
        boxes: Sequence[CocoBox],
        record: VideoRecord,
        frame_indices: Sequence[int] | NDArray[np.integer],
    ) -> NDArray[np.bool_]:
        by_frame: dict[int, list[CocoBox]] = {}
        for box in boxes:
            by_frame.setdefault(box.frame, []).append(box)
        masks = np.zeros((len(frame_indices), record.height, record.width), np.bool_)
        for mask, frame in zip(masks, frame_indices, strict=True):
            for box in by_frame.get(int(frame), ()):
                self._draw(mask, box, record)
        return masks

    def _draw(self, mask: NDArray[np.bool_], box: CocoBox, record: VideoRecord) -> None:
        if box.segmentation is None:
            x1, y1 = np.maximum(np.floor(box.xyxy[:2]), 0).astype(int)
            x2, y2 = np.ceil(box.xyxy[2:]).astype(int)
            mask[y1:y2, x1:x2] = True
            return
        try:
            mask |= decode_segmentation(box.segmentation, (record.height, record.width))
        except ValueError as error:
            raise DatasetError(
                f"{self._files[record.name]}: {mask_field(box.field)}: "
                f"{error}; write the mask again"
            ) from error


@dataclass(kw_only=True, slots=True, eq=False)
class CocoContent:
    """What lies in the COCO files of a data set; it has no records where something is wrong."""

    labels: list[str] = field(default_factory=list)
    """In the order of the categories' ids, file by file."""
    records: list[VideoRecord] = field(default_factory=list)
    """File by file, in their order."""
    boxes: dict[str, Sequence[CocoBox]] = field(default_factory=dict)
    """By the record's name."""
    files: dict[str, Path] = field(default_factory=dict)
    """Which file a record is from, by the record's name."""
    num_missing: int = 0
    """Videos that are not there."""
    problems: list[Problem] = field(default_factory=list)


def is_coco(root: Path) -> bool:
    """Return whether a folder has files that are named as those of COCO are."""
    return bool(annotation_files(root))


def annotation_files(root: Path) -> list[Path]:
    """Return the files of a folder that are named as those of COCO are, sorted."""
    return sorted({path for pattern in FILE_PATTERNS for path in root.glob(pattern)})


def read_problems(root: Path) -> list[Problem]:
    """Return everything that is wrong with the COCO files of a data set."""
    return read_coco(root).problems


def read_coco(root: Path) -> CocoContent:
    """Read the COCO files of a data set; no video is decoded.

    Raises:
        DatasetError: there is none, or one is no JSON at all.
    """
    files = annotation_files(root)
    if not files:
        raise DatasetError(f"{root} has none of {', '.join(FILE_PATTERNS)} in it; put one there")
    footage, contained, content = CocoFootage(root), ContainedPaths(root), CocoContent()
    for file in files:
        if not contained.holds(file):
            message = "it is a link that leads out of the data set; copy the file there"
            content.problems.append(Problem(str(file), "", message))
            continue
        document, problems = read_coco_file(file)
        content.problems += problems
        if document is not None:
            _read_file(content, root, file, document, footage)
    names = Counter(record.name for record in content.records)
    for name in (name for name, count in names.items() if count > 1):
        message = f"{name} is listed more than once in the files; keep one entry a video"
        content.problems.append(Problem(str(content.files[name]), "videos", message))
    return content


def split_of_file(file: Path, root: Path) -> str:
    """Return the split that the name of a file, or else of its folder, tells; else "train"."""
    folders = file.relative_to(root).parent.parts
    for name in (file.stem, *reversed(folders)):
        for part in re.split(r"[^a-z]+", name.lower()):
            if part in SPLITS:
                return SPLITS[part]
    return "train"


def _read_file(
    content: CocoContent, root: Path, file: Path, document: CocoFile, footage: CocoFootage
) -> None:
    videos = read_videos(file, document, footage, split_of_file(file, root))
    found = read_boxes(file, document, videos)
    content.problems += [*videos.problems, *found.problems]
    content.num_missing += videos.num_missing
    for category in sorted(document.categories, key=lambda category: category.id):
        if category.name not in content.labels:
            content.labels.append(category.name)
    if any(problem.fatal for problem in (*videos.problems, *found.problems)):
        return
    for id in videos.videos:
        boxes = found.boxes.get(id, ())
        record = _record(root, videos, id, boxes)
        content.records.append(record)
        content.boxes[record.name] = boxes
        content.files[record.name] = file


def _record(root: Path, videos: CocoVideos, id: int, boxes: Sequence[CocoBox]) -> VideoRecord:
    video = videos.videos[id]
    frames = videos.annotated_frames(id)
    is_sparse = video.labelled and len(frames) < video.num_frames
    return VideoRecord(
        name=video.path.relative_to(root).as_posix(),
        path=video.path,
        split=video.split,
        num_frames=video.num_frames,
        width=video.width,
        height=video.height,
        fps=video.fps,
        tubes=link_tubes(boxes, frames, video.fps),
        labelled=video.labelled,
        annotated_frames=tuple(frames) if is_sparse else None,
    )
