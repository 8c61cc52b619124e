"""What several overlapping windows say of one frame, made one.

    frame        0   1   2   3   4   5   6   7   8 ...
    window 0     x-->.<--x-->.<--x-->.<--x-->.        logits: linear in time between the x,
    window 4                     x-->.<--x-->.<--x    the nearest x outside of them
    frame 5                          |                probabilities and class scores: their mean

Box models speak for single frames and are told about in `key_frames`.

Legend: K classes, T clip frames, h x w of the model's maps, F frames of a window.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from vadsdk.decoding import decode_frame, decode_whole_frame
from vadsdk.structures import (
    Clip,
    Detections,
    MaskDecodingSpec,
    MaskOutputs,
    ModelSpec,
    RawOutputs,
    RecognitionDecodingSpec,
    RecognitionOutputs,
)

MAX_LOGIT = 30.0
"""Clamp of the logits; exp stays finite in float32 and 1 - sigmoid(30) is 1e-13."""


class Fusion(Protocol):
    """Takes the answers to clips in their order, and hands each frame's detections out once.

    An answer does not change frames that are final, whether they were taken or not, so the results
    do not depend on when they are taken.
    """

    @property
    def num_final(self) -> int:
        """Frames before this one are final: no regular window to come speaks for them."""

    def add(self, clip: Clip, outputs: RawOutputs, row: int) -> None:
        """Add the answer to one clip, which is one row of the outputs."""

    def take(self, position: int) -> Detections:
        """Return a frame's detections, in pixels of the source, and forget them."""


@dataclass(slots=True)
class _Sum:
    num_windows: int
    values: list[NDArray[np.float32]]


class WindowMeans:
    """The mean of what windows say of each frame; holds sums for at most `span` frames at a time.

    Windows must come in the order of their starts.
    """

    def __init__(self, *, span: int, hop: int) -> None:
        self._span = span
        self._hop = hop
        self._sums: dict[int, _Sum] = {}
        self.num_final = 0
        """Frames before this one are final: no regular window to come speaks for them."""

    def frames_of(self, start: int) -> range:
        """Return the F frames that a window beginning at `start` speaks for: none that is final."""
        return range(max(start, self.num_final), start + self._span)

    def add(self, start: int, *values: NDArray[np.float32]) -> None:
        """Add one window.

        Args:
            start: its first frame.
            values: of any number and shapes, each (F, ...), a row for each of `frames_of(start)`.
        """
        for row, frame in enumerate(self.frames_of(start)):
            known = self._sums.get(frame)
            if known is None:
                # Copies: a view would keep the whole window alive, or the model's own buffer.
                self._sums[frame] = _Sum(1, [rows[row].copy() for rows in values])
                continue
            known.num_windows += 1
            for total, rows in zip(known.values, values, strict=True):
                total += rows[row]
        self.num_final = max(self.num_final, start + self._hop)

    def take(self, position: int) -> list[NDArray[np.float32]]:
        """Return the means of a frame, and forget them."""
        entry = self._sums.pop(position)
        return [total / np.float32(entry.num_windows) for total in entry.values]


class MaskFusion:
    """Of mask models: means of class scores and of pixels' probabilities, then decoded.

    Args:
        spec: of the model.
        hop: frames from one window to the next.
        frame_size: height and width of the source.
    """

    def __init__(self, spec: ModelSpec, hop: int, frame_size: tuple[int, int]) -> None:
        assert isinstance(spec.decoding, MaskDecodingSpec)
        self._decoding = spec.decoding
        self._frame_size = frame_size
        self._means = WindowMeans(span=spec.span, hop=hop)

    @property
    def num_final(self) -> int:
        """As `Fusion` says."""
        return self._means.num_final

    def add(self, clip: Clip, outputs: RawOutputs, row: int) -> None:
        """As `Fusion` says."""
        assert isinstance(outputs, MaskOutputs)
        start = int(clip.frame_indices[0])
        frames = self._means.frames_of(start)
        logits = interpolate_in_time(outputs.mask_logits[row], clip.frame_indices, frames)
        scores = _repeated(outputs.class_scores[row], len(frames))
        self._means.add(start, scores, sigmoid(logits))

    def take(self, position: int) -> Detections:
        """As `Fusion` says."""
        class_scores, probabilities = self._means.take(position)
        height, width = self._frame_size
        return decode_frame(
            class_scores, probabilities, height=height, width=width, spec=self._decoding
        )


class RecognitionFusion:
    """Of recognition models: means of class scores; the whole frame is the actor.

    Args:
        spec: of the model.
        hop: frames from one window to the next.
        frame_size: height and width of the source.
    """

    def __init__(self, spec: ModelSpec, hop: int, frame_size: tuple[int, int]) -> None:
        assert isinstance(spec.decoding, RecognitionDecodingSpec)
        self._decoding = spec.decoding
        self._frame_size = frame_size
        self._means = WindowMeans(span=spec.span, hop=hop)

    @property
    def num_final(self) -> int:
        """As `Fusion` says."""
        return self._means.num_final

    def add(self, clip: Clip, outputs: RawOutputs, row: int) -> None:
        """As `Fusion` says."""
        assert isinstance(outputs, RecognitionOutputs)
        start = int(clip.frame_indices[0])
        num_frames = len(self._means.frames_of(start))
        self._means.add(start, _repeated(outputs.class_scores[row], num_frames))

    def take(self, position: int) -> Detections:
        """As `Fusion` says."""
        (class_scores,) = self._means.take(position)
        height, width = self._frame_size
        return decode_whole_frame(class_scores, height=height, width=width, spec=self._decoding)


def interpolate_in_time(
    mask_logits: NDArray[np.float32], positions: NDArray[np.int64], frames: range
) -> NDArray[np.float32]:
    """Return the (F, h, w) logits at `frames`: linear between clip frames, the nearest outside.

    Args:
        mask_logits: (T, h, w).
        positions: (T,) frames that they belong to, never decreasing; of equal ones the last counts.
        frames: F frames, none before the first position.
    """
    times = np.asarray(frames)
    lower = np.searchsorted(positions, times, side="right") - 1  # (F,) last clip frame not after
    upper = np.minimum(lower + 1, len(positions) - 1)
    gap = np.maximum(positions[upper] - positions[lower], 1)
    # Where upper is lower (after the last clip frame), any weight gives the nearest.
    weight = ((times - positions[lower]) / gap).clip(0, 1).astype(np.float32)[:, None, None]
    below = mask_logits[lower].astype(np.float32, copy=False)
    logits: NDArray[np.float32] = below + weight * (mask_logits[upper] - below)
    return logits


def sigmoid(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return 1 / (1 + exp(-x)) in float32, without overflow."""
    values: NDArray[np.float32] = np.clip(-logits, -MAX_LOGIT, MAX_LOGIT, dtype=np.float32)
    np.exp(values, out=values)
    values += 1
    return np.reciprocal(values, out=values)


def _repeated(class_scores: NDArray[np.float32], num_frames: int) -> NDArray[np.float32]:
    """Return (F, K): a clip's scores are those of each of its frames."""
    return np.broadcast_to(class_scores, (num_frames, len(class_scores)))
