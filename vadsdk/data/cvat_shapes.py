"""The shapes of CVAT's tracks: boxes, polygons and masks.

Coordinates are pixels of the source frame; pixel (column c, row r) covers [c, c + 1) x [r, r + 1).

Legend: P points of a polygon, H and W of the frame, h and w of a mask.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vadsdk.data.xml_elements import XmlElement, parse_count, parse_float, shown

Corners = tuple[float, float, float, float]
"""x1, y1, x2, y2; max edge exclusive."""
MAX_COORDINATE = 1e6
"""No frame is so large; beyond it arithmetic loses the pixel."""
_EDGES_AT_ONCE = 4096


class ShapeError(Exception):
    """A shape that cannot be understood; the text says what came and what to do."""


@dataclass(frozen=True, slots=True)
class Box:
    """An upright rectangle."""

    corners: Corners
    is_rotated: bool = False
    """True: it stands for a turned rectangle, and may reach over the frame where that does not."""

    def tight_box(self) -> Corners:
        """Return the smallest upright rectangle around it."""
        return self.corners

    def towards(self, other: Shape, fraction: float) -> Box:
        """Return what lies between this and a later shape; this one if the other is no box."""
        if not isinstance(other, Box):
            return self
        x1, y1, x2, y2 = (
            a + (b - a) * fraction for a, b in zip(self.corners, other.corners, strict=True)
        )
        return Box((x1, y1, x2, y2), self.is_rotated or other.is_rotated)


@dataclass(frozen=True, slots=True, eq=False)
class Polygon:
    """A closed line; inside is what an odd number of its turns encloses."""

    points: NDArray[np.float64]
    """(P, 2) x and y."""

    def tight_box(self) -> Corners:
        """Return the smallest upright rectangle around it."""
        (x1, y1), (x2, y2) = self.points.min(axis=0), self.points.max(axis=0)
        return float(x1), float(y1), float(x2), float(y2)

    def towards(self, other: Shape, fraction: float) -> Polygon:
        """Return what lies between this and a later polygon of as many points, else this one."""
        if not isinstance(other, Polygon) or other.points.shape != self.points.shape:
            return self
        return Polygon(self.points + (other.points - self.points) * fraction)

    def draw(self, mask: NDArray[np.bool_]) -> None:
        """Set the pixels of an (H, W) mask whose centres lie inside."""
        height, width = mask.shape
        starts, ends = self.points, np.roll(self.points, -1, axis=0)
        toggles = np.zeros(height * (width + 1), np.bool_)
        for first in range(0, len(starts), _EDGES_AT_ONCE):
            block = slice(first, first + _EDGES_AT_ONCE)
            crossed = _crossings(starts[block], ends[block], height, width)
            toggles ^= np.bincount(crossed, minlength=len(toggles)) % 2 == 1
        inside = np.logical_xor.accumulate(toggles.reshape(height, width + 1), axis=1)
        mask |= inside[:, :width]


def _crossings(
    starts: NDArray[np.float64], ends: NDArray[np.float64], height: int, width: int
) -> NDArray[np.int64]:
    """Return where lines through the rows' centres enter or leave: row * (W + 1) + column."""
    goes_down = (starts[:, 1] <= ends[:, 1])[:, np.newaxis]
    # From the upper point, so that a line drawn there and back is rounded alike and cancels.
    upper, lower = np.where(goes_down, starts, ends), np.where(goes_down, ends, starts)
    first_rows = np.clip(np.ceil(upper[:, 1] - 0.5), 0, height).astype(np.int64)
    num_rows = np.clip(np.ceil(lower[:, 1] - 0.5), 0, height).astype(np.int64) - first_rows
    edges = np.repeat(np.arange(len(starts)), num_rows)
    offsets = np.arange(len(edges)) - np.repeat(np.cumsum(num_rows) - num_rows, num_rows)
    rows = first_rows[edges] + offsets
    slopes = (lower[edges, 0] - upper[edges, 0]) / (lower[edges, 1] - upper[edges, 1])
    x = upper[edges, 0] + (rows + 0.5 - upper[edges, 1]) * slopes
    columns = np.clip(np.ceil(x - 0.5), 0, width).astype(np.int64)
    return np.asarray(rows * (width + 1) + columns, np.int64)


@dataclass(frozen=True, slots=True, eq=False)
class RunMask:
    """Pixels in a window of the frame, as runs along its rows: off, on, off, ..."""

    left: int
    """First column of the window."""
    top: int
    """First row of the window."""
    width: int
    """w, of the window."""
    height: int
    """h, of the window."""
    runs: NDArray[np.int64]
    """Lengths of the runs; together h * w."""

    def tight_box(self) -> Corners:
        """Return the smallest upright rectangle around it."""
        ends = np.cumsum(self.runs)[1::2]
        starts, ends = ends - self.runs[1::2], ends - 1
        is_on = ends >= starts
        if not is_on.any():
            return (float(self.left), float(self.top), float(self.left), float(self.top))  # empty
        starts, ends = starts[is_on], ends[is_on]
        # A run that goes on in the next row sets the last column of one and the first of the other.
        wraps = bool((starts // self.width != ends // self.width).any())
        x1 = 0 if wraps else int((starts % self.width).min())
        x2 = self.width if wraps else int((ends % self.width).max()) + 1
        y1, y2 = int(starts[0] // self.width), int(ends[-1] // self.width) + 1
        left, top = float(self.left), float(self.top)
        return (left + x1, top + y1, left + x2, top + y2)

    def towards(self, other: Shape, fraction: float) -> RunMask:
        """Return this mask: one holds until the next, as nothing lies between two."""
        return self

    def draw(self, mask: NDArray[np.bool_]) -> None:
        """Set its pixels in an (H, W) mask that the window fits into."""
        is_on = np.arange(len(self.runs)) % 2 == 1
        window = np.repeat(is_on, self.runs).reshape(self.height, self.width)
        mask[self.top : self.top + self.height, self.left : self.left + self.width] |= window


Shape = Box | Polygon | RunMask
"""What a track has in a frame."""
SHAPE_TAGS = ("box", "polygon", "mask")
"""Elements that are read as shapes."""


def parse_shape(element: XmlElement) -> Shape:
    """Return the shape of a <box>, <polygon> or <mask>.

    Raises:
        ShapeError: a coordinate or run is missing or malformed.
    """
    if element.tag == "box":
        return _parse_box(element)
    return _parse_polygon(element) if element.tag == "polygon" else _parse_mask(element)


def _parse_box(element: XmlElement) -> Box:
    x1, y1, x2, y2 = (
        _coordinate(element.attributes.get(name), name) for name in ("xtl", "ytl", "xbr", "ybr")
    )
    degrees = parse_float(element.attributes.get("rotation", "0"))
    if degrees is None:
        came = shown(element.attributes.get("rotation"))
        raise ShapeError(f"rotation is {came}, expected degrees; correct it or export again")
    if not degrees:
        return Box((x1, y1, x2, y2))
    cosine, sine = abs(math.cos(math.radians(degrees))), abs(math.sin(math.radians(degrees)))
    centre_x, centre_y = (x1 + x2) / 2, (y1 + y2) / 2
    half_width = ((x2 - x1) * cosine + (y2 - y1) * sine) / 2
    half_height = ((x2 - x1) * sine + (y2 - y1) * cosine) / 2
    upper, lower = centre_y - half_height, centre_y + half_height
    return Box((centre_x - half_width, upper, centre_x + half_width, lower), is_rotated=True)


def _parse_polygon(element: XmlElement) -> Polygon:
    text = element.attributes.get("points")
    pairs = [point.split(",") for point in (text or "").split(";") if point.strip()]
    if len(pairs) < 3 or any(len(pair) != 2 for pair in pairs):
        raise ShapeError(
            f"points is {shown(text)}, expected three or more 'x,y' with ';' between; "
            "correct it or export again"
        )
    values = [_coordinate(value.strip(), "points") for pair in pairs for value in pair]
    return Polygon(np.array(values, np.float64).reshape(-1, 2))


def _parse_mask(element: XmlElement) -> RunMask:
    left, top, width, height = (
        _whole(element.attributes.get(name), name) for name in ("left", "top", "width", "height")
    )
    text = element.attributes.get("rle", "")
    runs = np.array([_whole(run.strip(), "rle") for run in text.split(",")], np.int64)
    if runs.sum() != width * height:
        raise ShapeError(
            f"the runs of rle add up to {runs.sum()} pixels, not to width x height = "
            f"{width} x {height}; export the file again"
        )
    return RunMask(left=left, top=top, width=width, height=height, runs=runs)


def _coordinate(text: str | None, name: str) -> float:
    value = parse_float(text)
    if value is None or abs(value) > MAX_COORDINATE:
        raise ShapeError(
            f"{name} is {shown(text)}, expected a number of pixels; correct it or export again"
        )
    return value


def _whole(text: str | None, name: str) -> int:
    value = parse_count(text)
    if value is None:
        raise ShapeError(
            f"{name} is {shown(text)}, expected a whole number of pixels; "
            "correct it or export again"
        )
    return value
