"""What surrounds the toy figures: a moving background, distracting shapes, a shaking camera.

Nothing here knows the action: the scenery of a clip is drawn from its own random stream.

Legend: F frames, H and W of the picture.
"""

from __future__ import annotations

import colorsys
from dataclasses import dataclass
from typing import TypedDict

import cv2
import numpy as np
from numpy.typing import NDArray

from vadsdk.data.toy_figure import Colour
from vadsdk.data.toy_motion import Floats

WIDTH, HEIGHT = 320, 240


class Shades(TypedDict):
    """Ranges in [0, 1] from which `random_colour` chooses."""

    saturation: tuple[float, float]
    value: tuple[float, float]


MARGIN = 48
"""Pixels of background around the picture, into which the camera shakes and drifts."""

Image = NDArray[np.uint8]

DULL: Shades = {"saturation": (0.05, 0.4), "value": (0.12, 0.55)}
BRIGHT: Shades = {"saturation": (0.25, 0.9), "value": (0.65, 1.0)}
"""Surroundings are dull and clothes bright, so that few examples suffice to tell people apart."""


def smooth_path(rng: np.random.Generator, num_frames: int, reach: float) -> Floats:
    """Return (F,) a smooth random path within about ±`reach`: three slow waves."""
    time = np.arange(num_frames)
    periods, phases = rng.uniform(9, 60, 3), rng.uniform(0, 2 * np.pi, 3)
    waves = np.sin(2 * np.pi * time[:, None] / periods + phases) * np.sqrt(periods / 60)
    return np.asarray(reach * waves.mean(axis=1))


def random_colour(
    rng: np.random.Generator,
    *,
    saturation: tuple[float, float] = (0.1, 0.85),
    value: tuple[float, float] = (0.2, 0.95),
) -> Colour:
    """Return an RGB colour of any hue."""
    shade = colorsys.hsv_to_rgb(rng.random(), rng.uniform(*saturation), rng.uniform(*value))
    red, green, blue = (round(255 * channel) for channel in shade)
    return red, green, blue


def noise_texture(rng: np.random.Generator, height: int, width: int) -> Image:
    """Return (height, width, 3) smooth noise of several scales, with a gradient, in two colours."""
    field = np.zeros((height, width), np.float32)
    roughness = rng.uniform(0.35, 0.8)
    for octave in range(5):
        cells = (3 * 2**octave, 4 * 2**octave)
        grid = rng.standard_normal(cells).astype(np.float32)
        smooth = cv2.resize(grid, (width, height), interpolation=cv2.INTER_CUBIC)
        field += roughness**octave * smooth
    field = (field - field.min()) / np.ptp(field)
    if rng.random() < 0.3:
        field = 0.5 + 0.5 * np.sin(rng.uniform(4, 12) * np.pi * field)  # marbled
    angle = rng.uniform(0, 2 * np.pi)
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float32)
    slope = (np.cos(angle) * columns / width + np.sin(angle) * rows / height).astype(np.float32)
    field = np.clip(0.75 * field + 0.25 * (slope - slope.min()) / np.ptp(slope), 0, 1)[..., None]
    low = np.array(random_colour(rng, **DULL), np.float32)
    high = np.array(random_colour(rng, **DULL), np.float32)
    share = rng.uniform(0.4, 1.0) * field
    return np.asarray(low + (high - low) * share).astype(np.uint8)


@dataclass(frozen=True, kw_only=True, slots=True)
class Shape:
    """A distracting shape that moves through the background."""

    colour: Colour
    num_corners: int
    """Below 3, a stick that swings."""
    size: float
    path: Floats
    """(F, 2) pixels."""
    angle: Floats
    """(F,) radians."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Scenery:
    """Everything but the people."""

    backdrop: Image
    """(H + 2 MARGIN, W + 2 MARGIN, 3): far texture, and the floor where there is one."""
    haze: Image
    """Like `backdrop`: a texture that drifts over it."""
    haze_share: float
    """Opacity of the haze."""
    pan: Floats
    """(F, 2) pixels by which the backdrop slides."""
    haze_pan: Floats
    """(F, 2) pixels by which the haze slides."""
    shapes: tuple[Shape, ...]
    camera: Floats
    """(F, 2, 3) affine map from the still picture to the shaken one."""
    brightness: Floats
    """(F,) factor."""
    grain: NDArray[np.int16]
    """(2 H, 2 W, 3) noise of the sensor."""
    grain_offsets: NDArray[np.int64]
    """(F, 2) row and column of the piece that a frame takes of it."""


def make_scenery(rng: np.random.Generator, num_frames: int) -> Scenery:
    """Draw the surroundings of one clip."""
    tall, wide = HEIGHT + 2 * MARGIN, WIDTH + 2 * MARGIN
    backdrop = noise_texture(rng, tall, wide)
    floor = noise_texture(rng, tall, wide)
    if rng.random() < 0.6:
        horizon = MARGIN + round(rng.uniform(0.4, 0.62) * HEIGHT)
        backdrop[horizon:] = floor[horizon:]
    time = np.arange(num_frames)[:, None]
    pan_speed = rng.uniform(-0.8, 0.8, 2) * (rng.random() < 0.4)
    haze_speed = rng.uniform(-1.5, 1.5, 2)
    grain = rng.standard_normal((2 * HEIGHT, 2 * WIDTH, 3)) * rng.uniform(0, 4)
    return Scenery(
        backdrop=backdrop,
        haze=noise_texture(rng, tall, wide),
        haze_share=rng.uniform(0.1, 0.35),
        pan=(time - num_frames / 2) * pan_speed,
        haze_pan=(time - num_frames / 2) * haze_speed,
        shapes=tuple(_shape(rng, num_frames) for _ in range(rng.integers(0, 3))),
        camera=_camera(rng, num_frames),
        brightness=rng.uniform(0.8, 1.1) + smooth_path(rng, num_frames, rng.uniform(0, 0.08)),
        grain=grain.astype(np.int16),
        grain_offsets=rng.integers(0, (HEIGHT, WIDTH), (num_frames, 2)),
    )


def _camera(rng: np.random.Generator, num_frames: int) -> Floats:
    """Return (F, 2, 3) small smooth shifts, rotations and zooms about the middle of the picture."""
    strength = rng.uniform(0.1, 0.6)
    shift = np.stack([smooth_path(rng, num_frames, 9 * strength) for _ in range(2)], axis=1)
    roll = np.radians(rng.uniform(-3, 3) + smooth_path(rng, num_frames, 3.0 * strength))
    zoom = 1 + smooth_path(rng, num_frames, 0.05 * strength)
    turn = np.stack([np.cos(roll), -np.sin(roll), np.sin(roll), np.cos(roll)], axis=1)
    linear = zoom[:, None, None] * turn.reshape(-1, 2, 2)
    middle = np.array([WIDTH / 2, HEIGHT / 2])
    return np.concatenate([linear, (middle - linear @ middle + shift)[..., None]], axis=2)


def _shape(rng: np.random.Generator, num_frames: int) -> Shape:
    """Draw a shape that crosses the picture, and often swings at the pace of an action."""
    time = np.arange(num_frames)
    start = rng.uniform((0, 0), (WIDTH, HEIGHT))
    path = start + time[:, None] * rng.uniform(-1.5, 1.5, 2)
    beat = np.sin(2 * np.pi * time / rng.uniform(10, 24) + rng.uniform(0, 2 * np.pi))
    path = path + beat[:, None] * rng.uniform(-15, 15, 2) * (rng.random() < 0.5)
    spin = time * rng.uniform(-0.15, 0.15) + beat * rng.uniform(0, 1.0)
    return Shape(
        colour=random_colour(rng, saturation=(0.1, 0.7), value=(0.15, 0.65)),
        num_corners=int(rng.integers(2, 9)),
        size=rng.uniform(10, 30),
        path=path,
        angle=rng.uniform(0, np.pi) + spin,
    )
