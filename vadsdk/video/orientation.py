"""Turning pictures upright, as the display matrix of a file asks for (phones film lying down)."""

from __future__ import annotations

from dataclasses import dataclass

import av
import numpy as np
from av.buffer import Buffer
from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True, slots=True)
class Orientation:
    """A turn by a multiple of 90 degrees, mirrored or not: first transposed, then flipped."""

    transpose: bool = False
    """Swap rows and columns."""
    flip_rows: bool = False
    """Turn upside down."""
    flip_columns: bool = False
    """Mirror left and right."""

    def upright_size(self, height: int, width: int) -> tuple[int, int]:
        """Return the (height, width) that a stored (height, width) becomes; its own inverse."""
        return (width, height) if self.transpose else (height, width)

    def apply(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return an (H, W, 3) image upright, contiguous; the same array if nothing is to do."""
        if self.transpose:
            image = image.swapaxes(0, 1)
        if self.flip_rows:
            image = image[::-1]
        if self.flip_columns:
            image = image[:, ::-1]
        return np.ascontiguousarray(image)


def orientation_of(picture: av.VideoFrame) -> Orientation:
    """Return how to turn a decoded picture upright.

    The display matrix [a b u; c d v; x y w] sends column p, row q to column a p + c q + x and
    row b p + d q + y (FFmpeg, libavutil/display.h). Other angles count as the nearest right one.
    """
    matrix = picture.side_data.get("DISPLAYMATRIX")
    if not isinstance(matrix, Buffer):
        return Orientation()
    a, b, _, c, d = np.frombuffer(bytes(matrix), np.int32)[:5].tolist()
    if abs(b) + abs(c) > abs(a) + abs(d):
        return Orientation(transpose=True, flip_rows=b < 0, flip_columns=c < 0)
    return Orientation(flip_rows=d < 0, flip_columns=a < 0)
