"""Things between the camera and the toy figures: posts, bushes, crates and sliding cupboards.

Legend: F frames, V corners of a polygon.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vadsdk.data.toy_figure import Colour
from vadsdk.data.toy_motion import Floats
from vadsdk.data.toy_scenery import HEIGHT, random_colour

Polygons = tuple[tuple[Floats, Colour], ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Prop:
    """A thing between the camera and the figures, made of convex polygons."""

    polygons: Polygons
    """(V, 2) pixels each, in the order of painting."""
    drift: Floats
    """(F,) pixels to the right."""


def make_prop(rng: np.random.Generator, num_frames: int, x: float, ground_y: float) -> Prop:
    """Draw a thing in front of the spot (`x`, `ground_y`).

    It is a post, a bush, a crate, which may drift, or a cupboard, which slides past.
    """
    passes = rng.random() < 0.2
    draw = _cupboard if passes else (_post, _bush, _crate)[rng.integers(3)]
    size = rng.uniform(0.8, 1.2)
    speed = rng.uniform(4.5, 6.5) if passes else rng.uniform(0, 2.5) * (rng.random() < 0.3)
    speed *= rng.choice([-1, 1])
    bottom = min(ground_y + rng.uniform(6, 25), HEIGHT + 30)
    return Prop(
        polygons=draw(rng, x, bottom, size),
        drift=np.asarray((np.arange(num_frames) - num_frames / 2) * speed, np.float64),
    )


def _post(rng: np.random.Generator, x: float, bottom: float, size: float) -> Polygons:
    half = 8 * size
    whole = _box(x - half, -60, x + half, bottom)
    lit = _box(x - 0.4 * half, -60, x + 0.1 * half, bottom)
    return (whole, random_colour(rng, value=(0.15, 0.65))), (lit, random_colour(rng))


def _crate(rng: np.random.Generator, x: float, bottom: float, size: float) -> Polygons:
    return _boards(rng, x, bottom, (56 * size, 55 * size))


def _cupboard(rng: np.random.Generator, x: float, bottom: float, size: float) -> Polygons:
    return _boards(rng, x, bottom, (64 * size, 165 * size))


def _boards(
    rng: np.random.Generator, x: float, bottom: float, size: tuple[float, float]
) -> Polygons:
    left, right, top = x - size[0] / 2, x + size[0] / 2, bottom - size[1]
    middle = (top + bottom) / 2
    frame, boards = random_colour(rng, value=(0.15, 0.65)), random_colour(rng)
    return (
        (_box(left, top, right, bottom), frame),
        (_box(left + 4, top + 4, right - 4, bottom - 4), boards),
        (_box(left, middle - 3, right, middle + 3), frame),
    )


def _bush(rng: np.random.Generator, x: float, bottom: float, size: float) -> Polygons:
    red, green, blue = random_colour(rng, value=(0.15, 0.65))
    polygons = []
    for _ in range(14):
        centre = np.array([x + rng.normal(0, 20 * size), bottom - rng.uniform(0, 50 * size)])
        shade = rng.uniform(0.6, 1.04)
        colour = (round(red * shade), round(green * shade), round(blue * shade))
        polygons.append((centre + rng.uniform(9, 17) * size * _CIRCLE, colour))
    return tuple(polygons)


_CIRCLE = np.stack([np.cos(np.arange(12) * np.pi / 6), np.sin(np.arange(12) * np.pi / 6)], axis=1)


def _box(x1: float, y1: float, x2: float, y2: float) -> Floats:
    return np.array([[x1, y1], [x2, y1], [x2, y2], [x1, y2]])
