"""Frames of a video and clips made of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vadsdk.errors import VideoError


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Frame:
    """One decoded picture and its place in time."""

    index: int
    """Position among the frames of its source, from 0."""
    pts_seconds: float
    """Presentation time in seconds; never decreases along a source."""
    image: NDArray[np.uint8]
    """(H, W, 3) RGB, upright (rotation metadata is applied)."""

    def __post_init__(self) -> None:
        if self.image.ndim != 3 or self.image.shape[2] != 3 or self.image.dtype != np.uint8:
            raise VideoError(
                f"frame {self.index} is {self.image.dtype} {self.image.shape}, expected a uint8 "
                "(H, W, 3) RGB image"
            )
        if self.index < 0 or not np.isfinite(self.pts_seconds):
            raise VideoError(
                f"frame {self.index} is at {self.pts_seconds} s; expected an index from 0 on and a "
                "finite time"
            )

    @property
    def height(self) -> int:
        """Rows of the image."""
        return int(self.image.shape[0])

    @property
    def width(self) -> int:
        """Columns of the image."""
        return int(self.image.shape[1])


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Clip:
    """T frames that a model looks at together: `x.x.x.x.` has T = 4 and stride 2."""

    images: NDArray[np.uint8]
    """(T, H, W, 3) RGB."""
    frame_indices: NDArray[np.int64]
    """(T,), never decreasing; a frame that stands in for a missing one repeats its index."""

    def __post_init__(self) -> None:
        if self.images.ndim != 4 or self.images.shape[3] != 3 or self.images.dtype != np.uint8:
            raise ValueError(
                "a clip's images are (T, H, W, 3) uint8, not "
                f"{self.images.shape} {self.images.dtype}"
            )
        if self.frame_indices.shape != self.images.shape[:1]:
            raise ValueError(
                f"{len(self.images)} images need as many frame indices, "
                f"not {self.frame_indices.shape}"
            )
