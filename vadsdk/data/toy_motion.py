"""The motion of one toy figure: where pelvis, hands and feet are over time.

A figure is 1 high and stands at the origin of its body frame: x to its left, y up, z where it
faces. Knees and elbows follow from the rest (`toy_figure`).

Legend: F frames, index 0 of a pair is the figure's right side (x < 0), index 1 its left.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

PELVIS_HEIGHT = 0.506
ANKLE_HEIGHT = 0.04
HIP_HALF_WIDTH = 0.062
SIDES = np.array([-1.0, 1.0])

ARMS = {
    "hanging": (0.05, -0.325, 0.03),
    "akimbo": (0.03, -0.22, 0.02),
    "guard": (-0.04, -0.03, 0.15),
    "forward": (-0.02, -0.02, 0.31),
    "out": (0.31, -0.06, 0.03),
}
"""Hands relative to the shoulder while the arms have nothing to do; x counts outwards."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Manner:
    """How one figure performs, whatever the action is."""

    period: float
    """Frames of one repetition."""
    phase: float
    """Place in the repetition at frame 0, in [0, 1)."""
    side: int
    """The leading arm, leg and sense of turning: 0 or 1."""
    alternates: bool
    """Whether a kick changes legs at every repetition."""
    amplitude: float
    """About 1."""
    arms: str
    """A key of `ARMS`."""
    clap_depth: float
    """How far in front of the body the hands clap, in arm lengths."""
    wobble: float
    """Relative change of tempo along the clip."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Motion:
    """The path of one figure in its body frame."""

    pelvis: Floats
    """(F, 3)."""
    hands: Floats
    """(F, 2, 3) relative to the shoulders."""
    feet: Floats
    """(F, 2, 3) ankles."""
    lean: Floats
    """(F,) radians, forward."""
    twist: Floats
    """(F,) radians by which the figure faces away from where it stands."""
    turn_rate: Floats
    """(F,) radians a frame by which it turns on its spot."""

    def blend(self, other: Motion, weight: Floats) -> Motion:
        """Return the motion between this one (weight 0) and another (weight 1).

        Args:
            other: as many frames.
            weight: (F,).
        """

        def mix(a: Floats, b: Floats) -> Floats:
            share = weight.reshape(-1, *[1] * (a.ndim - 1))
            return a * (1 - share) + b * share

        names = [field.name for field in fields(Motion)]
        return Motion(**{name: mix(getattr(self, name), getattr(other, name)) for name in names})


def resting(
    manner: Manner,
    num_frames: int,
    *,
    drop: Floats | float = 0.0,
    hands: Floats | None = None,
    feet: Floats | None = None,
    lean: Floats | float = 0.0,
    twist: Floats | float = 0.0,
    turn_rate: float = 0.0,
) -> Motion:
    """Return a motion at rest but for what is given.

    Args:
        manner: gives the resting arms.
        num_frames: F.
        drop: (F,) lowers the pelvis.
        hands: (F, 2, 3) relative to the shoulders.
        feet: (F, 2, 3) relative to where they stand.
        lean: (F,) radians.
        twist: (F,) radians.
        turn_rate: radians a frame.
    """
    pelvis = np.zeros((num_frames, 3))
    pelvis[:, 1] = PELVIS_HEIGHT - drop
    rest = np.array(ARMS[manner.arms]) * np.stack([SIDES, np.ones(2), np.ones(2)], axis=1)
    ankles = np.stack([SIDES * HIP_HALF_WIDTH * 1.2, np.full(2, ANKLE_HEIGHT), np.zeros(2)], axis=1)
    return Motion(
        pelvis=pelvis,
        hands=np.tile(rest, (num_frames, 1, 1)) if hands is None else hands,
        feet=ankles + (np.zeros((num_frames, 2, 3)) if feet is None else feet),
        lean=np.zeros(num_frames) + lean,
        twist=np.zeros(num_frames) + twist,
        turn_rate=np.full(num_frames, turn_rate),
    )
