"""Write videos with tubes, annotated or predicted, as one COCO file (see `coco_schema.py`)."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from vadsdk.data.atomic import write_text
from vadsdk.data.coco_footage import picture_names
from vadsdk.data.records import VideoRecord
from vadsdk.data.rle import EncodedMasks
from vadsdk.errors import DatasetError
from vadsdk.structures import Tube

TubeMasks = Callable[[VideoRecord, Tube], EncodedMasks | None]
"""Returns the masks of a tube, None where it has none."""
JsonEntry = dict[str, object]


def write_coco(
    path: Path,
    videos: Sequence[VideoRecord],
    labels: Sequence[str],
    *,
    root: Path | None = None,
    tube_masks: TubeMasks | None = None,
) -> None:
    """Write a COCO file that `CocoDataset` reads, completely or not at all.

    Each annotated frame is an image and each box an annotation, with the tube's id as `track_id`
    (unique in its video) and its `score`. A video file's images are named as if it were a folder of
    pictures. Runners-up (`class_scores`) are left out, as COCO has no place for them.

    Args:
        path: of the JSON file.
        videos: with annotated tubes, or records whose tubes are predictions.
        labels: names of the classes, in their order; they are categories from 1 on.
        root: folder below which the videos lie, and to which their names are relative; None: that
            of `path`, or the one above if that is `annotations`. A video that lies elsewhere keeps
            the name of its record.
        tube_masks: gives the masks; a frame whose mask is empty has a box alone.

    Raises:
        DatasetError: names or ids are not unique, a label is not among `labels`, masks do not fit,
            or the file cannot be written.
    """
    _check(videos, labels)
    content: dict[str, list[JsonEntry]] = {
        "videos": [],
        "images": [],
        "annotations": [],
        "categories": [{"id": index, "name": label} for index, label in enumerate(labels, start=1)],
    }
    for video_id, video in enumerate(videos, start=1):
        name = _relative_name(video, root or _root_of(path))
        content["videos"].append(_video_entry(video_id, name, video))
        pictures, image_ids = _picture_names(video), {}
        for frame in _frames(video):
            image_ids[frame] = image_id = len(content["images"]) + 1
            picture = pictures[frame] if pictures is not None else f"{frame:06d}.jpg"
            content["images"].append(
                _image_entry(image_id, video_id, video, frame, f"{name}/{picture}")
            )
        for tube in video.tubes:
            for frame, entry in _boxes(video, tube, tube_masks):
                entry |= {
                    "id": len(content["annotations"]) + 1,
                    "image_id": image_ids[frame],
                    "video_id": video_id,
                    "category_id": labels.index(tube.label) + 1,
                }
                content["annotations"].append(entry)
    write_text(path, json.dumps(content, allow_nan=False))


def _check(videos: Sequence[VideoRecord], labels: Sequence[str]) -> None:
    """Refuse what the file could not tell apart, or what a reader would not take."""
    for what, names in (("label", labels), ("video", [video.name for video in videos])):
        for name, count in Counter(names).items():
            if count > 1:
                raise DatasetError(f"the {what} {name!r} comes {count} times; rename one")
    if not videos or not labels:
        raise DatasetError("a COCO file has one video and one label at least; give them")
    for video in videos:
        ids = Counter(tube.id for tube in video.tubes)
        for tube in video.tubes:
            place = f"{video.name}, tube {tube.id}"
            if ids[tube.id] > 1 or tube.id < 0:
                raise DatasetError(f"{place}: ids are from 0 on, each once in a video; number them")
            if tube.label not in labels:
                raise DatasetError(
                    f"{place}: the label {tube.label!r} is not one of: {', '.join(labels)}"
                )
            if not 0 <= tube.score <= 1:
                raise DatasetError(f"{place}: the score {tube.score} is not in [0, 1]; scale it")
            if tube.end_frame > video.num_frames:
                raise DatasetError(
                    f"{place}: it ends at frame {tube.end_frame - 1}, the video at "
                    f"{video.num_frames - 1}; cut the tube"
                )


def _root_of(path: Path) -> Path:
    """Return the folder whose data set a file describes: it may lie in `annotations` below it."""
    return path.parent.parent if path.parent.name == "annotations" else path.parent


def _relative_name(video: VideoRecord, root: Path) -> str:
    path, folder = video.path.resolve(), root.resolve()
    return path.relative_to(folder).as_posix() if path.is_relative_to(folder) else video.name


def _frames(video: VideoRecord) -> Sequence[int]:
    if not _is_labelled(video):
        return ()
    return range(video.num_frames) if video.annotated_frames is None else video.annotated_frames


def _is_labelled(video: VideoRecord) -> bool:
    return video.labelled and video.annotated_frames != ()


def _video_entry(video_id: int, name: str, video: VideoRecord) -> JsonEntry:
    return {
        "id": video_id,
        "name": video.name,
        "file_name": name,
        "split": video.split,
        "width": video.width,
        "height": video.height,
        "num_frames": video.num_frames,
        "fps": video.fps,
        "labelled": _is_labelled(video),
    }


def _picture_names(video: VideoRecord) -> Sequence[str] | None:
    return picture_names(video.path) if video.path.is_dir() else None


def _image_entry(
    image_id: int, video_id: int, video: VideoRecord, frame: int, file_name: str
) -> JsonEntry:
    return {
        "id": image_id,
        "video_id": video_id,
        "frame_id": frame,
        "file_name": file_name,
        "width": video.width,
        "height": video.height,
    }


def _boxes(
    video: VideoRecord, tube: Tube, tube_masks: TubeMasks | None
) -> Iterator[tuple[int, JsonEntry]]:
    """Yield the frame and what is to be said of each box of a tube."""
    masks = tube_masks(video, tube) if tube_masks else None
    size = (video.height, video.width)
    if masks is not None and (len(masks), *masks.size) != (len(tube), *size):
        raise DatasetError(
            f"{video.name}, tube {tube.id}: its masks are {(len(masks), *masks.size)}, expected "
            f"{(len(tube), *size)}"
        )
    boxes = tube.boxes_xyxy.astype(np.float64)
    for place, (frame, (x1, y1, x2, y2)) in enumerate(
        zip(tube.frame_indices.tolist(), boxes.tolist(), strict=True)
    ):
        entry: JsonEntry = {
            "track_id": tube.id,
            "score": float(tube.score),
            "bbox": [x1, y1, x2 - x1, y2 - y1],
            "area": (x2 - x1) * (y2 - y1),
            "iscrowd": 0,
        }
        area = int(masks.mask(place).sum()) if masks is not None else 0
        if masks is not None and area:
            entry["area"] = area
            entry["segmentation"] = {"size": list(size), "counts": masks.counts[place]}
        yield frame, entry
