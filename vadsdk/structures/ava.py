"""Boxes of key frames with action classes, as the AVA benchmark states and scores them.

Legend: N rows, one box with one class each.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

KeyFrame = tuple[str, float]
"""A video and the time in it, in seconds rounded to `TIMESTAMP_DECIMALS`."""
TIMESTAMP_DECIMALS = 6
NO_PERSON = -1
"""The person id of a row that does not tell one."""
_NUM_POSES = {60: 13, 80: 14}  # the benchmark's 60 classes leave out one pose (2, crawl)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class AvaRows:
    """Ground truth or detections of key frames; a box with three actions is three rows."""

    videos: NDArray[np.str_]
    """(N,) video of each row."""
    timestamps: NDArray[np.float64]
    """(N,) seconds in the video, rounded to `TIMESTAMP_DECIMALS`."""
    boxes01: NDArray[np.float64]
    """(N, 4) x1, y1, x2, y2 as shares of width and height; detections may have x2 < x1."""
    class_ids: NDArray[np.int64]
    """(N,) as the label map numbers them, from 1."""
    person_ids: NDArray[np.int64]
    """(N,) which of the video's persons, or `NO_PERSON`."""
    scores: NDArray[np.float64]
    """(N,) confidences; 1 for ground truth."""
    empty_key_frames: frozenset[KeyFrame] = frozenset()
    """Key frames that were annotated and have nobody in them; none of the rows is on one."""

    def __post_init__(self) -> None:
        count = len(self.videos)
        columns = (self.videos, self.timestamps, self.class_ids, self.person_ids, self.scores)
        shapes = [column.shape for column in columns]
        if self.boxes01.shape != (count, 4) or any(shape != (count,) for shape in shapes):
            raise ValueError(
                f"{count} rows need ({count}, 4) boxes and ({count},) values in every column, "
                f"not {self.boxes01.shape} and {shapes}"
            )
        for name in ("timestamps", "boxes01", "scores"):
            if not np.isfinite(getattr(self, name)).all():
                raise ValueError(f"AvaRows.{name} must be finite")
        if (np.round(self.timestamps, TIMESTAMP_DECIMALS) != self.timestamps).any():
            raise ValueError(f"AvaRows.timestamps must be rounded to {TIMESTAMP_DECIMALS} decimals")

    def __len__(self) -> int:
        """Return N."""
        return len(self.videos)

    def at(self, rows: NDArray[np.bool_] | NDArray[np.integer]) -> AvaRows:
        """Return some of the rows, chosen by an (N,) mask or by positions."""
        return AvaRows(
            videos=self.videos[rows],
            timestamps=self.timestamps[rows],
            boxes01=self.boxes01[rows],
            class_ids=self.class_ids[rows],
            person_ids=self.person_ids[rows],
            scores=self.scores[rows],
            empty_key_frames=self.empty_key_frames,
        )

    def key_frames(self) -> list[KeyFrame]:
        """Return the key frame of each row, N of them."""
        return list(zip(self.videos.tolist(), self.timestamps.tolist(), strict=True))


def num_poses(num_classes: int) -> int:
    """Return how many of the first classes are poses, of which a person has one at a time.

    Args:
        num_classes: 80 is AVA's label map and 60 the list that its benchmark scores, in the order
            of their ids; any other number of classes is no list of AVA's and has 0 poses.
    """
    return _NUM_POSES.get(num_classes, 0)
