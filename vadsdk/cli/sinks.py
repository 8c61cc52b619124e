"""Where `vadsdk predict` puts the results of one source."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vadsdk.structures import Frame, FrameResult
    from vadsdk.video import Source

DEFAULT_FPS = 25.0
"""Of the written video where the source does not tell its own."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    """One source and the files to write of it."""

    source: str | Path
    """What to watch."""
    save: Path | None
    """Annotated video."""
    jsonl: Path | None
    """A line a frame."""
    tubes: Path | None
    """All tubes."""


class Sinks:
    """The files of one job, and the frames that wait to be drawn: at most the detector's delay.

    Args:
        job: names the files.
        source: gives the frame rate of the video.
        stack: closes the files at its end, or removes them at an error.
    """

    def __init__(self, job: Job, source: Source, stack: ExitStack) -> None:
        from vadsdk.streaming import FramesWriter, TubesWriter
        from vadsdk.video import VideoWriter

        self._frames = stack.enter_context(FramesWriter(job.jsonl)) if job.jsonl else None
        self._tubes = stack.enter_context(TubesWriter(job.tubes)) if job.tubes else None
        self._video = (
            stack.enter_context(VideoWriter(job.save, fps=source.fps or DEFAULT_FPS))
            if job.save
            else None
        )
        self._waiting: deque[Frame] = deque()

    def watch(self, frames: Iterable[Frame], stop: threading.Event) -> Iterator[Frame]:
        """Pass frames on, keeping those that are to be drawn, until `stop` is set."""
        for frame in frames:
            if self._video is not None:
                self._waiting.append(frame)
            yield frame
            if stop.is_set():
                return

    def write(self, result: FrameResult) -> None:
        """Write one frame's result to every file."""
        if self._frames is not None:
            self._frames.write(result)
        if self._tubes is not None:
            self._tubes.write(result)
        if self._video is not None:
            from vadsdk.video import draw_result

            frame = self._waiting.popleft()
            assert frame.index == result.index  # one result a frame, in order
            self._video.write(draw_result(frame.image, result), frame.pts_seconds)
