"""Who appears in a toy clip, where, and when they act: all random choices about the people.

    0          start      end      F
    | idle, or |  action  |  idle  |     untrimmed; in a trimmed clip the action fills it
    | walks in |          |        |

`direct` gets no label: place, size, clothes, tempo and resting pose do not tell the action.

Legend: F frames.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vadsdk.data.toy_figure import Colour, Look
from vadsdk.data.toy_motion import ARMS, Floats, Manner
from vadsdk.data.toy_props import Prop, make_prop
from vadsdk.data.toy_scenery import BRIGHT, HEIGHT, WIDTH, random_colour, smooth_path

MIN_FRAMES, MAX_FRAMES = 32, 56
MIN_ACTION_FRAMES = 18
WALK_SPEED = 0.031
"""Figure heights a frame."""

HEIGHTS = {1: (0.52, 0.75), 2: (0.44, 0.60), 3: (0.38, 0.48)}
"""Number of actors -> range of their heights, in picture heights."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Performer:
    """One person of the clip."""

    look: Look
    manner: Manner
    height: float
    """Pixels."""
    x: Floats
    """(F,) pixels, where the person stands while it does not walk."""
    ground_y: float
    """Pixels; the larger, the nearer to the camera."""
    yaw: float
    """Radians by which the person faces away from the camera."""
    start: int
    """First frame of the action."""
    end: int
    """One past the last frame; equal to `start` for a bystander, who never acts."""
    walks_until: int
    """The person comes walking in until this frame."""
    heading: int
    """-1 or 1: the direction of the walk in the picture."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Script:
    """The people of a clip and what stands in front of them."""

    num_frames: int
    pitch: float
    """Radians by which the camera looks down."""
    performers: tuple[Performer, ...]
    """From the farthest to the nearest."""
    props: tuple[Prop, ...]


def direct(rng: np.random.Generator) -> Script:
    """Choose the people of one clip."""
    num_frames = int(rng.integers(MIN_FRAMES, MAX_FRAMES + 1))
    count = int(rng.choice([1, 2, 3], p=[0.68, 0.24, 0.08]))
    untrimmed = rng.random() < 0.3
    if untrimmed:
        num_frames = max(num_frames, 40)
    span = _span(rng, num_frames) if untrimmed else (0, num_frames)
    paths = _paths(rng, num_frames, count)
    cast = [_actor(rng, num_frames, count, span, path) for path in paths]
    if rng.random() < 0.15:
        cast.append(_bystander(rng, num_frames, count))
    props = []
    if rng.random() < 0.25:
        shaded = cast[rng.integers(count)]
        x = float(shaded.x.mean()) + rng.uniform(-0.25, 0.25) * shaded.height
        props.append(make_prop(rng, num_frames, x, shaded.ground_y))
    return Script(
        num_frames=num_frames,
        pitch=rng.uniform(0, 0.2),
        performers=tuple(sorted(cast, key=lambda performer: performer.ground_y)),
        props=tuple(props),
    )


def _span(rng: np.random.Generator, num_frames: int) -> tuple[int, int]:
    """Choose a part of the clip for the action, leaving some of it before, behind or both."""
    spare = num_frames - MIN_ACTION_FRAMES - 4
    before, after = rng.integers(spare // 3, spare // 2 + 1, 2).tolist()
    where = rng.integers(3)
    return (before if where != 1 else 0), num_frames - (after if where != 0 else 0)


def _paths(rng: np.random.Generator, num_frames: int, count: int) -> list[Floats]:
    """Return (F,) where each actor stands: apart, close together, or one passing another."""
    manner = rng.choice(["apart", "close", "passing"], p=[0.76, 0.08, 0.16])
    gap = WIDTH / (count + 1) if manner == "apart" else rng.uniform(38, 60)
    middle = WIDTH / 2 + rng.uniform(-0.5, 0.5) * max(WIDTH - gap * (count + 1), 60)
    spots = middle + gap * (np.arange(count) - (count - 1) / 2) + rng.uniform(-12, 12, count)
    spots = np.clip(spots, 38, WIDTH - 38)
    rng.shuffle(spots)
    paths = [spot + smooth_path(rng, num_frames, 4.0) for spot in spots]
    share = np.linspace(-0.5, 0.5, num_frames)
    travel = rng.uniform(60, 110) * rng.choice([-1, 1])
    if manner == "passing" and count > 1:
        paths[0] = paths[0] + share * travel
        paths[1] = paths[1] - share * travel * rng.uniform(0, 1)
    return paths


def _actor(
    rng: np.random.Generator, num_frames: int, count: int, span: tuple[int, int], x: Floats
) -> Performer:
    """Choose one actor; a start or end of `span` inside the clip varies by up to two frames."""
    low, high = HEIGHTS[count]
    height = rng.uniform(low, high) * HEIGHT
    early, late = rng.integers(-2, 3, 2).tolist()
    start = max(span[0] + early, 0) if span[0] else 0
    end = min(span[1] + late, num_frames) if span[1] < num_frames else num_frames
    walks = rng.random() < 0.5
    return Performer(
        look=_look(rng),
        manner=_manner(rng),
        height=height,
        x=x,
        ground_y=rng.uniform(max(1.2 * height, 0.7 * HEIGHT), HEIGHT - 6),
        yaw=rng.uniform(0.3, 0.75) * rng.choice([-1, 1]),
        start=start,
        end=end,
        walks_until=max(start - 2, 0) if walks else 0,
        heading=int(rng.choice([-1, 1])),
    )


def _bystander(rng: np.random.Generator, num_frames: int, count: int) -> Performer:
    """Choose a person who does not act: stands in the background, or walks through the picture."""
    low, high = HEIGHTS[count]
    height = rng.uniform(low, high) * HEIGHT
    walks = rng.random() < 0.5
    heading = int(rng.choice([-1, 1]))
    way = WALK_SPEED * height * num_frames
    stop = WIDTH / 2 + heading * way / 2 + rng.uniform(-60, 60)
    spot = stop if walks else rng.uniform(30, WIDTH - 30)
    return Performer(
        look=_look(rng),
        manner=_manner(rng),
        height=height,
        x=np.full(num_frames, spot),
        ground_y=rng.uniform(max(1.1 * height, 0.62 * HEIGHT), HEIGHT - (6 if walks else 40)),
        yaw=rng.uniform(0.3, 0.75) * rng.choice([-1, 1]),
        start=num_frames,
        end=num_frames,
        walks_until=num_frames if walks else 0,
        heading=heading,
    )


def _manner(rng: np.random.Generator) -> Manner:
    return Manner(
        period=rng.uniform(11, 16),
        phase=rng.random(),
        side=int(rng.integers(2)),
        alternates=bool(rng.random() < 0.3),
        amplitude=rng.uniform(0.9, 1.12),
        arms=str(rng.choice(list(ARMS), p=[0.64, 0.12, 0.08, 0.08, 0.08])),
        clap_depth=rng.uniform(0.1, 0.4),
        wobble=rng.uniform(-0.15, 0.15),
    )


def _look(rng: np.random.Generator) -> Look:
    tone = rng.uniform(0.5, 1.0)
    skin: Colour = (round(245 * tone), round(205 * tone**1.25), round(175 * tone**1.5))
    return Look(
        skin=skin,
        hair=random_colour(rng, saturation=(0.2, 0.7), value=(0.1, 0.7)),
        shirt=random_colour(rng, **BRIGHT),
        trousers=random_colour(rng, **BRIGHT),
        shoes=random_colour(rng, **BRIGHT),
        chest=random_colour(rng, value=(0.1, 1.0)),
        long_sleeves=bool(rng.random() < 0.5),
        long_trousers=bool(rng.random() < 0.6),
        ponytail=bool(rng.random() < 0.4),
        build=rng.uniform(0.82, 1.3),
        shoulders=rng.uniform(0.85, 1.15),
    )
