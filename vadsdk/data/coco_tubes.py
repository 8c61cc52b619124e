"""Boxes of a COCO file -> tubes.

Legend: N boxes, F frames of a tube.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import count
from statistics import fmean

import numpy as np

from vadsdk.boxes import box_iou
from vadsdk.data.coco_schema import Polygons, RleEntry
from vadsdk.structures import Tube

LINK_IOU = 0.3
"""The least overlap at which two boxes of successive frames may be one actor."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class CocoBox:
    """One actor in one frame."""

    field: str
    """Its place in the file, such as `annotations[3]`."""
    frame: int
    """From 0."""
    xyxy: tuple[float, float, float, float]
    """Pixels, max edge exclusive."""
    label: str
    """Of its category."""
    track: int | None
    """None: the file does not tell."""
    score: float | None
    """In [0, 1]; None: the file does not tell."""
    segmentation: Polygons | RleEntry | None
    """None: the box alone is known."""


def link_tubes(boxes: Iterable[CocoBox], frames: Sequence[int], fps: float) -> tuple[Tube, ...]:
    """Make a tube of each track, and of boxes without a track whatever follows upon one another.

    A track of two labels is two tubes. Its id is that of the tube, unless another tube has it. A
    tube's score is the mean of its boxes', 1 where the file has none.

    Args:
        boxes: of one video; a track has one box a frame.
        frames: that are annotated, increasing; boxes are linked from one to the next of these.
        fps: frames a second.
    """
    tracked: dict[tuple[int, str], list[CocoBox]] = defaultdict(list)
    untracked: dict[str, list[CocoBox]] = defaultdict(list)
    for box in boxes:
        if box.track is None:
            untracked[box.label].append(box)
        else:
            tracked[box.track, box.label].append(box)
    chains: list[tuple[int | None, list[CocoBox]]] = [
        (track, chain) for (track, _), chain in tracked.items()
    ]
    chains += [(None, chain) for same in untracked.values() for chain in _linked(same, frames)]
    tracks = {track for track, _ in tracked}
    unused = (id for id in count() if id not in tracks)
    used: set[int] = set()
    tubes = []
    for track, chain in chains:
        if track is None or track < 0 or track in used:
            track = next(unused)
        used.add(track)
        tubes.append(_tube(track, chain, fps))
    return tuple(tubes)


def _linked(boxes: Iterable[CocoBox], frames: Sequence[int]) -> list[list[CocoBox]]:
    """Chain boxes of one label greedily: pairs of successive frames, greatest overlap first."""
    by_frame: dict[int, list[CocoBox]] = defaultdict(list)
    for box in boxes:
        by_frame[box.frame].append(box)
    chains: list[list[CocoBox]] = []
    open_chains: list[list[CocoBox]] = []
    for frame in frames:
        new = by_frame[frame]
        continued = _pairs(open_chains, new)
        for chain, box in continued:
            chain.append(box)
        known = {id(box) for _, box in continued}
        started = [[box] for box in new if id(box) not in known]
        chains += started
        open_chains = [chain for chain, _ in continued] + started
    return chains


def _pairs(
    chains: Sequence[list[CocoBox]], boxes: Sequence[CocoBox]
) -> list[tuple[list[CocoBox], CocoBox]]:
    if not chains or not boxes:
        return []
    ends = np.array([chain[-1].xyxy for chain in chains])
    ious = box_iou(ends[:, None], np.array([box.xyxy for box in boxes])[None])
    pairs = []
    for flat in np.argsort(-ious, axis=None, kind="stable"):
        row, column = divmod(int(flat), len(boxes))
        if ious[row, column] < LINK_IOU:
            continue
        pairs.append((chains[row], boxes[column]))
        ious[row], ious[:, column] = -1, -1
    return pairs


def _tube(id: int, boxes: Iterable[CocoBox], fps: float) -> Tube:
    chain = sorted(boxes, key=lambda box: box.frame)
    scores = [box.score for box in chain if box.score is not None]
    return Tube(
        id=id,
        label=chain[0].label,
        score=fmean(scores) if scores else 1.0,
        frame_indices=np.array([box.frame for box in chain], np.int64),
        boxes_xyxy=np.array([box.xyxy for box in chain], np.float32),
        start_seconds=chain[0].frame / fps,
        end_seconds=(chain[-1].frame + 1) / fps,
    )
