"""Frames in, results out: one for each frame, once and in order, in bounded memory."""

from __future__ import annotations

from dataclasses import replace
from numbers import Integral

from vadsdk.errors import ConfigError, VideoError
from vadsdk.linking import LinkingSpec, OnlineLinker
from vadsdk.streaming.kinds import default_hop, delay_frames
from vadsdk.streaming.segment import FoundFrame, Segment, StreamSettings
from vadsdk.structures import ClipModel, Frame, FrameResult

MAX_PTS_GAP_SECONDS = 2.0
"""A longer silence is a jump: nobody is linked, and no window laid, across it."""


class StreamingDetector:
    """Runs a model over the frames of one source; the loop is the caller's (push and flush).

    It keeps the last `span` frames at the model's input size, and what is known of frames not yet
    out; no full-size image.
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
            model: of any kind. A mask or recognition model's windows overlap and are averaged; a
                box model finds actors on key frames, and they are interpolated in between.
            hop: frames from one window, or key frame, to the next: 1 to the model's span. If None,
                half the span, or 1 for a box model. Less is more accurate and costs more; the delay
                of windows stays the same, that of key frames grows with the hop.
            linking: how tubes are made; the defaults suit 25 to 30 frames a second.
            batch_size: windows that the model sees at once; more than 1 is for files, as it delays.
            max_pts_gap_seconds: a source that is silent for longer begins anew (see `flush`); to be
                raised for time-lapse footage.

        Raises:
            ConfigError: an argument out of range.
        """
        spec = model.spec
        hop = default_hop(spec) if hop is None else hop
        if not _is_whole(hop) or not 1 <= hop <= spec.span:
            raise ConfigError(
                f"hop is a whole number from 1 to {spec.span} (the model's span), not {hop!r}"
            )
        if not _is_whole(batch_size) or batch_size < 1:
            raise ConfigError(f"batch_size is a whole number from 1 on, not {batch_size!r}")
        if not max_pts_gap_seconds > 0:
            raise ConfigError(f"max_pts_gap_seconds is positive, not {max_pts_gap_seconds}")
        self._model = model
        self._settings = StreamSettings(
            hop=int(hop), batch_size=int(batch_size), linking=linking or LinkingSpec()
        )
        self._max_pts_gap_seconds = max_pts_gap_seconds
        self._linker = self._new_linker()
        self._last: tuple[int, float] | None = None  # index and time of the newest frame
        self._segment: Segment | None = None

    @property
    def hop(self) -> int:
        """Frames from one window, or key frame, to the next."""
        return self._settings.hop

    @property
    def delay_frames(self) -> int:
        """Algorithmic delay: frame i's result is out, at the latest, with frame i + delay_frames.

        The newest frame always waits for the next, since the events of the source's end come with
        its last frame; what else a frame waits for, `streaming.kinds` says. Computing times come on
        top.
        """
        settings = self._settings
        return max(1, delay_frames(self._model.spec, settings.hop, settings.batch_size))

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
        if self._segment is None:
            frame_size = (frame.height, frame.width)
            self._segment = Segment(self._model, self._settings, frame_size)
        _check_size(frame, self._segment)
        self._last = (frame.index, frame.pts_seconds)
        return results + [self._result(found) for found in self._segment.push(frame)]

    def flush(self) -> list[FrameResult]:
        """Return what is pending and end all tubes: the source is over, or jumps.

        Frames that follow begin a new segment, which may have another size; their indices and the
        ids of tubes go on.
        """
        if self._segment is None:
            return []
        results = [self._result(found) for found in self._segment.finish()]
        last = results[-1]  # the newest frame always waits
        results[-1] = replace(last, events=last.events + self._linker.finish())
        self._segment = None
        return results

    def reset(self) -> list[FrameResult]:
        """Flush, and forget the source: the next frame may have any index, and ids begin at 1."""
        results = self.flush()
        self._linker = self._new_linker()
        self._last = None
        return results

    def _new_linker(self) -> OnlineLinker:
        return OnlineLinker(self._model.spec.labels, self._settings.linking)

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

    def _result(self, found: FoundFrame) -> FrameResult:
        detections, events = self._linker.update(found.index, found.pts_seconds, found.detections)
        return FrameResult(
            index=found.index,
            pts_seconds=found.pts_seconds,
            detections=detections,
            labels=self._model.spec.labels,
            events=events,
        )


def _is_whole(number: object) -> bool:
    return isinstance(number, Integral)


def _check_size(frame: Frame, segment: Segment) -> None:
    height, width = segment.frame_size
    if (frame.height, frame.width) != (height, width):
        raise VideoError(
            f"frame {frame.index} is {frame.width}x{frame.height}, but those before it are "
            f"{width}x{height}; split the video where its size changes, or bring its frames to one "
            "size"
        )
