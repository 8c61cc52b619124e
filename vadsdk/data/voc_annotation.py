"""One Pascal VOC annotation: the objects of one picture.

    <annotation>
      <folder>video1</folder> <filename>000012.jpg</filename>
      <size> <width>640</width> <height>480</height> </size>
      <object>
        <name>pour</name> <trackid>3</trackid>
        <bndbox> <xmin>11</xmin> <ymin>21</ymin> <xmax>30</xmax> <ymax>60</ymax> </bndbox>
      </object>
    </annotation>

VOC counts pixels from 1 and includes the last: `xmin ymin xmax ymax` is our
`(xmin - 1, ymin - 1, xmax, ymax)`, so the box above spans 20 x 40 pixels.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vadsdk.data.cvat_meta import MAX_SIDE
from vadsdk.data.problems import OUTSIDE_TOLERANCE, Problem
from vadsdk.data.xml_elements import XmlElement, XmlFile, parse_count, parse_float, shown

ROOT_TAG = "annotation"
MAX_OBJECTS = 1000
"""Of a picture: more actors are a mistake, and linking compares each with each."""
TRACK_TAGS = ("trackid", "track_id")
"""Names that an object's track goes by; the first is ImageNet VID's."""


@dataclass(frozen=True, kw_only=True, slots=True)
class VocObject:
    """One actor in one picture."""

    label: str
    """Of the class."""
    track_id: int | None
    """Of the actor in its video; None if the file does not say."""
    box_xyxy: tuple[float, float, float, float]
    """Pixels, max edge exclusive."""
    line: int
    """Of the file."""


@dataclass(frozen=True, kw_only=True, slots=True)
class VocPicture:
    """One file."""

    path: Path
    """Of the XML file."""
    folder: str
    """As the file names it; may be empty."""
    filename: str
    """Of the picture, as the file names it; may be empty."""
    size: tuple[int, int]
    """Width and height."""
    objects: tuple[VocObject, ...]
    """In the order of the file."""


def read_picture(path: Path) -> tuple[VocPicture | None, list[Problem]]:
    """Read one annotation; return it, or None and what is wrong with it."""
    reader = XmlFile(path, ROOT_TAG, "a Pascal VOC annotation")
    root = XmlElement(ROOT_TAG, {}, line=1, children=list(reader.elements()))
    if reader.problems:
        return None, reader.problems
    size, problems = _parse_size(root, str(path))
    objects: list[VocObject] = []
    elements = root.children_named("object")
    if len(elements) > MAX_OBJECTS:
        message = f"has {len(elements)} objects, expected {MAX_OBJECTS} at most; export it again"
        return None, [*problems, Problem(str(path), "", message)]
    for element in elements:
        try:
            objects.append(_parse_object(element, size))
        except _ObjectError as error:
            problems.append(Problem(str(path), f"line {element.line}, <object>", str(error)))
    if size is None or problems:
        return None, problems
    picture = VocPicture(
        path=path,
        folder=root.child_text("folder"),
        filename=root.child_text("filename"),
        size=size,
        objects=tuple(objects),
    )
    return picture, []


class _ObjectError(Exception):
    """An object that cannot be understood."""


def _parse_size(root: XmlElement, file: str) -> tuple[tuple[int, int] | None, list[Problem]]:
    size = root.child("size")
    if size is None:
        message = "has no <size>; add the picture's width and height"
        return None, [Problem(file, "", message)]
    sides = [parse_count(size.child_text(tag)) for tag in ("width", "height")]
    width, height = sides
    if width and height and max(width, height) <= MAX_SIDE:
        return (width, height), []
    came = " x ".join(shown(size.child_text(tag)) for tag in ("width", "height"))
    message = f"is {came}, expected width and height from 1 to {MAX_SIDE}; correct it"
    return None, [Problem(file, f"line {size.line}, <size>", message)]


def _parse_object(element: XmlElement, size: tuple[int, int] | None) -> VocObject:
    label = element.child_text("name")
    if not label:
        raise _ObjectError("has no <name>; add the name of its class")
    track = next((child for child in element.children if child.tag in TRACK_TAGS), None)
    track_id = None if track is None else parse_count(track.text)
    if track is not None and track_id is None:
        raise _ObjectError(f"<{track.tag}> is {shown(track.text)}, expected a whole number")
    box_xyxy = _parse_box(element)
    _check_box(box_xyxy, size)
    return VocObject(label=label, track_id=track_id, box_xyxy=box_xyxy, line=element.line)


def _parse_box(element: XmlElement) -> tuple[float, float, float, float]:
    box = element.child("bndbox")
    if box is None:
        raise _ObjectError("has no <bndbox>; add xmin, ymin, xmax and ymax, or drop the object")
    values = []
    for tag in ("xmin", "ymin", "xmax", "ymax"):
        side = box.child(tag)
        value = parse_float(None if side is None else side.text)
        if value is None:
            came = shown(None if side is None else side.text)
            raise _ObjectError(f"{tag} is {came}, expected a number of pixels; correct it")
        values.append(value)
    xmin, ymin, xmax, ymax = values
    return xmin - 1, ymin - 1, xmax, ymax


def _check_box(box_xyxy: tuple[float, ...], size: tuple[int, int] | None) -> None:
    with np.errstate(over="ignore"):
        x1, y1, x2, y2 = np.array(box_xyxy, np.float32)  # as a Tube stores them
    came = ", ".join(f"{value:g}" for value in (x1 + 1, y1 + 1, x2, y2))
    if not (x2 > x1 and y2 > y1):
        raise _ObjectError(f"the box [{came}] is empty; it needs xmax >= xmin and ymax >= ymin")
    if size is None:
        return
    width, height = size
    low, high = -OUTSIDE_TOLERANCE, OUTSIDE_TOLERANCE
    if x1 < low or y1 < low or x2 > width + high or y2 > height + high:
        message = f"the box [{came}] lies outside the {width} x {height} picture; clip it"
        raise _ObjectError(message)
