"""Frames -> clips: windows over what mask and recognition models speak for, and over key frames.

With clip length T = 4, stride 2 (so a span of 8) and hop 4, a source of 15 frames gives

    frame     0 1 2 3 4 5 6 7 8 9 . . . . 14
    window 0  x . x . x . x .                     runs when frame 6 is there
    window 1          x . x . x . x .             runs when frame 10 is there
    window 2                  x . x . x . x       runs when frame 14 is there

and if the source ends with frame 13,

    window 2              x . x . x . x .         moved back so that it ends there: frames 6 to 13

A window speaks for its whole span. Regular windows start at multiples of the hop and run as soon as
their last `x` is there. What they do not reach at the end gets one more window, moved back. A
source too short for a single window gets one at frame 0, whose missing frames repeat the last one.

A box model speaks for one frame, the clip's last, its key frame. With the same clips and hop 3, a
source of 11 frames gives

    frame         0 1 2 3 4 5 6 7 8 9 10
    key frame 0   x                           frame 0 stands in for what was before it: 0 0 0 0
    key frame 3   x x . x                     0 0 1 3
    key frame 6   x . x . x . x
    key frame 9         x . x . x . x
    key frame 10          x . x . x .  x      the source ends, and its last frame is a key frame

Positions count the frames of a segment (a source without jumps) from 0.
"""

from __future__ import annotations

from collections import deque
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from vadsdk.structures import Clip, ModelSpec


class Windows(Protocol):
    """Cuts one segment's frames into clips; the loop is the caller's."""

    def push(self, image: NDArray[np.uint8]) -> Clip | None:
        """Take the next frame (H, W, 3) and return the clip it completes; a small copy is kept."""

    def flush(self) -> Clip | None:
        """Return the clip that ends with the segment, if the regular ones do not reach so far."""


class ClipWindows:
    """Cuts one segment's frames into clips; keeps its last `span` frames at the model's size."""

    def __init__(self, spec: ModelSpec, hop: int) -> None:
        self._spec = spec
        self._hop = hop
        self._images: deque[NDArray[np.uint8]] = deque(maxlen=spec.span)
        self._num_frames = 0
        self._next_start = 0

    def push(self, image: NDArray[np.uint8]) -> Clip | None:
        """Take the next frame (H, W, 3) and return the clip it completes; a small copy is kept."""
        self._images.append(shrink(image, self._spec.input_height, self._spec.input_width))
        self._num_frames += 1
        last_needed = self._next_start + (self._spec.clip_length - 1) * self._spec.frame_stride
        if last_needed != self._num_frames - 1:
            return None
        clip = self._clip(self._next_start)
        self._next_start += self._hop
        return clip

    def flush(self) -> Clip | None:
        """Return the clip that ends with the segment, if the regular ones do not reach so far."""
        reached = self._next_start - self._hop + self._spec.span if self._next_start else 0
        if reached >= self._num_frames:
            return None
        return self._clip(max(0, self._num_frames - self._spec.span))

    def _clip(self, start: int) -> Clip:
        wanted = start + np.arange(self._spec.clip_length) * self._spec.frame_stride
        positions = np.minimum(wanted, self._num_frames - 1).astype(np.int64)
        oldest = self._num_frames - len(self._images)
        images = np.stack([self._images[int(p) - oldest] for p in positions])
        return Clip(images=images, frame_indices=positions)


class KeyFrameWindows:
    """Cuts clips that end at key frames; keeps the frames of one clip at the model's size."""

    def __init__(self, spec: ModelSpec, hop: int) -> None:
        self._spec = spec
        self._hop = hop
        reach = (spec.clip_length - 1) * spec.frame_stride
        self._images: deque[NDArray[np.uint8]] = deque(maxlen=reach + 1)
        self._num_frames = 0

    def push(self, image: NDArray[np.uint8]) -> Clip | None:
        """Take the next frame (H, W, 3) and return the clip it completes; a small copy is kept."""
        self._images.append(shrink(image, self._spec.input_height, self._spec.input_width))
        self._num_frames += 1
        return None if (self._num_frames - 1) % self._hop else self._clip()

    def flush(self) -> Clip | None:
        """Return the clip that ends with the segment, if its last frame was no key frame."""
        return self._clip() if (self._num_frames - 1) % self._hop else None

    def _clip(self) -> Clip:
        newest = self._num_frames - 1
        steps = np.arange(1 - self._spec.clip_length, 1)  # -(T - 1) .. 0
        positions = np.maximum(newest + steps * self._spec.frame_stride, 0).astype(np.int64)
        oldest = self._num_frames - len(self._images)
        images = np.stack([self._images[int(p) - oldest] for p in positions])
        return Clip(images=images, frame_indices=positions)


def shrink(image: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    """Return a copy of a (H, W, 3) image at the model's size, without keeping its aspect."""
    smaller = height <= image.shape[0] and width <= image.shape[1]
    interpolation = cv2.INTER_AREA if smaller else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image, (width, height), interpolation=interpolation), np.uint8)
