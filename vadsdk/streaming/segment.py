"""A part of a source without jumps, all of one size: frames in, detections of final frames out."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np

from vadsdk.errors import ModelFileError
from vadsdk.linking import LinkingSpec
from vadsdk.streaming.kinds import make_fusion, make_windows
from vadsdk.structures import (
    OUTPUTS_OF_KIND,
    Clip,
    ClipModel,
    Detections,
    Frame,
    MaskOutputs,
    ModelSpec,
    RawOutputs,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class StreamSettings:
    """How a source is run."""

    hop: int
    """Frames from one window, or key frame, to the next."""
    batch_size: int
    """Clips that the model sees at once."""
    linking: LinkingSpec
    """Who is who."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class FoundFrame:
    """One frame of a segment and what was found in it."""

    index: int
    """Of the frame in its source."""
    pts_seconds: float
    """Its presentation time."""
    detections: Detections
    """Without track ids yet."""


class Segment:
    """Runs the model over one segment; keeps no full-size image.

    Args:
        model: of any kind.
        settings: how it is run.
        frame_size: height and width of the frames.
    """

    def __init__(
        self, model: ClipModel, settings: StreamSettings, frame_size: tuple[int, int]
    ) -> None:
        self._model = model
        self._batch_size = settings.batch_size
        self._windows = make_windows(model.spec, settings.hop)
        self._fusion = make_fusion(model.spec, settings.hop, frame_size, settings.linking)
        self._clips: list[Clip] = []
        self._waiting: deque[tuple[int, float]] = deque()  # index and time of frames not yet out
        self._num_out = 0
        self.frame_size = frame_size
        """Height and width of the frames."""

    def push(self, frame: Frame) -> list[FoundFrame]:
        """Take the next frame and return those that are final; the newest always waits."""
        self._waiting.append((frame.index, frame.pts_seconds))
        self._add(self._windows.push(frame.image))
        if len(self._clips) == self._batch_size:
            self._run_model()
        return self._take(min(self._fusion.num_final, self._num_out + len(self._waiting) - 1))

    def finish(self) -> list[FoundFrame]:
        """Return the frames still waiting: the segment is over."""
        self._add(self._windows.flush())
        self._run_model()
        return self._take(self._num_out + len(self._waiting))

    def _add(self, clip: Clip | None) -> None:
        if clip is not None:
            self._clips.append(clip)

    def _run_model(self) -> None:
        if not self._clips:
            return
        outputs = self._model.infer(np.stack([clip.images for clip in self._clips]))
        _check_outputs(outputs, len(self._clips), self._model.spec)
        for row, clip in enumerate(self._clips):
            self._fusion.add(clip, outputs, row)
        self._clips = []

    def _take(self, stop: int) -> list[FoundFrame]:
        """Return the frames before position `stop` that are not out yet."""
        found = []
        while self._num_out < stop:
            index, pts_seconds = self._waiting.popleft()
            detections = self._fusion.take(self._num_out)
            found.append(FoundFrame(index=index, pts_seconds=pts_seconds, detections=detections))
            self._num_out += 1
        return found


def _check_outputs(outputs: RawOutputs, num_clips: int, spec: ModelSpec) -> None:
    came = (type(outputs).__name__, len(outputs.class_scores), outputs.class_scores.shape[-1])
    expected = (OUTPUTS_OF_KIND[spec.kind].__name__, num_clips, len(spec.labels))
    fits = came == expected
    if isinstance(outputs, MaskOutputs):
        fits &= outputs.mask_logits.shape[1] == spec.clip_length
    if not fits:
        shapes = {name: getattr(outputs, name).shape for name in outputs.__slots__}
        raise ModelFileError(
            f"{spec.model!r} gave {came[0]} of shapes {shapes} to {num_clips} clips, but its spec "
            f"says {expected[0]} of {len(spec.labels)} classes and {spec.clip_length} frames; the "
            "model file and its spec do not belong together: export it again"
        )
