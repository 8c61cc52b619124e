"""Long footage in parts, so that all of it is seen as often as it is long.

    videos      |-----|  |----------------------------------------------|  |---|
    stretches   |xxxxx|  |xxxxxxxxxxx|xxxxxxxxxxx|xxxxxxxxxxx|xxxxxxxxxx|  |xxx|

Nothing is cut or copied: a stretch is where clips of a video may start.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

STRETCH_FRAMES = 1000
"""Longest stretch: 40 s at 25 frames a second. The papers' trimmed videos are one each."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Stretch:
    """Places in one video at which clips may start."""

    video: int
    """Position of the video."""
    first: int
    """The first start, a frame of the video."""
    stop: int
    """One past the last start."""


class Stretches:
    """All places of some videos, in stretches of about equal length; a sequence that is computed.

    Args:
        num_starts: of each video the frames at which a clip may start, 1 or more.
    """

    def __init__(self, num_starts: Sequence[int]) -> None:
        self._num_starts = np.array(num_starts, np.int64)
        self._num_parts = -(-self._num_starts // STRETCH_FRAMES)
        self._ends = np.cumsum(self._num_parts)

    def __len__(self) -> int:
        """Return how many there are."""
        return int(self._num_parts.sum())

    def __getitem__(self, index: int) -> Stretch:
        """Return one of them."""
        video = int(np.searchsorted(self._ends, index, side="right"))
        num_parts, num_starts = int(self._num_parts[video]), int(self._num_starts[video])
        part = index - (int(self._ends[video]) - num_parts)
        return Stretch(
            video=video,
            first=part * num_starts // num_parts,
            stop=(part + 1) * num_starts // num_parts,
        )
