"""The annotations of a COCO file -> boxes of videos."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vadsdk.data.coco_masks import check_segmentation, decode_segmentation, mask_field
from vadsdk.data.coco_schema import AnnotationEntry, CocoFile, Polygons, RleEntry
from vadsdk.data.coco_tubes import CocoBox
from vadsdk.data.coco_videos import CocoVideo, CocoVideos
from vadsdk.data.problems import OUTSIDE_TOLERANCE, Problem


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class CocoBoxes:
    """The boxes of one file."""

    boxes: Mapping[int, Sequence[CocoBox]]
    """By the video's id."""
    problems: tuple[Problem, ...]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Shape:
    """What an annotation says of one frame."""

    field: str
    """Of the box or, where there is none, of the segmentation."""
    frame: int
    box_xywh: Sequence[float] | None
    segmentation: Polygons | RleEntry | None


def read_boxes(file: Path, document: CocoFile, videos: CocoVideos) -> CocoBoxes:
    """Read the boxes of a file's annotations; crowds, which are no actors, are left out."""
    reader = _Reader(str(file), document, videos)
    boxes: dict[int, list[CocoBox]] = defaultdict(list)
    num_crowds = 0
    for index, entry in enumerate(document.annotations or ()):
        if entry.iscrowd:
            num_crowds += 1
            continue
        for video_id, box in reader.boxes(f"annotations[{index}]", entry):
            boxes[video_id].append(box)
    if num_crowds:
        message = f"{num_crowds} annotations with `iscrowd` are left out; box each actor of them"
        reader.problems.append(Problem(str(file), "annotations", message, fatal=False))
    return CocoBoxes(boxes=boxes, problems=tuple(reader.problems))


class _Reader:
    """Collects what is wrong while it reads."""

    def __init__(self, file: str, document: CocoFile, videos: CocoVideos) -> None:
        self.problems: list[Problem] = []
        self._file = file
        self._videos = videos
        self._video_ids = {video.id for video in document.videos}
        self._image_ids = {image.id for image in document.images}
        self._labels = {category.id: category.name for category in document.categories}
        self._taken: set[tuple[int, int, str, int]] = set()
        for kind, entries in (("id", document.categories), ("name", document.categories)):
            counts = Counter(getattr(entry, kind) for entry in entries)
            for index, entry in enumerate(entries):
                if counts[getattr(entry, kind)] > 1:
                    message = f"{getattr(entry, kind)!r:.80} comes twice; keep one category of it"
                    self._report(f"categories[{index}].{kind}", message)

    def boxes(self, field: str, entry: AnnotationEntry) -> Iterator[tuple[int, CocoBox]]:
        """Yield the boxes of an annotation, each with the id of its video."""
        label = self._labels.get(entry.category_id)
        if label is None:
            message = f"there is no category {entry.category_id}; add it to `categories`"
            self._report(f"{field}.category_id", message)
            return
        is_list = entry.bboxes is not None or entry.segmentations is not None
        track = entry.track_id if entry.track_id is not None else entry.instance_id
        if is_list:
            track = entry.id if track is None else track
            video_id, shapes = self._listed(field, entry)
        else:
            video_id, shapes = self._single(field, entry)
        video = self._videos.videos.get(video_id) if video_id is not None else None
        if video_id is None or video is None:
            return
        if not video.labelled:
            message = "its video has `labelled` false; set it true, or drop the annotation"
            self._report(field, message)
            return
        for shape in shapes:
            xyxy = self._xyxy(shape, video)
            key = (video_id, 0 if track is None else track, label, shape.frame)
            if track is not None and key in self._taken:
                message = f"the track {track} has two boxes in frame {shape.frame}; keep one"
                self._report(shape.field, message)
            elif xyxy is not None:
                self._taken.add(key)
                yield (
                    video_id,
                    CocoBox(
                        field=shape.field,
                        frame=shape.frame,
                        xyxy=xyxy,
                        label=label,
                        track=track,
                        score=entry.score,
                        segmentation=shape.segmentation,
                    ),
                )

    def _single(self, field: str, entry: AnnotationEntry) -> tuple[int | None, list[_Shape]]:
        """Return the video of an annotation of one image, None if it is not there, and its box."""
        if entry.image_id is None:
            message = "it is missing; give it with `bbox`, or `video_id` with `bboxes`"
            self._report(f"{field}.image_id", message)
            return None, []
        if entry.image_id not in self._image_ids:
            self._report(f"{field}.image_id", f"there is no image {entry.image_id}; add it")
            return None, []
        if entry.bbox is None and not entry.segmentation:
            self._report(f"{field}.bbox", "it is missing; give x, y, width and height")
            return None, []
        video_id, frame = self._videos.frame_of.get(entry.image_id, (None, 0))
        place = f"{field}.bbox" if entry.bbox is not None else f"{field}.segmentation"
        return video_id, [
            _Shape(
                field=place,
                frame=frame,
                box_xywh=entry.bbox,
                segmentation=entry.segmentation or None,
            )
        ]

    def _listed(self, field: str, entry: AnnotationEntry) -> tuple[int | None, list[_Shape]]:
        """Return the video of an annotation of all its frames, None if not there, and its boxes."""
        if entry.video_id is None or entry.video_id not in self._video_ids:
            self._report(f"{field}.video_id", f"there is no video {entry.video_id}; add it")
            return None, []
        video = self._videos.videos.get(entry.video_id)
        if video is None:
            return None, []
        shapes = []
        for kind, values in (("bboxes", entry.bboxes), ("segmentations", entry.segmentations)):
            if values is not None and len(values) != len(video.list_frames):
                message = (
                    f"{len(values)} entries for a video of {len(video.list_frames)} frames; "
                    "give one a frame, null where the actor is not seen"
                )
                self._report(f"{field}.{kind}", message)
                return None, []
        for index, frame in enumerate(video.list_frames):
            box = entry.bboxes[index] if entry.bboxes is not None else None
            segmentation = entry.segmentations[index] if entry.segmentations is not None else None
            place = f"{field}.{'segmentations' if box is None else 'bboxes'}[{index}]"
            if box is not None or segmentation:
                shapes.append(
                    _Shape(
                        field=place, frame=frame, box_xywh=box, segmentation=segmentation or None
                    )
                )
        return entry.video_id, shapes

    def _xyxy(self, shape: _Shape, video: CocoVideo) -> tuple[float, float, float, float] | None:
        """Return the box of a shape, None if something is wrong with it."""
        size = (video.height, video.width)
        try:
            if shape.segmentation is not None:
                check_segmentation(shape.segmentation, size)
            if shape.box_xywh is None:
                assert shape.segmentation is not None  # one of the two is there
                return _tight_box(shape.segmentation, size)
        except ValueError as error:
            place = mask_field(shape.field)
            self._report(place, f"{error}; write the mask again")
            return None
        x, y, width, height = shape.box_xywh
        x2, y2, slack = x + width, y + height, OUTSIDE_TOLERANCE
        shown = f"[{x:g}, {y:g}, {width:g}, {height:g}]"
        if np.float32(x2) <= np.float32(x) or np.float32(y2) <= np.float32(y):  # as tubes keep it
            self._report(shape.field, f"{shown} is empty; a bbox is x, y, width and height")
            return None
        if min(x, y) < -slack or x2 > video.width + slack or y2 > video.height + slack:
            message = f"{shown} lies outside the {video.width} x {video.height} frame; clip it"
            self._report(shape.field, message)
            return None
        return x, y, x2, y2

    def _report(self, field: str, message: str) -> None:
        self.problems.append(Problem(self._file, field, message))


def _tight_box(
    segmentation: Polygons | RleEntry, size: tuple[int, int]
) -> tuple[float, float, float, float]:
    mask = decode_segmentation(segmentation, size)
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        raise ValueError("the mask is empty, so it has no box")
    return float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1)
