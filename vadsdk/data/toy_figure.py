"""Bodies of the toy figures: the joints of a motion, and the parts between them.

Legend: F frames, J joints.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vadsdk.data.toy_motion import HIP_HALF_WIDTH, SIDES, Floats, Motion

UPPER_ARM, FOREARM, THIGH, SHIN = 0.17, 0.165, 0.236, 0.236
SHOULDER_HALF_WIDTH, TORSO, NECK, HEAD = 0.115, 0.29, 0.045, 0.115
ELBOW_POLE = np.array([0.5, -0.4, -1.0])
KNEE_POLE = np.array([0.25, 0.3, 1.0])

Colour = tuple[int, int, int]


@dataclass(frozen=True, kw_only=True, slots=True)
class Look:
    """What one figure wears and how it is built."""

    skin: Colour
    hair: Colour
    shirt: Colour
    trousers: Colour
    shoes: Colour
    chest: Colour
    """Print on the front of the shirt."""
    long_sleeves: bool
    long_trousers: bool
    ponytail: bool
    build: float
    """Thickness of the limbs, about 1."""
    shoulders: float
    """Width of the shoulders, about 1."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """The convex hull of up to four circles around joints."""

    joints: tuple[int, ...]
    radii: tuple[float, ...]
    """In figure heights."""
    colour: Colour
    shaded: bool = True
    """Whether the part has an outline and a lit side."""


def bend(
    root: Floats, target: Floats, lengths: tuple[float, float], pole: Floats
) -> tuple[Floats, Floats]:
    """Return the middle joint and the end of a limb of two bones that reaches for a target.

    Args:
        root: (F, 3).
        target: (F, 3); out of reach, the limb is stretched towards it.
        lengths: of the two bones.
        pole: (3,) the side to which the middle joint gives way.
    """
    first, second = lengths
    away = target - root
    distance = np.linalg.norm(away, axis=1, keepdims=True)
    direction = away / np.maximum(distance, 1e-6)
    distance = np.clip(distance, 0.15 * first, 0.999 * (first + second))
    along = (first**2 - second**2 + distance**2) / (2 * distance)
    aside = pole - (direction @ pole)[:, None] * direction
    aside /= np.maximum(np.linalg.norm(aside, axis=1, keepdims=True), 1e-6)
    middle = root + along * direction + np.sqrt(np.maximum(first**2 - along**2, 0)) * aside
    return middle, root + distance * direction


JOINTS = (
    *("hip0", "hip1", "knee0", "knee1", "ankle0", "ankle1", "toe0", "toe1"),
    *("shoulder0", "shoulder1", "elbow0", "elbow1", "hand0", "hand1"),
    *("chest", "neck", "head", "face", "eye0", "eye1", "tail"),
)
_J = {name: position for position, name in enumerate(JOINTS)}


def joints(motion: Motion, look: Look) -> Floats:
    """Return (F, J, 3) the joints in the body frame, turned by the motion's twist."""
    at: dict[str, Floats] = {}
    spine = np.stack([0 * motion.lean, np.cos(motion.lean), np.sin(motion.lean)], axis=1)
    front = np.stack([0 * motion.lean, -np.sin(motion.lean), np.cos(motion.lean)], axis=1)
    left = np.array([1.0, 0.0, 0.0])
    top = motion.pelvis + TORSO * spine
    for i, side in enumerate(SIDES):
        outwards = np.array([side, 1.0, 1.0])
        at[f"hip{i}"] = motion.pelvis + side * HIP_HALF_WIDTH * left
        at[f"shoulder{i}"] = top + side * SHOULDER_HALF_WIDTH * look.shoulders * left
        knee, ankle = bend(at[f"hip{i}"], motion.feet[:, i], (THIGH, SHIN), KNEE_POLE * outwards)
        shoulder = at[f"shoulder{i}"]
        elbow, hand = bend(
            shoulder, shoulder + motion.hands[:, i], (UPPER_ARM, FOREARM), ELBOW_POLE * outwards
        )
        at[f"knee{i}"], at[f"ankle{i}"], at[f"elbow{i}"], at[f"hand{i}"] = knee, ankle, elbow, hand
        at[f"toe{i}"] = ankle + np.array([0.015 * side, -0.015, 0.065])
    at["chest"] = motion.pelvis + 0.7 * TORSO * spine + 0.075 * front
    at["neck"] = top + NECK * spine
    at["head"] = top + HEAD * spine
    at["face"] = at["head"] + 0.026 * front - 0.008 * spine
    for i, side in enumerate(SIDES):
        at[f"eye{i}"] = at["head"] + 0.075 * front + 0.026 * side * left
    at["tail"] = at["head"] - 0.075 * front - 0.045 * spine
    return turned(np.stack([at[name] for name in JOINTS], axis=1), motion.twist)


def turned(points: Floats, yaw: Floats) -> Floats:
    """Return (F, J, 3) points turned around the upright axis by (F,) radians."""
    sine, cosine = np.sin(yaw)[:, None], np.cos(yaw)[:, None]
    x, y, z = np.moveaxis(points, -1, 0)
    return np.stack([x * cosine + z * sine, y, z * cosine - x * sine], axis=-1)


def parts(look: Look) -> tuple[Part, ...]:
    """Return what a figure of this look is painted with."""
    b = look.build

    def part(names: str, radii: tuple[float, ...], colour: Colour, shaded: bool = True) -> Part:
        chosen = tuple(_J[name] for name in names.split())
        return Part(joints=chosen, radii=radii, colour=colour, shaded=shaded)

    torso = (0.05 * b, 0.05 * b, 0.062 * b, 0.062 * b)
    body = [
        part("shoulder0 shoulder1 hip0 hip1", torso, look.shirt),
        part("hip0 hip1", (0.066 * b, 0.066 * b), look.trousers),
        part("chest", (0.036,), look.chest, False),
        part("neck head", (0.03, 0.03), look.skin),
        part("head", (0.078,), look.hair),
        part("face", (0.066,), look.skin),
    ]
    if look.ponytail:
        body.append(part("tail", (0.04,), look.hair))
    shin = look.trousers if look.long_trousers else look.skin
    forearm = look.shirt if look.long_sleeves else look.skin
    for i in range(2):
        body += [
            part(f"eye{i}", (0.011,), (25, 20, 20), False),
            part(f"hip{i} knee{i}", (0.058 * b, 0.046 * b), look.trousers),
            part(f"knee{i} ankle{i}", (0.044 * b, 0.03 * b), shin),
            part(f"ankle{i} toe{i}", (0.034, 0.028), look.shoes),
            part(f"shoulder{i} elbow{i}", (0.046 * b, 0.036 * b), look.shirt),
            part(f"elbow{i} hand{i}", (0.034 * b, 0.028 * b), forearm),
            part(f"hand{i}", (0.036,), look.skin),
        ]
    return tuple(body)
