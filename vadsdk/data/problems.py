"""What can be wrong with an annotation: where it is, what came, what to do.

Legend: F frames of a tube.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vadsdk.errors import DatasetError

DEFAULT_CLIP_FRAMES = 16
"""Source frames that a clip of the standard models spans: 8 frames, stride 2."""
OUTSIDE_TOLERANCE = 1.0
"""Pixels that a box may reach over the edge: tools that count pixels from 1 are off by one."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with a data set."""

    file: str
    """The file to mend."""
    field: str
    """The place in it, such as `videos[3].tubes[0].boxes[2]`; empty for the whole file."""
    message: str
    """What came, what was expected and what to do."""
    fatal: bool = True
    """False: training works all the same."""

    def __str__(self) -> str:
        """Return it as one line."""
        place = f"{self.file}: {self.field}" if self.field else self.file
        return f"{place}: {self.message}"


@dataclass(frozen=True, kw_only=True, slots=True)
class VideoExtent:
    """The room that a tube has."""

    num_frames: int
    """Frames of the video."""
    width: int
    """Pixels."""
    height: int
    """Pixels."""


def raise_if_fatal(problems: Iterable[Problem], root: object) -> None:
    """Raise a DatasetError that shows the first of the fatal problems and counts the others."""
    fatal = [problem for problem in problems if problem.fatal]
    if not fatal:
        return
    shown = "\n  ".join(map(str, fatal[:3]))
    if len(fatal) == 1:
        raise DatasetError(shown)
    raise DatasetError(
        f"{len(fatal)} problems in the annotation, such as\n  {shown}\n"
        f"List all of them with: vadsdk data check {root}"
    )


def label_problems(file: str, field: str, label: str, labels: Sequence[str]) -> list[Problem]:
    """Return a problem if `label` is not among `labels`."""
    if label in labels:
        return []
    message = f"unknown label {label!r}; add it to `labels` or use one of: {', '.join(labels)}"
    return [Problem(file, field, message)]


def tube_problems(
    file: str,
    field: str,
    frames: NDArray[np.int64],
    boxes_xyxy: NDArray[np.float64],
    extent: VideoExtent,
) -> list[Problem]:
    """Return what is wrong with a tube's frames and boxes: one problem a kind, at the first place.

    Args:
        file: holds the annotation.
        field: of the tube.
        frames: (F,).
        boxes_xyxy: (F, 4), pixels.
        extent: of the tube's video.
    """
    width, height, slack = extent.width, extent.height, OUTSIDE_TOLERANCE
    with np.errstate(invalid="ignore", over="ignore"):
        x1, y1, x2, y2 = corners = boxes_xyxy.astype(np.float32).T  # as a Tube stores them
        finite = np.asarray(np.isfinite(corners).all(axis=0))
        empty = finite & ((x2 <= x1) | (y2 <= y1))
        outside = finite & (
            (x1 < -slack) | (y1 < -slack) | (x2 > width + slack) | (y2 > height + slack)
        )
    backwards = np.r_[False, np.diff(frames) <= 0]
    beyond = (frames < 0) | (frames >= extent.num_frames)
    kinds = (
        (~finite, "is not finite; give four numbers in pixels or remove the frame"),
        (empty, "is empty; a box is x1, y1, x2, y2 with x2 > x1 and y2 > y1"),
        (outside & ~empty, f"lies outside the {width} x {height} frame; clip it to the frame"),
        (backwards, "is out of order; the frames of a tube increase, each comes once"),
        (beyond, f"is outside the video, which has the frames 0 to {extent.num_frames - 1}"),
    )
    return [
        Problem(file, f"{field}.boxes[{bad.argmax()}]", _box_message(bad, frames, boxes_xyxy, what))
        for bad, what in kinds
        if bad.any()
    ]


def _box_message(
    bad: NDArray[np.bool_], frames: NDArray[np.int64], boxes: NDArray[np.float64], what: str
) -> str:
    first = int(bad.argmax())
    box = ", ".join(f"{value:g}" for value in boxes[first])
    others = f" ({bad.sum() - 1} more in this tube)" if bad.sum() > 1 else ""
    return f"the box [{box}] of frame {frames[first]} {what}{others}"
