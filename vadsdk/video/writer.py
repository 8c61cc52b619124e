"""Writing an H.264 mp4 that every browser plays, whole or not at all."""

from __future__ import annotations

import errno
import sys
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Self

import av
import numpy as np
from numpy.typing import NDArray

from vadsdk.errors import VideoError
from vadsdk.video.decoder import size_changed
from vadsdk.video.h264 import TICKS_PER_SECOND, H264Encoder
from vadsdk.video.opening import reason
from vadsdk.video.presentation import MAX_FPS
from vadsdk.whole_file import is_written_into, whole_file

_SUFFIXES = (".mp4", ".m4v", ".mov", ".mkv")


class VideoWriter:
    """A context manager that writes frames; the file appears when its block ends without an error.

    After an error, or Ctrl-C, nothing is left behind, and a file that was there before stays.
    A pipe or a device is written into; of a link, what it leads to is replaced.
    An odd height or width grows by one pixel, repeated from the edge, as the codec wants it even.

    Args:
        path: ends in .mp4, .m4v, .mov or .mkv; its folder is made.
        fps: frames a second, for frames written without a time.
        crf: x264's quality from 0 (lossless) to 51; 18 is hard to tell from the original.

    Raises:
        VideoError: the file cannot be written, the disk is full, or no frame was written.
    """

    def __init__(self, path: Path | str, *, fps: float | Fraction, crf: int = 18) -> None:
        if not 1 / MAX_FPS <= fps <= MAX_FPS:
            raise VideoError(f"fps is {fps}, expected {1 / MAX_FPS} to {MAX_FPS} frames a second")
        self._path = Path(path)
        if self._path.suffix.lower() not in _SUFFIXES:
            known = ", ".join(_SUFFIXES)
            raise VideoError(f"cannot write {path}: expected a name that ends in one of {known}")
        self._fps = Fraction(fps).limit_denominator(1001)  # 29.97002997 is meant as 30000/1001
        self._crf = crf
        self._stack = ExitStack()
        self._temporary: Path | None = None
        self._encoder: H264Encoder | None = None
        self._next_seconds = Fraction(0)
        self._last_seconds = Fraction(0)
        self._last_tick = -1
        self.num_frames = 0

    def __enter__(self) -> Self:
        """Make the folder and choose a temporary name in it."""
        try:
            self._temporary = self._stack.enter_context(whole_file(self._path))
        except OSError as error:
            raise self._cannot_write(error) from error
        return self

    def write(self, image: NDArray[np.uint8], pts_seconds: float | None = None) -> None:
        """Append a frame.

        Args:
            image: (H, W, 3) uint8 RGB, of the same size throughout.
            pts_seconds: when it is shown, kept to 3 microseconds; None: a frame after the last.

        Raises:
            VideoError: its size or time does not fit the frames before it, or the disk is full.
        """
        if self._temporary is None:
            raise VideoError(f"{self._path} is not open; write inside `with VideoWriter(...)`")
        seconds = self._next_seconds if pts_seconds is None else Fraction(pts_seconds)
        tick = self._tick(seconds)
        self._check_image(image)
        try:
            if self._encoder is None:
                self._encoder = H264Encoder(
                    self._temporary, image.shape[:2], fps=self._fps, crf=self._crf
                )
            self._encoder.encode(image, tick)
        except (av.FFmpegError, OSError) as error:
            raise self._cannot_write(error) from error
        self._last_seconds, self._last_tick = seconds, tick
        self._next_seconds = seconds + 1 / self._fps
        self.num_frames += 1

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Finish the file and give it its name, or after an error remove it."""
        if error is not None:
            if self._encoder:
                self._encoder.abandon()
            self._close(error_type, error, traceback)
            return
        try:
            self._finish()
        except BaseException:
            self._close(*sys.exc_info())
            raise
        self._close(None, None, None)

    def _finish(self) -> None:
        if self._encoder is None:
            raise VideoError(f"{self._path} was given no frame, expected at least one to write")
        try:
            self._encoder.finish()
        except (av.FFmpegError, OSError) as error:
            self._encoder.abandon()
            raise self._cannot_write(error) from error

    def _close(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._temporary = None
        try:
            self._stack.__exit__(error_type, error, traceback)
        except OSError as caught:
            raise self._cannot_write(caught) from caught

    def _tick(self, seconds: Fraction) -> int:
        if seconds < self._last_seconds:
            raise VideoError(
                f"{self._path}: frame {self.num_frames} is at {float(seconds):.6g} s, expected "
                f"{float(self._last_seconds):.6g} s or later; write frames in order of time"
            )
        # Two frames may come with one time, but a file has one tick a frame.
        return max(round(seconds * TICKS_PER_SECOND), self._last_tick + 1)

    def _check_image(self, image: NDArray[np.uint8]) -> None:
        if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
            raise VideoError(
                f"{self._path}: frame {self.num_frames} is {image.dtype} {image.shape}, "
                "expected a uint8 (H, W, 3) RGB image"
            )
        if self._encoder and image.shape[:2] != self._encoder.image_size:
            size = (image.shape[0], image.shape[1])
            raise size_changed(str(self._path), self.num_frames, self._encoder.image_size, size)

    def _cannot_write(self, error: Exception) -> VideoError:
        number = getattr(error, "errno", None)
        advice = "check the folder and its rights"
        if number in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            advice = "free some space or choose another folder"
        if number == errno.EPIPE:
            advice = "whoever read it has ended"
        left = "" if is_written_into(self._path) else ". Nothing is half-written"
        return VideoError(f"cannot write {self._path}: {reason(error)}; {advice}{left}")
