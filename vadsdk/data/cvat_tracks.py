"""Tracks of a CVAT file, as they are written and as they are meant, frame by frame.

    written   K     K       O   K O        K: a shape, O: the same with outside="1"
    meant     xxxxxxxxxxxxxx    xx         between two shapes they are interpolated linearly

Exports hold a shape for every frame. Where a file holds fewer, boxes are interpolated, and polygons
of equally many points; other shapes hold until the next. After its last shape a track has ended.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise

from vadsdk.data.cvat_shapes import SHAPE_TAGS, Polygon, RunMask, Shape, ShapeError, parse_shape
from vadsdk.data.problems import Problem, VideoExtent
from vadsdk.data.xml_elements import XmlElement, parse_count, shown

MAX_INTERPOLATED = 5_000_000
"""Boxes and points of polygons that a track may have beyond those in the file: three lines of XML
must not fill the memory."""
_OUTSIDE = {"0": False, "1": True, "False": False, "True": True}


@dataclass(frozen=True, slots=True, eq=False)
class TrackShape:
    """One shape in the file."""

    frame: int
    """Of the video."""
    outside: bool
    """True: from this frame on there is nothing, until the next shape."""
    shape: Shape
    """Where the actor is."""
    attributes: Mapping[str, str]
    """In force at this frame: its own, and those of earlier shapes that it does not repeat."""
    line: int
    """Of the file."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class CvatTrack:
    """One `<track>`."""

    id: int
    """Of the track."""
    label: str
    """Of the track."""
    task_id: str | None
    """The task it belongs to; None in files of one task."""
    place: str
    """For messages: line and id."""
    shapes: tuple[TrackShape, ...]
    """In the order of the file."""


def parse_track(element: XmlElement, file: str) -> tuple[CvatTrack | None, list[Problem]]:
    """Read a `<track>`; return it, or None if it has no id or label, and what is wrong with it."""
    track_id = parse_count(element.attributes.get("id"))
    place = f"line {element.line}, track {element.attributes.get('id', '?')}"
    if track_id is None:
        came = shown(element.attributes.get("id"))
        message = f"id is {came}, expected a whole number; correct it or export again"
        return None, [Problem(file, place, message)]
    label = element.attributes.get("label", "")
    if not label:
        message = "has no label; give it one of the task's labels"
        return None, [Problem(file, place, message)]
    shapes, problems = _parse_shapes(element, file, track_id)
    problems += _kind_problems(element, file, place)
    track = CvatTrack(
        id=track_id,
        label=label,
        task_id=element.attributes.get("task_id"),
        place=place,
        shapes=shapes,
    )
    return track, problems


def _parse_shapes(
    track: XmlElement, file: str, track_id: int
) -> tuple[tuple[TrackShape, ...], list[Problem]]:
    shapes: list[TrackShape] = []
    problems: list[Problem] = []
    attributes = _attributes(track)
    for element in track.children:
        if element.tag not in SHAPE_TAGS:
            continue
        attributes = {**attributes, **_attributes(element)}
        frame_text = element.attributes.get("frame")
        place = f"line {element.line}, track {track_id}, frame {frame_text or '?'}"
        try:
            shapes.append(_parse_track_shape(element, attributes))
        except ShapeError as error:
            problems.append(Problem(file, place, str(error)))
    for earlier, later in pairwise(shapes):
        if later.frame <= earlier.frame:
            place = f"line {later.line}, track {track_id}, frame {later.frame}"
            message = f"comes after frame {earlier.frame}; a track has each frame once, in order"
            problems.append(Problem(file, place, message))
    return tuple(shapes), problems


def _parse_track_shape(element: XmlElement, attributes: Mapping[str, str]) -> TrackShape:
    frame = parse_count(element.attributes.get("frame"))
    if frame is None:
        came = shown(element.attributes.get("frame"))
        raise ShapeError(f"frame is {came}, expected a whole number; correct it or export again")
    outside = element.attributes.get("outside", "0")
    if outside not in _OUTSIDE:
        raise ShapeError(f"outside is {shown(outside)}, expected 0 or 1; correct it")
    return TrackShape(frame, _OUTSIDE[outside], parse_shape(element), attributes, element.line)


def _attributes(element: XmlElement) -> dict[str, str]:
    return {
        child.attributes.get("name", ""): child.text
        for child in element.children_named("attribute")
    }


def _kind_problems(track: XmlElement, file: str, place: str) -> list[Problem]:
    """A track is made of one kind of shape that has an area."""
    tags = sorted({child.tag for child in track.children} - {"attribute"})
    unknown = [tag for tag in tags if tag not in SHAPE_TAGS]
    if unknown:
        message = (
            f"is made of <{unknown[0]}>, expected boxes, polygons or masks; "
            "delete this track, or draw the actor with one of these"
        )
        return [Problem(file, place, message)]
    if len(tags) > 1:
        message = f"mixes {' and '.join(f'<{tag}>' for tag in tags)}; draw it with one of them"
        return [Problem(file, place, message)]
    return []


def extent_problems(
    track: CvatTrack, file: str, extent: VideoExtent, covered: range
) -> list[Problem]:
    """Return what keeps a track from being laid out frame by frame.

    Args:
        track: of a task.
        file: holds the track.
        extent: of the task's video.
        covered: frames of the task.
    """
    problems = []
    for entry in track.shapes:
        place = f"line {entry.line}, track {track.id}, frame {entry.frame}"
        if entry.frame not in covered and not entry.outside:
            message = (
                f"is outside the task, which has the frames {covered.start} to {covered.stop - 1}; "
                "correct it or export again"
            )
            problems.append(Problem(file, place, message))
        shape = entry.shape
        if isinstance(shape, RunMask) and (
            shape.left + shape.width > extent.width or shape.top + shape.height > extent.height
        ):
            message = (
                f"the mask reaches to ({shape.left + shape.width}, {shape.top + shape.height}), "
                f"outside of the {extent.width} x {extent.height} frame; export the file again"
            )
            problems.append(Problem(file, place, message))
    if not problems and _num_interpolated(track) > MAX_INTERPOLATED:
        message = (
            f"{_num_interpolated(track)} values lie between its shapes, of {MAX_INTERPOLATED} that "
            "are interpolated at most; export it with a shape in every frame"
        )
        problems.append(Problem(file, track.place, message))
    return problems


def _num_interpolated(track: CvatTrack) -> int:
    return sum(
        (later.frame - earlier.frame - 1)
        * (len(earlier.shape.points) if isinstance(earlier.shape, Polygon) else 1)
        for earlier, later in pairwise(track.shapes)
        if not earlier.outside
    )


def visible_shapes(
    track: CvatTrack, covered: range
) -> Iterator[tuple[int, Shape, Mapping[str, str]]]:
    """Yield frame, shape and attributes for every covered frame in which a track is to be seen."""
    for earlier, later in zip(track.shapes, (*track.shapes[1:], None), strict=True):
        if earlier.outside:
            continue
        yield earlier.frame, earlier.shape, earlier.attributes
        if later is None:
            return
        span = later.frame - earlier.frame
        for step in range(1, min(later.frame, covered.stop) - earlier.frame):
            shape = earlier.shape
            if not later.outside:
                shape = shape.towards(later.shape, step / span)
            yield earlier.frame + step, shape, earlier.attributes
