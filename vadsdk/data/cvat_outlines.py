"""Masks as polygons along the edges of their pixels.

One polygon stands for a mask exactly, with its holes and all its parts: the outlines are joined by
lines that run there and back, so that they enclose nothing.

     _____        _____
    |  _  |      |  _  |
    | |_| |  ->  |_|_| |        the hole's outline hangs on a line that is drawn twice
    |_____|      |_____|
"""

from __future__ import annotations

from collections import defaultdict

import numpy as np
from numpy.typing import NDArray

Corner = tuple[int, int]
"""x and y of a pixel's corner."""


def mask_polygon(mask: NDArray[np.bool_]) -> list[Corner]:
    """Return the polygon that encloses the set pixels of an (H, W) mask by the even-odd rule.

    Its corners are those of pixels: pixel (column c, row r) covers [c, c + 1) x [r, r + 1). An
    empty mask gives none.
    """
    loops = _loops(_edges(mask))
    points = list(loops[0]) if loops else []
    for loop in loops[1:]:
        points += [loops[0][0], *loop, loop[0]]
    return points


def _edges(mask: NDArray[np.bool_]) -> dict[Corner, list[Corner]]:
    """Return the sides of pixels between set and unset ones, each with the set one to its right."""
    padded = np.pad(mask, 1)
    edges: dict[Corner, list[Corner]] = defaultdict(list)
    for y, x in np.argwhere(padded[1:, 1:-1] != padded[:-1, 1:-1]).tolist():
        start, end = ((x, y), (x + 1, y)) if padded[y + 1, x + 1] else ((x + 1, y), (x, y))
        edges[start].append(end)
    for y, x in np.argwhere(padded[1:-1, 1:] != padded[1:-1, :-1]).tolist():
        start, end = ((x, y + 1), (x, y)) if padded[y + 1, x + 1] else ((x, y), (x, y + 1))
        edges[start].append(end)
    return edges


def _loops(edges: dict[Corner, list[Corner]]) -> list[list[Corner]]:
    """Return closed lines that use each edge once; where four edges meet, any way round will do."""
    left = {start: list(ends) for start, ends in edges.items()}
    loops = []
    for first in edges:
        while left[first]:
            corner, loop = left[first].pop(), [first]
            while corner != first:
                loop.append(corner)
                corner = left[corner].pop()
            loops.append(_without_straight(loop))
    return loops


def _without_straight(loop: list[Corner]) -> list[Corner]:
    """Drop the corners at which a line goes straight on; it runs along the pixels' sides."""
    before, after = [loop[-1], *loop[:-1]], [*loop[1:], loop[0]]
    return [
        corner
        for earlier, corner, later in zip(before, loop, after, strict=True)
        if earlier[0] != later[0] and earlier[1] != later[1]
    ]
