"""Tubes of CVAT's tracks.

Legend: F frames of a tube.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from vadsdk.data.cvat_shapes import Box, Shape
from vadsdk.data.cvat_tracks import CvatTrack, visible_shapes
from vadsdk.data.problems import Problem, VideoExtent, tube_problems
from vadsdk.structures import Tube

NO_ACTION = ("", "__undefined__")
"""Values of an action attribute while nothing happens; the second is CVAT's own word for it."""


@dataclass(frozen=True, slots=True, eq=False)
class OutlinedTube:
    """A tube and the shapes that its boxes are drawn around."""

    tube: Tube
    """Score 1, as it is annotated."""
    shapes: tuple[Shape, ...]
    """F, one for each of the tube's frames."""

    @property
    def has_masks(self) -> bool:
        """Whether the shapes say more than the boxes."""
        return not isinstance(self.shapes[0], Box)


@dataclass(frozen=True, slots=True, eq=False)
class _Run:
    """Frames of a track with one label."""

    label: str
    frames: NDArray[np.int64]
    shapes: tuple[Shape, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class TubeSettings:
    """What turns tracks into tubes."""

    file: str
    """Holds the tracks."""
    extent: VideoExtent
    """Of their video."""
    covered: range
    """Frames of their task."""
    fps: float
    """Frames a second; 0 if that is not known, which leaves the tubes' seconds at 0."""
    action_attribute: str | None
    """Names the action, a tube for each run of equal values; None: the track's label does, one tube
    a track."""


def track_tubes(
    track: CvatTrack, settings: TubeSettings, first_id: int
) -> tuple[list[OutlinedTube], list[Problem]]:
    """Return the tubes of a track, and what is wrong with them.

    Args:
        track: of which nothing is known to be wrong.
        settings: of its task.
        first_id: of the first tube, where an attribute makes several of a track.
    """
    attribute = settings.action_attribute
    if attribute is None:
        return _tubes(_label_runs(track, settings.covered), track, settings, track.id)
    lacking = [entry for entry in track.shapes if attribute not in entry.attributes]
    if lacking:
        known = ", ".join(sorted(lacking[0].attributes)) or "none"
        message = f"has no attribute {attribute!r}, only: {known}; set it on every track"
        return [], [Problem(settings.file, track.place, message)]
    return _tubes(_action_runs(track, settings.covered, attribute), track, settings, first_id)


def _label_runs(track: CvatTrack, covered: range) -> list[_Run]:
    visible = list(visible_shapes(track, covered))
    if not visible:
        return []
    frames, shapes, _ = zip(*visible, strict=True)
    return [_Run(track.label, np.array(frames, np.int64), shapes)]


def _action_runs(track: CvatTrack, covered: range, attribute: str) -> list[_Run]:
    runs = []
    for action, group in groupby(visible_shapes(track, covered), lambda entry: entry[2][attribute]):
        if action not in NO_ACTION:
            frames, shapes, _ = zip(*group, strict=True)
            runs.append(_Run(action, np.array(frames, np.int64), shapes))
    return runs


def _tubes(
    runs: list[_Run], track: CvatTrack, settings: TubeSettings, first_id: int
) -> tuple[list[OutlinedTube], list[Problem]]:
    tubes: list[OutlinedTube] = []
    problems: list[Problem] = []
    extent = settings.extent
    for tube_id, run in enumerate(runs, start=first_id):
        boxes = np.array([_box(shape, extent) for shape in run.shapes], np.float64)  # (F, 4)
        found = tube_problems(settings.file, track.place, run.frames, boxes, extent)
        problems += found
        if not found:
            tubes.append(OutlinedTube(_tube(tube_id, run, boxes, settings.fps), run.shapes))
    return tubes, problems


def _box(shape: Shape, extent: VideoExtent) -> tuple[float, float, float, float]:
    """Return the tight box; only a plain box that leaves the frame is the annotator's mistake."""
    x1, y1, x2, y2 = shape.tight_box()
    if isinstance(shape, Box) and not shape.is_rotated:
        return x1, y1, x2, y2
    return max(x1, 0), max(y1, 0), min(x2, extent.width), min(y2, extent.height)


def _tube(tube_id: int, run: _Run, boxes: NDArray[np.float64], fps: float) -> Tube:
    return Tube(
        id=tube_id,
        label=run.label,
        score=1.0,
        frame_indices=run.frames,
        boxes_xyxy=boxes.astype(np.float32),
        start_seconds=float(run.frames[0] / fps) if fps else 0.0,
        end_seconds=float((run.frames[-1] + 1) / fps) if fps else 0.0,
    )
