"""Toy figures seen by the camera: joints become the polygons that are painted.

Legend: F frames, J joints, P parts of a figure, C circles of a part, V corners of a polygon.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vadsdk.data.toy_figure import Part, turned
from vadsdk.data.toy_motion import Floats

PERSPECTIVE = 0.22
"""How much larger a thing gets that comes nearer by one figure height."""
NUM_CORNERS = 18


@dataclass(frozen=True, kw_only=True, slots=True)
class View:
    """Where a figure stands in the picture."""

    x: Floats
    """(F,) pixels: the spot it stands on."""
    ground_y: Floats
    """(F,) pixels."""
    height: float
    """Pixels of the standing figure."""
    yaw: Floats
    """(F,) radians, 0 faces the camera, positive faces the picture's right."""
    pitch: float
    """Radians by which the camera looks down."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Outlines:
    """A figure ready to be painted, before the camera moves."""

    corners: Floats
    """(3, F, P, V, 2) pixels: outline, fill and lit side of each part."""
    order: NDArray[np.intp]
    """(F, P) parts from the farthest to the nearest."""
    feet: Floats
    """(F, 2) pixels: where the shadow lies."""
    shadow_width: float
    """Pixels; the same whatever the figure does."""


def outlines(points: Floats, figure: tuple[Part, ...], view: View) -> Outlines:
    """Project a figure into the picture.

    Args:
        points: (F, J, 3) from `joints`.
        figure: P parts.
        view: where it stands.
    """
    x, y, z = np.moveaxis(turned(points, view.yaw), -1, 0)
    scale = view.height / (1 - PERSPECTIVE * z)
    up = y * np.cos(view.pitch) - z * np.sin(view.pitch)
    eye = 0.55
    px = view.x[:, None] + scale * x
    py = view.ground_y[:, None] - view.height * eye - scale * (up - eye)
    centres = np.stack([px, py], axis=-1)

    padded = np.array([(part.joints + part.joints[:1] * 4)[:4] for part in figure])
    sizes = np.array([(part.radii + part.radii[:1] * 4)[:4] for part in figure])
    circles = centres[:, padded]  # (F, J, 2) -> (F, P, C, 2)
    radii = sizes * scale[:, padded]
    rim = np.clip(0.13 * radii, 0.7, 1.6)
    light = np.array([-0.22, -0.26]) * radii[..., None]
    corners = np.stack(
        [_hull(circles, radii), _hull(circles, radii - rim), _hull(circles + light, 0.5 * radii)]
    )
    nearness = z[:, padded].mean(axis=2) + 1e-4 * np.arange(len(figure))
    feet = np.stack([view.x, view.ground_y], axis=1)
    return Outlines(
        corners=corners, order=nearness.argsort(axis=1), feet=feet, shadow_width=0.5 * view.height
    )


def _hull(circles: Floats, radii: Floats) -> Floats:
    """Return (F, P, V, 2) the hull of circles (F, P, C, 2): its farthest points in V directions."""
    angle = np.linspace(0, 2 * np.pi, NUM_CORNERS, endpoint=False)
    directions = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    reach = circles @ directions.T + radii[..., None]  # (F, P, C, V)
    farthest = reach.argmax(axis=2)
    centre = np.take_along_axis(circles, farthest[..., None], axis=2)  # (F, P, V, 2)
    radius = np.take_along_axis(radii, farthest, axis=2)
    return np.asarray(centre + radius[..., None] * directions)
