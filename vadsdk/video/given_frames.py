"""Frames or images that a program hands over itself."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sized

import numpy as np
from numpy.typing import NDArray

from vadsdk.errors import ConfigError, VideoError
from vadsdk.structures import Frame
from vadsdk.video.decoder import size_changed
from vadsdk.video.presentation import DEFAULT_FPS


class GivenFrames:
    """Frames with indices and times of their own, or images that are numbered and timed here.

    Args:
        items: Frames, or (H, W, 3) uint8 RGB images.
        fps: images a second; None is 25. Frames go without.
    """

    name = "frames"
    is_live = False

    def __init__(
        self,
        items: Iterable[Frame] | Iterable[NDArray[np.uint8]],
        *,
        fps: float | None = None,
    ) -> None:
        self._items: Iterable[Frame | NDArray[np.uint8]] = items
        self._is_rate_given = fps is not None
        self.fps = DEFAULT_FPS if fps is None else fps
        self.num_frames = len(items) if isinstance(items, Sized) else None

    def __iter__(self) -> Iterator[Frame]:
        """Yield the frames."""
        last: Frame | None = None
        for position, item in enumerate(self._items):
            frame = self._frame(position, item)
            if last is not None:
                _check_follows(frame, last)
            last = frame
            yield frame
        if last is None:
            raise VideoError("there is no frame among those given, expected at least one")

    def _frame(self, position: int, item: Frame | NDArray[np.uint8]) -> Frame:
        if isinstance(item, Frame):
            if self._is_rate_given:
                raise ConfigError("fps is for images alone, and Frames have times; leave it out")
            return item
        try:
            return Frame(index=position, pts_seconds=position / self.fps, image=item)
        except (AttributeError, VideoError) as error:
            found = f"{item.dtype} {item.shape}" if isinstance(item, np.ndarray) else repr(item)
            raise VideoError(
                f"frame {position} is {found[:80]}, expected a Frame or a uint8 (H, W, 3) RGB image"
            ) from error


def _check_follows(frame: Frame, last: Frame) -> None:
    if (frame.height, frame.width) != (last.height, last.width):
        raise size_changed(
            "frames", frame.index, (last.height, last.width), (frame.height, frame.width)
        )
    if frame.index <= last.index:
        raise VideoError(
            f"frame {frame.index} came after frame {last.index}; number the frames upwards, as in "
            "Frame(index=0, ...), Frame(index=1, ...)"
        )
    if frame.pts_seconds < last.pts_seconds:
        raise VideoError(
            f"frame {frame.index} is at {frame.pts_seconds} s, the frame before it at "
            f"{last.pts_seconds} s; give the frames in order of presentation"
        )
