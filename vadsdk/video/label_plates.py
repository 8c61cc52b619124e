"""Text on plates: readable over anything, inside the frame, and not over each other if possible."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from vadsdk.video.palette import Colour, text_colour

_FONT = cv2.FONT_HERSHEY_SIMPLEX
_SMALLEST_SCALE = 0.3  # below it the strokes run together
_SMALL_SHARE = 0.15  # of a box's height


@dataclass(frozen=True, kw_only=True, slots=True)
class Plate:
    """A filled rectangle with a line of text."""

    text: str
    """What fits of it."""
    scale: float
    """Of the font."""
    thickness: int
    """Of its strokes, in pixels."""
    padding: int
    """Between text and edge, in pixels."""
    width: int
    """Columns."""
    height: int
    """Rows."""
    descent: int
    """Rows of the text below its base line."""

    def draw(self, image: NDArray[np.uint8], x: int, y: int, colour: Colour) -> None:
        """Draw the plate into `image` with its top left corner at column x, row y."""
        cv2.rectangle(image, (x, y), (x + self.width - 1, y + self.height - 1), colour, cv2.FILLED)
        base_line = (x + self.padding, y + self.height - self.padding - self.descent)
        style = (text_colour(colour), self.thickness, cv2.LINE_AA)
        cv2.putText(image, self.text, base_line, _FONT, self.scale, *style)


def make_plate(text: str, *, max_width: int, text_height: float) -> Plate:
    """Return a plate of at most `max_width` columns: the text gets smaller, then shorter."""
    scale = max(_SMALLEST_SCALE, text_height / cv2.getTextSize("A", _FONT, 1.0, 1)[0][1])
    plate = _plate(text, scale)
    if plate.width > max_width:
        plate = _plate(text, max(_SMALLEST_SCALE, scale * max_width / plate.width))
    shown = text
    while plate.width > max_width and len(shown) > 1:
        shown = shown[:-1]
        plate = _plate(shown + "..", plate.scale)
    return plate


def make_fitting_plate(
    texts: Sequence[str], *, wanted_width: int, max_width: int, text_height: float
) -> Plate:
    """Return the plate of the first text that is as narrow as wanted, or of the last.

    Args:
        texts: what may be said, from all of it to the least.
        wanted_width: columns.
        max_width: columns that the last one gets smaller, then shorter for.
        text_height: of a capital letter, in pixels.
    """
    plates = (make_plate(text, max_width=max_width, text_height=text_height) for text in texts[:-1])
    narrow = (plate for plate in plates if plate.width <= wanted_width)
    return next(narrow, None) or make_plate(texts[-1], max_width=max_width, text_height=text_height)


class Layout:
    """Places plates in a frame, each clear of those before it where there is room.

    Args:
        height: of the frame.
        width: of the frame.
    """

    def __init__(self, height: int, width: int) -> None:
        self._height = height
        self._width = width
        self._taken: list[tuple[int, int, int, int]] = []

    def place(self, plate: Plate, box_xyxy: tuple[int, int, int, int]) -> tuple[int, int]:
        """Return the top left corner (x, y) for the plate of a box."""
        spots = [self._inside(plate, x, y) for x, y in _wishes(plate, box_xyxy)]
        spot = next((spot for spot in spots if not self._is_taken(plate, *spot)), spots[0])
        self._taken.append((*spot, spot[0] + plate.width, spot[1] + plate.height))
        return spot

    def _inside(self, plate: Plate, x: int, y: int) -> tuple[int, int]:
        return (
            max(0, min(x, self._width - plate.width)),
            max(0, min(y, self._height - plate.height)),
        )

    def _is_taken(self, plate: Plate, x: int, y: int) -> bool:
        return any(
            x < x2 and x1 < x + plate.width and y < y2 and y1 < y + plate.height
            for x1, y1, x2, y2 in self._taken
        )


def _wishes(plate: Plate, box_xyxy: tuple[int, int, int, int]) -> Iterator[tuple[int, int]]:
    """Yield where a plate may go, best first: above its box, below, then down along its inside.

    Without room above, a plate that is small beside its box goes inside at the top instead.
    """
    x1, y1, x2, y2 = box_xyxy
    if y1 >= plate.height:
        yield x1, y1 - plate.height
    elif _SMALL_SHARE * (y2 - y1) >= plate.height:
        yield x1, y1
    yield x1, y2
    for y in range(y1, max(y1 + 1, y2 - plate.height), plate.height):
        yield x1, y
        yield x2 - plate.width, y


def _plate(text: str, scale: float) -> Plate:
    thickness = max(1, round(1.6 * scale))
    (width, ascent), descent = cv2.getTextSize(text, _FONT, scale, thickness)
    padding = max(1, round(4 * scale))
    return Plate(
        text=text,
        scale=scale,
        thickness=thickness,
        padding=padding,
        width=width + 2 * padding,
        height=ascent + descent + 2 * padding,
        descent=descent,
    )
