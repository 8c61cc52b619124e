"""Processes that decode, so that a file which brings its decoder down costs one clip, not the run.

    thread 1 --request--> worker 1 ==frames==>
    thread 2 --request--> worker 2  (dies)      -> VideoError in thread 2; a new worker takes over

A broken file raises in the process that reads it; one that crashes FFmpeg, hangs or eats all memory
ends with its worker. Each is a VideoError for the caller, who leaves that video out.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import weakref
from collections.abc import Sequence
from queue import LifoQueue
from types import TracebackType
from typing import IO, Self

import numpy as np
from numpy.typing import NDArray

from vadsdk.data.decode_worker import READY, DecodeRequest
from vadsdk.errors import VideoError

DEFAULT_TIMEOUT_SECONDS = 600.0
"""For one request: a whole film may take minutes, a decoder that hangs takes for ever."""


class DecodeWorkers:
    """Decodes in other processes; safe to use from several threads at once.

    Args:
        num_workers: processes, started when they are first needed.
        timeout_seconds: a worker that takes longer for one request is ended.
    """

    def __init__(
        self, num_workers: int = 2, *, timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS
    ) -> None:
        if num_workers < 1:
            raise ValueError(f"num_workers must be 1 or more, not {num_workers}")
        self._timeout_seconds = timeout_seconds
        self._workers = [_Worker() for _ in range(num_workers)]
        self._idle: LifoQueue[_Worker] = LifoQueue()
        for worker in self._workers:
            self._idle.put(worker)
        weakref.finalize(self, _stop_all, self._workers)

    def decode(self, request: DecodeRequest) -> NDArray[np.uint8]:
        """Return the frames of a request, (F, h, w, 3) RGB; waits for an idle worker.

        Raises:
            VideoError: the file is missing or broken, or its decoder crashed or hung.
        """
        worker = self._idle.get()
        try:
            return worker.decode(request, self._timeout_seconds)
        finally:
            self._idle.put(worker)

    def close(self) -> None:
        """End the processes; `decode` would start new ones."""
        _stop_all(self._workers)

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End the processes."""
        self.close()


class _Worker:
    """One process; started, and started again after it died, by the next request."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    def decode(self, request: DecodeRequest, timeout_seconds: float) -> NDArray[np.uint8]:
        process = self._process = self._process or _start()
        timed_out = threading.Event()

        def end() -> None:
            timed_out.set()
            process.kill()

        timer = threading.Timer(timeout_seconds, end)
        timer.daemon = True
        timer.start()
        try:
            return _exchange(process, request)
        except (EOFError, OSError):
            self._process = None
            code = _reap(process)
            how = (
                f"took more than {timeout_seconds:g} s"
                if timed_out.is_set()
                else f"crashed (exit status {code})"
            )
            raise VideoError(
                f"the decoder of {request.path} {how}; convert the video anew or leave it out"
            ) from None
        except BaseException as error:
            if not isinstance(error, VideoError):  # Ctrl-C: an answer may be half read
                self.stop()
            raise
        finally:
            timer.cancel()

    def stop(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            _reap(process)


def _stop_all(workers: Sequence[_Worker]) -> None:
    for worker in workers:
        worker.stop()


def _start() -> subprocess.Popen[bytes]:
    """Start a process and wait until it can answer; that takes no time of the first request."""
    process = subprocess.Popen(
        [sys.executable, "-m", "vadsdk.data.decode_worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,  # FFmpeg's complaints; the answer says what is wrong
        start_new_session=True,  # Ctrl-C is the parent's to handle
    )
    assert process.stdout is not None
    if process.stdout.readline() != READY:
        raise VideoError(
            f"the decoding process did not start (exit status {_reap(process)}); try "
            f"{sys.executable} -m vadsdk.data.decode_worker by hand to see why"
        )
    return process


def _reap(process: subprocess.Popen[bytes]) -> int:
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            try:
                pipe.close()
            except OSError:  # a request that was still to be flushed to a dead process
                pass
    return process.wait()


def _exchange(process: subprocess.Popen[bytes], request: DecodeRequest) -> NDArray[np.uint8]:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(request.to_line())
    process.stdin.flush()
    header = process.stdout.readline()
    if not header.endswith(b"\n"):
        raise EOFError
    values = json.loads(header)
    if "error" in values:
        raise VideoError(values["error"])
    frames = np.empty(values["shape"], np.uint8)
    _read_into(process.stdout, frames.reshape(-1).data)
    return frames


def _read_into(pipe: IO[bytes], buffer: memoryview) -> None:
    position = 0
    while position < len(buffer):
        read = pipe.readinto(buffer[position:])  # type: ignore[attr-defined]
        if not read:
            raise EOFError
        position += read
