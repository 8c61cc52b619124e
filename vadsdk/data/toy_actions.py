"""The toy actions: how pelvis, hands and feet travel in each.

All actions share tempo, phase, leading side and the resting arms (`Manner`), so a single frame says
little: the way the limbs travel tells the actions apart.

Legend: F frames; `cycles` (F,) counts repetitions, whole where one starts.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from vadsdk.data.toy_motion import ARMS, SIDES, Floats, Manner, Motion, resting

ARM_REACH = 0.33
LEG_REACH = 0.46


def _pair(outwards: Floats, up: Floats, forwards: Floats) -> Floats:
    """Stack three (F, 2) paths into (F, 2, 3); the first counts away from the body's middle."""
    return np.stack([outwards * SIDES, up, forwards], axis=-1)


def _swing(cycles: Floats) -> Floats:
    """Return a smooth swing from 0 (whole cycles) to 1 (half cycles) and back."""
    return np.asarray(0.5 - 0.5 * np.cos(2 * np.pi * cycles))


def _both(cycles: Floats) -> Floats:
    """Return (F, 2) cycles in which the two sides move together."""
    return np.stack([cycles, cycles], axis=1)


def _opposed(cycles: Floats) -> Floats:
    """Return (F, 2) cycles in which the two sides alternate."""
    return np.stack([cycles, cycles + 0.5], axis=1)


def stand(manner: Manner, cycles: Floats) -> Motion:
    """Stand idle, with a slight sway."""
    sway = np.sin(np.pi * cycles)
    motion = resting(manner, len(cycles), drop=0.006 * (1 + sway), lean=0.02 * sway)
    motion.pelvis[:, 0] += 0.008 * np.sin(0.7 * np.pi * cycles + manner.phase)
    return motion


def walk(manner: Manner, cycles: Floats) -> Motion:
    """Walk forwards (the caller moves the figure); no action of the data set."""
    legs = _opposed(cycles)
    stride = 0.13 * np.cos(2 * np.pi * legs)
    lift = 0.05 * np.clip(-np.sin(2 * np.pi * legs), 0, None)
    hands = _pair(np.full_like(legs, 0.04), np.full_like(legs, -0.31), -0.9 * stride)
    feet = _pair(np.zeros_like(legs), lift, stride)
    return resting(manner, len(cycles), drop=0.018, hands=hands, feet=feet, lean=0.06)


def _wave(manner: Manner, cycles: Floats) -> Motion:
    """Swing one stretched arm sideways from low down to beyond the head and back."""
    motion = resting(manner, len(cycles), lean=0.02)
    angle = np.radians(122 + 75 * manner.amplitude * np.cos(2 * np.pi * cycles))
    arm = np.stack(
        [SIDES[manner.side] * np.sin(angle), -np.cos(angle), np.full_like(angle, 0.12)], axis=1
    )
    motion.hands[:, manner.side] = ARM_REACH * 0.97 * arm
    return motion


def _clap(manner: Manner, cycles: Floats) -> Motion:
    """Open both arms wide and bring the hands together above the head."""
    closed = _both(_swing(cycles)) * manner.amplitude
    angle = np.radians(70 + 122 * closed)  # sideways, from straight down
    forwards = np.full_like(angle, manner.clap_depth * ARM_REACH)
    hands = _pair(ARM_REACH * np.sin(angle), -ARM_REACH * np.cos(angle), forwards)
    return resting(manner, len(cycles), hands=hands, lean=0.03)


def _punch(manner: Manner, cycles: Floats) -> Motion:
    """Push the fists out in turn, from a guard and with the shoulders turning."""
    out = _swing(_opposed(cycles)) ** 1.5 * manner.amplitude
    hands = _pair(-0.05 - 0.05 * out, -0.05 + 0.09 * out, 0.10 + 0.23 * out)
    turn = 0.6 * np.cos(2 * np.pi * cycles) * manner.amplitude
    feet = _pair(np.full_like(out, 0.02), np.zeros_like(out), np.tile([0.07, -0.07], (len(out), 1)))
    return resting(manner, len(cycles), drop=0.03, hands=hands, feet=feet, twist=turn, lean=0.1)


def _kick(manner: Manner, cycles: Floats) -> Motion:
    """Swing a stretched leg forwards and up."""
    swings = np.stack([cycles, cycles], axis=1)
    active = np.zeros((len(cycles), 2))
    active[:, manner.side] = 1
    if manner.alternates:
        active = (np.floor(cycles)[:, None] % 2 == np.arange(2)).astype(float)
    up = 105 * manner.amplitude * _swing(swings) ** 1.3
    beta = active * np.radians(up - 20 * np.sin(2 * np.pi * swings))  # from straight down
    forwards = LEG_REACH * np.sin(beta)
    feet = _pair(0.55 * np.abs(forwards), LEG_REACH * (1 - np.cos(beta)), 0.84 * forwards)
    lean = -0.3 * beta.max(axis=1)
    return resting(manner, len(cycles), feet=feet, lean=np.clip(lean, -0.4, 0.1))


def _squat(manner: Manner, cycles: Floats) -> Motion:
    """Sink down on both legs and rise again."""
    down = _swing(cycles) * manner.amplitude
    still = np.zeros((len(cycles), 2))
    feet = _pair(still + 0.05, still, still)
    motion = resting(manner, len(cycles), drop=0.25 * down, feet=feet, lean=0.55 * down)
    motion.pelvis[:, 2] -= 0.09 * down
    return motion


def _jump(manner: Manner, cycles: Floats) -> Motion:
    """Crouch shortly and leap with the whole body."""
    place = cycles % 1.0
    flight = np.clip((place - 0.4) / 0.6, 0, 1)
    height = 0.28 * manner.amplitude * 4 * flight * (1 - flight)
    crouch = 0.11 * np.sin(np.pi * np.clip(place / 0.4, 0, 1))
    tuck = 0.3 * height
    feet = _pair(np.zeros((len(cycles), 2)), _both(height + tuck), _both(-0.5 * tuck))
    motion = resting(manner, len(cycles), drop=crouch - height, feet=feet, lean=2.2 * crouch)
    rise = (height / height.max())[:, None]
    motion.hands[:, :, 0] += 0.12 * rise * SIDES
    motion.hands[:, :, 1] += 0.1 * rise
    return motion


def _run(manner: Manner, cycles: Floats) -> Motion:
    """Run on the spot: knees and bent arms alternate."""
    legs = _opposed(cycles)
    lift = np.clip(np.sin(2 * np.pi * legs), 0, None) * manner.amplitude
    feet = _pair(np.zeros_like(lift), 0.29 * lift, 0.10 * lift - 0.02)
    pump = np.sin(2 * np.pi * legs) * manner.amplitude
    hands = _pair(np.full_like(pump, -0.01), -0.17 - 0.12 * pump, 0.12 - 0.13 * pump)
    bounce = 0.03 * np.abs(np.sin(2 * np.pi * cycles))
    return resting(manner, len(cycles), drop=0.01 - bounce, hands=hands, feet=feet, lean=0.08)


def _spin(manner: Manner, cycles: Floats) -> Motion:
    """Turn around the upright axis, once a repetition, arms out and with small steps."""
    feet = np.zeros((len(cycles), 2, 3))
    feet[:, :, 1] = 0.03 * np.clip(np.sin(4 * np.pi * _opposed(cycles)), 0, None)
    rate = 2 * np.pi / manner.period * SIDES[manner.side]
    out = np.tile(ARMS["out"], (len(cycles), 2, 1)) * np.stack([SIDES, [1, 1], [1, 1]], axis=1)
    return resting(manner, len(cycles), hands=out, feet=feet, turn_rate=rate, drop=0.01)


ACTIONS: dict[str, Callable[[Manner, Floats], Motion]] = {
    "clap": _clap,
    "jump": _jump,
    "kick": _kick,
    "punch": _punch,
    "run": _run,
    "spin": _spin,
    "squat": _squat,
    "wave": _wave,
}
"""Name of an action -> its motion, given the manner and (F,) repetitions since frame 0."""
