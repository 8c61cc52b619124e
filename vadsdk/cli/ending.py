"""How a command is asked to end, and how a live stream and a run end then: with whole files."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vadsdk.training.stopping import StopRequest
    from vadsdk.video import Source

ENDING_SIGNALS = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
"""By which services (`docker stop`, systemd) and a terminal that is closed end a command."""


@contextmanager
def stop_on_signals(source: Source) -> Iterator[threading.Event]:
    """Give an event that the first signal to end sets for a live source, which then ends.

    Ctrl-C is one, too. A second one raises what a first one raises for any other source. What is
    ignored stays so, as `nohup` has it, and a script for what it runs in the background.
    """
    from vadsdk.video import LiveSource

    stop = threading.Event()
    if not isinstance(source, LiveSource):
        yield stop
        return

    def ask_to_stop(number: int, frame: object) -> None:
        if stop.is_set():
            raise KeyboardInterrupt if number == signal.SIGINT else SystemExit(128 + number)
        stop.set()
        source.stop()

    numbers = [signal.SIGINT, *ENDING_SIGNALS]
    heard = [n for n in numbers if signal.getsignal(n) is not signal.SIG_IGN]
    previous = {n: signal.signal(n, ask_to_stop) for n in heard}
    try:
        yield stop
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def leave_readers(code: object) -> None:
    """End this process at once if a camera's thread hangs in FFmpeg, which only waiting would end.

    Args:
        code: exit status; nothing is left to do but to return it.
    """
    reader = sys.modules.get("vadsdk.video.live_reader")  # no verb but predict imports it
    if reader is None or not reader.is_any_reading():
        return
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(code if isinstance(code, int) else int(code is not None))


@contextmanager
def end_on_signals() -> Iterator[StopRequest]:
    """Give a request that the first signal to end makes of a training, Ctrl-C among them.

    A second one raises at once what the first one raises between steps.
    """
    from vadsdk.training.stopping import StopRequest

    stop = StopRequest()

    def ask_to_end(number: int, frame: object) -> None:
        stop.make(KeyboardInterrupt() if number == signal.SIGINT else SystemExit(128 + number))

    numbers = [
        n for n in (signal.SIGINT, *ENDING_SIGNALS) if signal.getsignal(n) is not signal.SIG_IGN
    ]
    previous = {n: signal.signal(n, ask_to_end) for n in numbers}
    try:
        yield stop
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
