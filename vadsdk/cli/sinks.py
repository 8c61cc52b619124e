"""Where `vadsdk predict` puts the results of one source."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from vadsdk.errors import VideoError

if TYPE_CHECKING:
    from vadsdk.structures import Frame, FrameResult
    from vadsdk.video import Source


@dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    """One source and the files to write of it."""

    source: str | Path | Source
    """What to watch."""
    save: Path | None
    """Annotated video."""
    jsonl: Path | None
    """A line a frame."""
    tubes: Path | None
    """All tubes."""
    fps: float | None = None
    """Images a second, of a folder of images."""
    accept_broken: bool = False
    """Whether a file that breaks midway is watched as far as it goes."""

    @property
    def outputs(self) -> dict[str, Path]:
        """The files that are asked for, by option."""
        named = {"--save": self.save, "--jsonl": self.jsonl, "--tubes": self.tubes}
        return {option: path for option, path in named.items() if path is not None}


class Sinks:
    """A context manager: the files of one job, and the frames that wait to be drawn.

    No more wait than the detector's delay. The files of a video appear whole, or after an error not
    at all; what came of a live stream cannot be had again, so its files are finished all the same.

    Args:
        job: names the files.
        source: of the frames, opened.
    """

    def __init__(self, job: Job, source: Source) -> None:
        from vadsdk.streaming import FramesWriter, TubesWriter
        from vadsdk.video import VideoWriter
        from vadsdk.video.presentation import DEFAULT_FPS

        self._source = source
        self._frames = self._tubes = self._video = None
        self._waiting: deque[Frame] = deque()
        self.failure: VideoError | None = None
        """Why a live stream was lost; what it gave before is written."""
        self.num_written = 0
        """Frames whose results are written."""
        with ExitStack() as opened:
            if job.jsonl:
                lines = FramesWriter(job.jsonl, is_live=source.is_live)
                self._frames = opened.enter_context(lines)
            if job.tubes:
                self._tubes = opened.enter_context(TubesWriter(job.tubes))
            if job.save:
                writer = VideoWriter(job.save, fps=source.fps or DEFAULT_FPS)
                self._video = opened.enter_context(writer)
            self._opened = opened.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Finish the files, or at an error remove those of a video that is no live stream.

        Raises:
            VideoError: files could not be finished; those of a live stream that could are there.
        """
        if not self._source.is_live:
            self._opened.__exit__(kind, error, traceback)
            return
        failures = self._finish_each()
        if failures and error is None:  # after an error, a full disk was said already
            told = [self.failure, *failures] if self.failure else failures
            raise VideoError("\n".join(map(str, told))) from failures[0]

    def _finish_each(self) -> list[VideoError]:
        """Finish every file whatever becomes of the others; return why some could not be."""
        failures: list[VideoError] = []
        for writer in (self._frames, self._tubes, self._video):
            if writer is None:
                continue
            try:
                writer.__exit__(None, None, None)
            except VideoError as failure:
                if writer is self._video and not self._video.num_frames:
                    continue  # the stream ended before its first frame, of which there is no video
                failures.append(failure)
        return failures

    def watch(self, stop: threading.Event) -> Source:
        """Return the source with its frames passed on until `stop` is set.

        A live stream that is lost ends there, so that what it gave is detected to its end.
        """
        return _Watched(self._source, self._watch(stop))

    def _watch(self, stop: threading.Event) -> Iterator[Frame]:
        try:
            for frame in self._source:
                if self._video is not None:
                    self._waiting.append(frame)
                yield frame
                if stop.is_set():
                    return
        except VideoError as error:
            if not self._source.is_live:
                raise
            self.failure = error

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
        self.num_written += 1


class _Watched:
    """A source whose frames come by another way, once."""

    def __init__(self, source: Source, frames: Iterator[Frame]) -> None:
        self.name, self.fps = source.name, source.fps
        self.num_frames, self.is_live = source.num_frames, source.is_live
        self._frames = frames

    def __iter__(self) -> Iterator[Frame]:
        return self._frames
