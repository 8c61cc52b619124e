"""One toy clip: a script and a scenery made into frames, with the visible mask of every actor.

Legend: F frames, N tubes, H and W of the picture, P parts of a figure, V corners.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vadsdk.data.toy_actions import ACTIONS, stand, walk
from vadsdk.data.toy_figure import joints, parts
from vadsdk.data.toy_motion import Floats
from vadsdk.data.toy_painting import Figure, paint
from vadsdk.data.toy_projection import View, outlines
from vadsdk.data.toy_scenery import Image, make_scenery
from vadsdk.data.toy_script import WALK_SPEED, Performer, Script, direct
from vadsdk.errors import ConfigError, unknown_name
from vadsdk.structures import Tube

FPS = 25
TOY_LABELS = tuple(sorted(ACTIONS))
MIN_VISIBLE_PIXELS = 20
"""An actor of which less is seen counts as hidden: no box and no mask in that frame."""
TEST_TURNS = (1, 4, 7)
"""Of every ten clips of a class these are for testing."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class ToyClip:
    """A generated clip and its ground truth."""

    name: str
    label: str
    split: str
    """"train" or "test"."""
    images: Image
    """(F, H, W, 3) RGB, before video compression."""
    tubes: tuple[Tube, ...]
    """N actors, each as long as its action; without a box where the actor is hidden."""
    masks: NDArray[np.bool_]
    """(N, F, H, W) visible pixels, disjoint; empty wherever the tube has no box."""


def clip_label(seed: int, index: int) -> str:
    """Return the action of a clip: every run of K clips shows each of the K actions once."""
    turn, place = divmod(index, len(TOY_LABELS))
    order = np.random.default_rng([seed, turn, 0]).permutation(len(TOY_LABELS))
    return TOY_LABELS[int(order[place])]


def clip_split(index: int) -> str:
    """Return "train" or "test" (30 %), the same for the clips of one round through the actions."""
    return "test" if index // len(TOY_LABELS) % 10 in TEST_TURNS else "train"


def render_clip(seed: int, index: int, *, label: str | None = None) -> ToyClip:
    """Make one clip; it depends on nothing but the arguments.

    Args:
        seed: of the data set, 0 or more.
        index: of the clip, 0 or more.
        label: have this action done instead of the clip's own; everything else stays as it is.
    """
    if seed < 0 or index < 0:
        raise ConfigError(f"seed and index are 0 or more, not {seed} and {index}")
    label = clip_label(seed, index) if label is None else label
    if label not in ACTIONS:
        raise unknown_name("toy action", label, ACTIONS)
    script = direct(np.random.default_rng([seed, index, 1]))
    scenery = make_scenery(np.random.default_rng([seed, index, 2]), script.num_frames)
    figures = [_figure(performer, label, script) for performer in script.performers]
    images, ids = paint(scenery, figures, script.props)
    tubes, masks = _annotate(ids, script, label)
    return ToyClip(
        name=f"{label}_{index:05d}",
        label=label,
        split=clip_split(index),
        images=images,
        tubes=tubes,
        masks=masks,
    )


def _ramp(num_frames: int, start: int, end: int, width: int = 4) -> Floats:
    """Return (F,) 1 in [start, end), 0 outside; smooth at the borders that lie inside the clip."""
    time = np.arange(num_frames)
    rising = np.clip((time - start + 1) / width, 0, 1) if start > 0 else (time >= start) * 1.0
    falling = np.clip((end - time) / width, 0, 1) if end < num_frames else (time < end) * 1.0
    weight = np.minimum(rising, falling)
    return np.asarray(weight * weight * (3 - 2 * weight))


def _figure(performer: Performer, label: str, script: Script) -> Figure:
    """Let a performer stand, walk in and act, and return it ready to be painted."""
    num_frames, manner = script.num_frames, performer.manner
    time = np.arange(num_frames)
    tempo = 1 + manner.wobble * (time / num_frames - 0.5)
    cycles = manner.phase + np.cumsum(tempo) / manner.period
    acting = _ramp(num_frames, performer.start, performer.end)
    walking = _ramp(num_frames, 0, performer.walks_until) if performer.walks_until else 0 * acting
    walked = -np.cumsum(walking[::-1])[::-1] * WALK_SPEED * performer.height  # 0 on arrival
    steps = walked / performer.height / 0.5  # two strides of 0.25 heights a cycle

    motion = stand(manner, cycles).blend(walk(manner, steps), walking)
    motion = motion.blend(ACTIONS[label](manner, cycles), acting)
    look_aside = performer.heading * 1.3 - performer.yaw
    yaw = performer.yaw + np.cumsum(motion.turn_rate) + walking * look_aside
    view = View(
        x=performer.x + performer.heading * walked,
        ground_y=np.full(num_frames, performer.ground_y),
        height=performer.height,
        yaw=yaw,
        pitch=script.pitch,
    )
    body = parts(performer.look)
    return Figure(parts=body, outlines=outlines(joints(motion, performer.look), body, view))


def _annotate(ids: Image, script: Script, label: str) -> tuple[tuple[Tube, ...], NDArray[np.bool_]]:
    """Return the tubes of the acting performers and their masks (N, F, H, W)."""
    tubes: list[Tube] = []
    masks: list[NDArray[np.bool_]] = []
    for position, performer in enumerate(script.performers):
        mask = ids == position + 1
        mask[: performer.start] = False
        mask[performer.end :] = False
        mask[mask.sum(axis=(1, 2)) < MIN_VISIBLE_PIXELS] = False
        frames = np.flatnonzero(mask.any(axis=(1, 2)))
        if not len(frames):
            continue
        boxes = np.array([tight_box(mask[frame]) for frame in frames], np.float32)
        tubes.append(
            Tube(
                id=len(tubes),
                label=label,
                score=1.0,
                frame_indices=frames.astype(np.int64),
                boxes_xyxy=boxes,
                start_seconds=float(frames[0]) / FPS,
                end_seconds=float(frames[-1] + 1) / FPS,
            )
        )
        masks.append(mask)
    return tuple(tubes), np.array(masks, np.bool_).reshape(-1, *ids.shape)


def tight_box(mask: NDArray[np.bool_]) -> tuple[int, int, int, int]:
    """Return x1, y1, x2, y2 (max edge exclusive) around a mask that is not empty."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1
