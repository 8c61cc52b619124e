"""Frames in, results out: one for each frame, once and in order, in bounded memory."""

from __future__ import annotations

from collections import deque

import numpy as np

from vadsdk.decoding import decode_frame
from vadsdk.errors import ConfigError, ModelFileError, VideoError
from vadsdk.linking import LinkingSpec, OnlineLinker
from vadsdk.streaming.fusion import WindowFusion
from vadsdk.streaming.windows import ClipWindows
from vadsdk.structures import (
    Clip,
    ClipModel,
    Detections,
    Frame,
    FrameResult,
    MaskOutputs,
    ModelSpec,
    RawOutputs,
)

MAX_PTS_GAP_SECONDS = 2.0
"""A longer silence is a jump: nobody is linked, and no window laid, across it."""


class StreamingDetector:
    """Runs a model over the frames of one source; the loop is the caller's (push and flush).

    It keeps the last `span` frames at the model's input size, and the sums of the windows that
    speak for frames not yet out; no full-size image.
    """

    def __init__(
        self,
        model: ClipModel,
        *,
        hop: int | None = None,
        linking: LinkingSpec | None = None,
        batch_size: int = 1,
        max_pts_gap_seconds: float = MAX_PTS_GAP_SECONDS,
    ) -> None:
        """Prepare for a source.

        Args:
            model: a mask model.
            hop: frames from one window to the next, 1 to the model's span; half the span if None.
                Less is more accurate and costs more; the delay stays the same.
            linking: how tubes are made; the defaults suit 25 to 30 frames a second.
            batch_size: windows that the model sees at once; more than 1 is for files, as it delays.
            max_pts_gap_seconds: a source that is silent for longer begins anew (see `flush`); to be
                raised for time-lapse footage.

        Raises:
            ConfigError: an argument out of range, or a model of another kind.
        """
        self._model = model
        self._spec = _checked_spec(model)
        self._hop = max(1, self._spec.span // 2) if hop is None else hop
        if not 1 <= self._hop <= self._spec.span:
            raise ConfigError(f"hop is 1 to {self._spec.span} (the model's span), not {hop}")
        if batch_size < 1 or max_pts_gap_seconds <= 0:
            raise ConfigError(
                "batch_size is 1 or more and max_pts_gap_seconds positive, not "
                f"{batch_size} and {max_pts_gap_seconds}"
            )
        self._batch_size = batch_size
        self._max_pts_gap_seconds = max_pts_gap_seconds
        self._linking = linking or LinkingSpec()
        self._last: tuple[int, float] | None = None  # index and time of the newest frame
        self._start_source()

    @property
    def hop(self) -> int:
        """Frames from one window to the next."""
        return self._hop

    @property
    def delay_frames(self) -> int:
        """Algorithmic delay: frame i's result is out, at the latest, with frame i + delay_frames.

        A frame waits for the last clip frame of the window that begins with it, and for the batch
        to be full; and the newest frame always waits for the next, since the events of the source's
        end come with its last frame. Computing times come on top.
        """
        reach = (self._spec.clip_length - 1) * self._spec.frame_stride
        return max(1, reach + (self._batch_size - 1) * self._hop)

    def push(self, frame: Frame) -> list[FrameResult]:
        """Take the next frame and return the results that it makes final (often none).

        Frames that a live source left out (their indices are missing) are passed over: a window
        takes the frames that came, and tubes fill the places in between.

        Raises:
            VideoError: the frame does not follow the last one, or has another size.
            ModelFileError: the model's output does not fit its spec.
        """
        self._check_order(frame)
        results = self.flush() if self._jumps(frame) else []
        self._check_size(frame)
        self._waiting.append((frame.index, frame.pts_seconds))
        self._last = (frame.index, frame.pts_seconds)
        clip = self._windows.push(frame.image)
        if clip is not None:
            self._clips.append(clip)
        if len(self._clips) == self._batch_size:
            self._run_model()
        num_pushed = self._num_out + len(self._waiting)
        return results + self._take(min(self._fusion.num_final, num_pushed - 1))

    def flush(self) -> list[FrameResult]:
        """Return what is pending and end all tubes: the source is over, or jumps.

        Frames that follow begin a new segment, which may have another size; their indices and the
        ids of tubes go on.
        """
        clip = self._windows.flush() if self._waiting else None
        if clip is not None:
            self._clips.append(clip)
        self._run_model()
        results = self._take(self._num_out + len(self._waiting))
        self._start_segment()
        return results

    def reset(self) -> list[FrameResult]:
        """Flush, and forget the source: the next frame may have any index, and ids begin at 1."""
        results = self.flush()
        self._start_source()
        return results

    def _start_source(self) -> None:
        self._linker = OnlineLinker(self._spec.labels, self._linking)
        self._last = None
        self._start_segment()

    def _start_segment(self) -> None:
        self._windows = ClipWindows(self._spec, self._hop)
        self._fusion = WindowFusion(span=self._spec.span, hop=self._hop)
        self._clips: list[Clip] = []
        self._waiting: deque[tuple[int, float]] = deque()  # index and time of frames not yet out
        self._num_out = 0  # of this segment
        self._size: tuple[int, int] | None = None  # height and width of this segment

    def _jumps(self, frame: Frame) -> bool:
        if self._last is None:
            return False
        elapsed = frame.pts_seconds - self._last[1]
        return elapsed < 0 or elapsed > self._max_pts_gap_seconds

    def _check_order(self, frame: Frame) -> None:
        if self._last is not None and frame.index <= self._last[0]:
            raise VideoError(
                f"frame {frame.index} came after frame {self._last[0]}; push frames in order, and "
                "call reset() before another source"
            )

    def _check_size(self, frame: Frame) -> None:
        size = (frame.height, frame.width)
        if self._size is not None and size != self._size:
            raise VideoError(
                f"frame {frame.index} is {frame.width}x{frame.height}, but those before it are "
                f"{self._size[1]}x{self._size[0]}; split the video where its size changes, or "
                "bring its frames to one size"
            )
        self._size = size

    def _run_model(self) -> None:
        """Run the clips at hand, at most `batch_size`."""
        if not self._clips:
            return
        raw = self._model.infer(np.stack([clip.images for clip in self._clips]))
        outputs = _checked_outputs(raw, len(self._clips), self._spec)
        for row, clip in enumerate(self._clips):
            self._fusion.add(
                clip.frame_indices, outputs.class_scores[row], outputs.mask_logits[row]
            )
        self._clips = []

    def _take(self, stop: int) -> list[FrameResult]:
        """Return the results of the segment's frames up to `stop`, exclusive."""
        results = []
        while self._num_out < stop:
            index, pts_seconds = self._waiting.popleft()
            detections, events = self._linker.update(index, pts_seconds, self._decode())
            self._num_out += 1
            if not self._waiting:  # only in a flush: the segment's last frame
                events += self._linker.finish()
            results.append(
                FrameResult(
                    index=index,
                    pts_seconds=pts_seconds,
                    detections=detections,
                    labels=self._spec.labels,
                    events=events,
                )
            )
        return results

    def _decode(self) -> Detections:
        assert self._size is not None
        class_scores, mask_probabilities = self._fusion.take(self._num_out)
        height, width = self._size
        return decode_frame(
            class_scores, mask_probabilities, height=height, width=width, spec=self._spec.decoding
        )


def _checked_spec(model: ClipModel) -> ModelSpec:
    if model.spec.kind != "mask":
        raise ConfigError(
            f"{model.spec.model!r} is a {model.spec.kind} model; streaming runs mask models so far"
        )
    return model.spec


def _checked_outputs(outputs: RawOutputs, num_clips: int, spec: ModelSpec) -> MaskOutputs:
    assert isinstance(outputs, MaskOutputs)  # the kind of the spec
    came = (outputs.class_scores.shape, outputs.mask_logits.shape[:2])
    expected = ((num_clips, len(spec.labels)), (num_clips, spec.clip_length))
    if came != expected:
        raise ModelFileError(
            f"{spec.model!r} gave class scores and masks of shapes {came}, but its spec says "
            f"{expected}; the model file and its spec do not belong together: export it again"
        )
    return outputs
