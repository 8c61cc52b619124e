"""Write tubes as CVAT for video 1.1, to be corrected by people: one XML file a video.

In CVAT, make a task of the video with the same labels and upload the file as annotation. Every
frame of a tube is a keyframe; the frame after its end repeats the last shape as outside.

    tube      . . x x x . .
    written   . . K K K O .
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from xml.sax.saxutils import escape, quoteattr

import numpy as np
from numpy.typing import NDArray

from vadsdk.data.atomic import complete_or_absent
from vadsdk.data.cvat_outlines import mask_polygon
from vadsdk.data.problems import VideoExtent, label_problems, tube_problems
from vadsdk.data.records import VideoRecord
from vadsdk.data.rle import EncodedMasks
from vadsdk.errors import DatasetError
from vadsdk.structures import Tube
from vadsdk.video.folders import VIDEO_SUFFIXES

SCORE_ATTRIBUTE = "score"
"""Holds a predicted tube's score, so that CVAT can filter by it."""
_NOT_IN_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class CvatVideoTubes:
    """What is written of one video."""

    record: VideoRecord
    """The video: its name, split, frames and size."""
    tubes: tuple[Tube, ...]
    """Annotated or predicted; their boxes are written if they have no masks."""
    masks: Mapping[int, EncodedMasks] = field(default_factory=dict)
    """Of each tube that has masks, by its id. They are written as polygons, exactly, because CVAT
    keeps the first frame alone of a track of <mask>; a frame whose mask is empty has no shape."""


def write_cvat(folder: Path, videos: Sequence[CvatVideoTubes], labels: Sequence[str]) -> list[Path]:
    """Write one XML file a video and return their paths.

    The file of the video `a/b.mp4` is `a/b.xml` in the folder. Each appears completely or not at
    all.

    Args:
        folder: is made if it is missing; files of the same names are replaced.
        videos: with their tubes.
        labels: names of the classes, in their order.

    Raises:
        DatasetError: a tube does not fit its video or the labels, two videos would be one file, or
            a file cannot be written. Everything is checked before the first file is written.
    """
    paths = xml_paths(folder, [video.record.name for video in videos])
    for path, video in zip(paths, videos, strict=True):
        _check(str(path), video, labels)
    for path, video in zip(paths, videos, strict=True):
        with complete_or_absent(path) as temporary, temporary.open("w", encoding="utf-8") as file:
            file.writelines(f"{line}\n" for line in _lines(video, labels))
    return paths


def xml_paths(folder: Path, video_names: Sequence[str]) -> list[Path]:
    """Return the path of each video's XML file.

    Raises:
        DatasetError: a name cannot be that of such a file, or two videos would be one file.
    """
    paths = [folder / _file_name(name) for name in video_names]
    for path, count in Counter(paths).items():
        if count > 1:
            raise DatasetError(f"{path} would hold {count} videos; give them different names")
    return paths


def _file_name(video_name: str) -> PurePosixPath:
    name = PurePosixPath(video_name)
    if name.is_absolute() or ".." in name.parts or not name.name:
        raise DatasetError(
            f"the video name {video_name!r} leads out of the folder; "
            "give the video a name relative to its data set"
        )
    if _NOT_IN_XML.search(video_name):
        raise DatasetError(f"the video name {video_name!r} cannot stand in XML; rename the file")
    return (
        name.with_suffix(".xml")
        if name.suffix.lower() in VIDEO_SUFFIXES
        else name.with_name(f"{name.name}.xml")
    )


def _check(file: str, video: CvatVideoTubes, labels: Sequence[str]) -> None:
    """Raise a DatasetError for the first thing that CVAT would not take."""
    record = video.record
    for text in (record.name, record.path.name, record.split, *labels):
        if _NOT_IN_XML.search(text) or not text:
            raise DatasetError(f"{file}: the name {text!r} cannot stand in XML; rename it")
    covered = _covered(record)
    if record.annotated_frames not in (None, tuple(covered)):
        raise DatasetError(
            f"{file}: {record.name} has gaps between its annotated frames, which a CVAT task "
            "cannot have; write it as coco"
        )
    extent = VideoExtent(num_frames=record.num_frames, width=record.width, height=record.height)
    ids = Counter(tube.id for tube in video.tubes)
    for index, tube in enumerate(video.tubes):
        place = f"tubes[{index}]"
        if ids[tube.id] > 1 or tube.id < 0:
            raise DatasetError(f"{file}: {place}: the id {tube.id} is no number of its own")
        boxes = tube.boxes_xyxy.astype(np.float64)
        problems = label_problems(file, f"{place}.label", tube.label, labels)
        problems += tube_problems(file, place, tube.frame_indices, boxes, extent)
        if problems:
            raise DatasetError(str(problems[0]))
    _check_masks(file, video)


def _check_masks(file: str, video: CvatVideoTubes) -> None:
    tube_of = {tube.id: tube for tube in video.tubes}
    for tube_id, masks in video.masks.items():
        if tube_id not in tube_of:
            raise DatasetError(f"{file}: there are masks for {tube_id}, which is no tube's id")
        expected = (len(tube_of[tube_id]), video.record.height, video.record.width)
        if (len(masks), *masks.size) != expected:
            raise DatasetError(
                f"{file}: the masks of tube {tube_id} are {(len(masks), *masks.size)}, "
                f"expected {expected}"
            )
        if masks.are_empty:
            raise DatasetError(
                f"{file}: the masks of tube {tube_id} are all empty; leave them out to write boxes"
            )


def _covered(record: VideoRecord) -> range:
    frames = record.annotated_frames
    return range(frames[0], frames[-1] + 1) if frames else range(record.num_frames)


def _lines(video: CvatVideoTubes, labels: Sequence[str]) -> Iterator[str]:
    has_scores = any(tube.score != 1 for tube in video.tubes)
    yield '<?xml version="1.0" encoding="utf-8"?>'
    yield "<annotations>"
    yield "  <version>1.1</version>"
    yield from _meta_lines(video.record, labels, has_scores)
    for tube in video.tubes:
        attribute = ""
        if has_scores:
            attribute = f'<attribute name="{SCORE_ATTRIBUTE}">{tube.score:.6g}</attribute>'
        yield f'  <track id="{tube.id}" label={quoteattr(tube.label)} source="manual">'
        yield from _shape_lines(tube, video.masks.get(tube.id), attribute, video.record.num_frames)
        yield "  </track>"
    yield "</annotations>"


def _meta_lines(record: VideoRecord, labels: Sequence[str], has_scores: bool) -> Iterator[str]:
    covered = _covered(record)
    yield "  <meta>"
    yield "    <task>"
    yield f"      <name>{_text(record.name)}</name>"
    yield f"      <size>{len(covered)}</size>"
    yield "      <mode>interpolation</mode>"
    yield "      <overlap>0</overlap>"
    yield f"      <subset>{_text(record.split)}</subset>"
    yield f"      <start_frame>{covered.start}</start_frame>"
    yield f"      <stop_frame>{covered.stop - 1}</stop_frame>"
    yield "      <labels>"
    for label in labels:
        yield f"        <label><name>{_text(label)}</name><type>any</type><attributes>"
        if has_scores:
            yield (
                f"          <attribute><name>{SCORE_ATTRIBUTE}</name><mutable>False</mutable>"
                "<input_type>text</input_type><default_value>1</default_value>"
                "<values>1</values></attribute>"
            )
        yield "        </attributes></label>"
    yield "      </labels>"
    yield f"      <original_size><width>{record.width}</width>"
    yield f"        <height>{record.height}</height></original_size>"
    yield f"      <source>{_text(record.path.name)}</source>"
    yield "    </task>"
    yield "  </meta>"


def _text(text: str) -> str:
    return escape(text, {"\r": "&#13;"})


def _shape_lines(
    tube: Tube, masks: EncodedMasks | None, attribute: str, num_frames: int
) -> Iterator[str]:
    frames = tube.frame_indices.tolist()
    shapes = (
        map(_box, tube.boxes_xyxy)
        if masks is None
        else (_polygon(masks.mask(index)) for index in range(len(masks)))
    )
    visible = [(frame, shape) for frame, shape in zip(frames, shapes, strict=True) if shape]
    followers = [frame for frame, _ in visible[1:]]
    for (frame, (tag, geometry)), following in zip(visible, [*followers, num_frames], strict=True):
        for at, outside in ((frame, 0), (frame + 1, 1)):
            if not outside or (at < num_frames and at != following):
                yield (
                    f'    <{tag} frame="{at}" keyframe="1" outside="{outside}" occluded="0" '
                    f'{geometry} z_order="0">{attribute}</{tag}>'
                )


def _box(box_xyxy: NDArray[np.float32]) -> tuple[str, str]:
    # The shortest decimal that is read as the same float32.
    sides = (np.format_float_positional(side, trim="-") for side in box_xyxy)
    names = ("xtl", "ytl", "xbr", "ybr")
    return "box", " ".join(f'{name}="{side}"' for name, side in zip(names, sides, strict=True))


def _polygon(mask: NDArray[np.bool_]) -> tuple[str, str] | None:
    points = mask_polygon(mask)
    return ("polygon", f'points="{";".join(f"{x},{y}" for x, y in points)}"') if points else None
