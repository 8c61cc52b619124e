"""Random scenes of a few moving actors, with tubes and boxes near them and beside them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from boxes_and_tubes import a_tube, scored_boxes
from numpy.typing import NDArray

from vadsdk.evaluation import FrameBoxes
from vadsdk.structures import Tube

LABELS = ("wave", "kick")
VIDEOS = ("a", "b", "c")


@dataclass(frozen=True)
class RandomScene:
    truth: dict[str, list[Tube]]
    tubes: dict[str, list[Tube]]
    boxes: dict[str, FrameBoxes]


def random_scene(seed: int, *, ties: bool = False) -> RandomScene:
    """Return three videos of up to three actors; with `ties` scores and boxes are coarse."""
    rng = np.random.default_rng(seed)
    truth, tubes, boxes = {}, {}, {}
    for name in VIDEOS:
        truth[name] = [_actor(rng, ties) for _ in range(rng.integers(0, 4))]
        tubes[name] = [
            _near(rng, tube, ties) for tube in truth[name] for _ in range(rng.integers(0, 4))
        ]
        tubes[name] += [_near(rng, _actor(rng, ties), ties) for _ in range(rng.integers(0, 2))]
        boxes[name] = boxes_of_tubes(tubes[name], rng, ties)
    return RandomScene(truth=truth, tubes=tubes, boxes=boxes)


def boxes_of_tubes(tubes: list[Tube], rng: np.random.Generator, ties: bool) -> FrameBoxes:
    """Return every box of the tubes, each with scores of its own."""
    rows = [
        (int(frame), box, _scores(rng, ties))
        for tube in tubes
        for frame, box in zip(tube.frame_indices, tube.boxes_xyxy, strict=True)
    ]
    if rows:
        return scored_boxes(*rows)
    return FrameBoxes(
        frame_indices=np.zeros(0, np.int64),
        boxes_xyxy=np.zeros((0, 4), np.float32),
        class_scores=np.zeros((0, len(LABELS)), np.float32),
    )


def _actor(rng: np.random.Generator, ties: bool) -> Tube:
    start, length = int(rng.integers(0, 5)), int(rng.integers(1, 8))
    corners = rng.uniform(0, 10, 2) + rng.normal(0, 0.5, (length, 2)).cumsum(axis=0)
    boxes = np.hstack([corners, corners + rng.uniform(5, 9, 2)])
    return a_tube(str(rng.choice(LABELS)), np.round(boxes) if ties else boxes, start=start)


def _near(rng: np.random.Generator, tube: Tube, ties: bool) -> Tube:
    cut = int(rng.integers(0, len(tube)))
    boxes = tube.boxes_xyxy[cut:] + np.tile(rng.normal(0, 0.7, 2), 2)
    return a_tube(
        tube.label,
        np.round(boxes) if ties else boxes,
        start=tube.start_frame + cut,
        class_scores=_scores(rng, ties),
    )


def _scores(rng: np.random.Generator, ties: bool) -> NDArray[np.float64]:
    return rng.integers(1, 4, len(LABELS)) / 4 if ties else rng.uniform(0.01, 1, len(LABELS))
