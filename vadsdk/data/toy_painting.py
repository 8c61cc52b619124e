"""Painting of the toy clips: every frame, and who is seen in which of its pixels.

Figures are painted at `SUPERSAMPLING` times the size on a canvas with four channels, colour and id,
so that the masks are exact: what covers a figure has overpainted its id.

Legend: F frames, H and W of the picture, P parts of a figure, V corners.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from vadsdk.data.toy_figure import Part
from vadsdk.data.toy_motion import Floats
from vadsdk.data.toy_projection import Outlines
from vadsdk.data.toy_props import Prop
from vadsdk.data.toy_scenery import HEIGHT, MARGIN, WIDTH, Image, Scenery, Shape

SUPERSAMPLING = 2
PROP_ID = 255
FRACTION_BITS = 4
"""Of the fixed-point corners that OpenCV paints."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Figure:
    """One person ready to be painted."""

    parts: tuple[Part, ...]
    outlines: Outlines


def paint(
    scenery: Scenery,
    figures: Sequence[Figure],
    props: Sequence[Prop],
) -> tuple[Image, Image]:
    """Return the frames (F, H, W, 3) and who is seen where (F, H, W): 1 is the farthest figure."""
    num_frames = len(scenery.camera)
    images = np.empty((num_frames, HEIGHT, WIDTH, 3), np.uint8)
    ids = np.empty((num_frames, HEIGHT, WIDTH), np.uint8)
    for frame in range(num_frames):
        camera = scenery.camera[frame]
        canvas = np.zeros((HEIGHT * SUPERSAMPLING, WIDTH * SUPERSAMPLING, 4), np.uint8)
        background = _paint_background(scenery, frame)
        for position, figure in enumerate(figures):
            _paint_shadow(background, figure.outlines, camera, frame)
            _paint_figure(canvas, figure, camera, frame, position + 1)
        for prop in props:
            _paint_prop(canvas, prop, camera, frame)
        picture, ids[frame] = _compose(canvas, background)
        top, left = scenery.grain_offsets[frame]
        grain = scenery.grain[top : top + HEIGHT, left : left + WIDTH]
        lit = picture * np.float32(scenery.brightness[frame]) + grain
        images[frame] = np.clip(lit, 0, 255).astype(np.uint8)
    return images, ids


def _paint_shadow(background: Image, outline: Outlines, camera: Floats, frame: int) -> None:
    x, y = camera[:, :2] @ outline.feet[frame] + camera[:, 2]
    wide, tall = 0.5 * outline.shadow_width, 0.11 * outline.shadow_width
    left, right = round(max(x - wide, 0)), round(min(x + wide, WIDTH))
    top, bottom = round(max(y - tall, 0)), round(min(y + tall, HEIGHT))
    if left >= right or top >= bottom:
        return
    rows, columns = np.mgrid[top:bottom, left:right].astype(np.float32)
    far = ((columns - x) / wide) ** 2 + ((rows - y) / tall) ** 2
    light = 1 - 0.5 * np.clip(1 - far, 0, 1)
    patch = background[top:bottom, left:right]
    background[top:bottom, left:right] = (patch * light[..., None]).astype(np.uint8)


def _paint_figure(canvas: Image, figure: Figure, camera: Floats, frame: int, person: int) -> None:
    corners = figure.outlines.corners[:, frame] @ camera[:, :2].T + camera[:, 2]  # (3, P, V, 2)
    points = _fixed_point(corners, SUPERSAMPLING)
    for position in figure.outlines.order[frame]:
        part = figure.parts[position]
        layers = zip(points[:, position], (0.55, 1.0, 1.14), strict=True)
        for polygon, brightness in layers if part.shaded else [(points[0, position], 1.0)]:
            shade = [min(255.0, round(channel * brightness)) for channel in part.colour]
            cv2.fillConvexPoly(canvas, polygon, (*shade, person), cv2.LINE_8, FRACTION_BITS)


def _paint_prop(canvas: Image, prop: Prop, camera: Floats, frame: int) -> None:
    for polygon, colour in prop.polygons:
        moved = polygon + np.array([prop.drift[frame], 0.0])
        points = _fixed_point(moved @ camera[:, :2].T + camera[:, 2], SUPERSAMPLING)
        cv2.fillConvexPoly(canvas, points, (*colour, PROP_ID), cv2.LINE_8, FRACTION_BITS)


def _compose(canvas: Image, background: Image) -> tuple[Image, Image]:
    """Shrink the painted canvas onto the background.

    Returns:
        The picture (H, W, 3), and the id (H, W) that most of a pixel shows; 0 is the background.
    """
    ids = canvas[..., 3]
    size = (WIDTH, HEIGHT)
    small = cv2.resize(canvas, size, interpolation=cv2.INTER_AREA)
    colours = cv2.cvtColor(small, cv2.COLOR_RGBA2RGB)  # premultiplied: unpainted is black
    opaque = np.where(ids > 0, np.uint8(255), np.uint8(0))
    through = 255 - cv2.resize(opaque, size, interpolation=cv2.INTER_AREA)
    behind = cv2.multiply(background, cv2.merge([through] * 3), scale=1 / 255)

    first, second, third, fourth = (ids[row::2, column::2] for row in (0, 1) for column in (0, 1))
    outvoted = (second == third) & (third == fourth)
    owner = np.where(outvoted, second, first)
    return cv2.add(colours, behind).astype(np.uint8), owner


def _paint_background(scenery: Scenery, frame: int) -> Image:
    """Return (H, W, 3) the background of one frame under the shaken camera."""
    camera = scenery.camera[frame]
    layers = []
    for texture, pan in ((scenery.backdrop, scenery.pan), (scenery.haze, scenery.haze_pan)):
        place = camera.copy()
        place[:, 2] += camera[:, :2] @ (pan[frame] - MARGIN)
        layers.append(
            cv2.warpAffine(texture, place, (WIDTH, HEIGHT), borderMode=cv2.BORDER_REFLECT)
        )
    share = scenery.haze_share
    picture = np.asarray(cv2.addWeighted(layers[0], 1 - share, layers[1], share, 0), np.uint8)
    for shape in scenery.shapes:
        _paint_shape(picture, shape, camera, frame)
    return picture


def _paint_shape(picture: Image, shape: Shape, camera: Floats, frame: int) -> None:
    count = shape.num_corners if shape.num_corners > 2 else 4
    squeeze = 1.0 if shape.num_corners > 2 else 0.16
    angle = 2 * np.pi * (np.arange(count) + 0.5) / count
    corners = shape.size * np.stack([np.cos(angle), squeeze * np.sin(angle)], axis=1)
    sine, cosine = np.sin(shape.angle[frame]), np.cos(shape.angle[frame])
    corners = corners @ np.array([[cosine, sine], [-sine, cosine]]) + shape.path[frame]
    corners = corners @ camera[:, :2].T + camera[:, 2]
    cv2.fillConvexPoly(picture, _fixed_point(corners, 1), shape.colour, cv2.LINE_AA, FRACTION_BITS)


def _fixed_point(corners: Floats, scale: int) -> NDArray[np.int32]:
    """Return corners (..., 2) as OpenCV wants them: whole at pixel centres, in fixed point."""
    fixed: NDArray[np.int32] = np.round((corners * scale - 0.5) * 2**FRACTION_BITS).astype(np.int32)
    return fixed
