"""Decoded videos as a sampler wants them, wherever they are kept.

Legend: F frames of a video, T frames of a clip, h and w of the stored frame.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from vadsdk.data.records import VideoRecord

if TYPE_CHECKING:
    from vadsdk.data.clip_bank import ClipBank

MAX_STORE_SIZE = 4096
"""Rows and columns of a stored frame, far more than any network takes: one has 50 MB then."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class StoredVideo:
    """One decoded video, or some frames of one."""

    frames: NDArray[np.uint8]
    """(F, h, w, 3) RGB, stretched to the store size."""
    masks: NDArray[np.uint8] | None
    """(F, h, w), 1 where an actor covers at least half of the pixel; None if none is annotated."""

    def at(self, frame_indices: NDArray[np.integer]) -> StoredVideo:
        """Return some of the frames."""
        masks = None if self.masks is None else self.masks[frame_indices]
        return StoredVideo(frames=self.frames[frame_indices], masks=masks)

    @property
    def nbytes(self) -> int:
        """Memory that the arrays take."""
        return self.frames.nbytes + (0 if self.masks is None else self.masks.nbytes)


class StoredVideos(Protocol):
    """Videos to draw clips from: `DecodedVideos` of files, or a `ClipBank` alone."""

    @property
    def records(self) -> tuple[VideoRecord, ...]:
        """The usable videos."""
        ...

    @property
    def num_frames(self) -> dict[str, int]:
        """Frames of each, by name."""
        ...

    @property
    def num_workers(self) -> int:
        """Clips that can be read at the same time."""
        ...

    @property
    def whole_bank(self) -> ClipBank | None:
        """A clip bank that holds all of them, if there is one."""
        ...

    def clip(self, name: str, frame_indices: NDArray[np.integer]) -> StoredVideo:
        """Return some frames (T, h, w, 3) of a video and their masks; a VideoError if it breaks."""
        ...
