"""Frames or images that a program hands over itself."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sized

import numpy as np
from numpy.typing import NDArray

from vadsdk.errors import VideoError
from vadsdk.structures import Frame
from vadsdk.video.decoder import size_changed


class GivenFrames:
    """Frames, or images that become frames at an assumed rate.

    Args:
        items: Frames with times of their own, or (H, W, 3) uint8 RGB images.
        fps: images a second.
    """

    name = "frames"
    is_live = False

    def __init__(self, items: Iterable[Frame] | Iterable[NDArray[np.uint8]], *, fps: float) -> None:
        self._items: Iterable[Frame | NDArray[np.uint8]] = items
        self.fps = fps
        self.num_frames = len(items) if isinstance(items, Sized) else None

    def __iter__(self) -> Iterator[Frame]:
        """Yield the frames, numbered anew from 0."""
        expected: tuple[int, int] | None = None
        last_seconds = -np.inf
        for index, item in enumerate(self._items):
            frame = self._frame(index, item)
            size = (frame.height, frame.width)
            expected = expected or size
            if size != expected:
                raise size_changed(self.name, index, expected, size)
            if frame.pts_seconds < last_seconds:
                raise VideoError(
                    f"frame {index} is at {frame.pts_seconds} s, the frame before it at "
                    f"{last_seconds} s; give the frames in order of presentation"
                )
            last_seconds = frame.pts_seconds
            yield frame

    def _frame(self, index: int, item: Frame | NDArray[np.uint8]) -> Frame:
        if isinstance(item, Frame):
            return Frame(index=index, pts_seconds=item.pts_seconds, image=item.image)
        try:
            return Frame(index=index, pts_seconds=index / self.fps, image=item)
        except (AttributeError, ValueError) as error:
            found = f"{item.dtype} {item.shape}" if isinstance(item, np.ndarray) else repr(item)
            raise VideoError(
                f"frame {index} is {found[:80]}, expected a Frame or a uint8 (H, W, 3) RGB image"
            ) from error
