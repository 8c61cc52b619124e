from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tiny_videos import write_video

from vadsdk.cli.ending import stop_on_signals
from vadsdk.video import LiveSettings, LiveSource, open_source
from vadsdk.video.address import file_address
from vadsdk.video.opening import open_container


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_video(tmp_path_factory.mktemp("video") / "square.mp4", 4)


@pytest.fixture
def live(video: Path) -> LiveSource:
    address = file_address(video)
    return LiveSource(address, LiveSettings(), open_container(address))


@pytest.mark.usefixtures("ctrl_c_is_heard")
def test_the_second_ctrl_c_raises(live: LiveSource) -> None:
    with stop_on_signals(live) as stop:
        signal.raise_signal(signal.SIGINT)
        assert stop.is_set()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        with pytest.raises(SystemExit):
            signal.raise_signal(signal.SIGTERM)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_that_is_ignored_stays_ignored(live: LiveSource, number: signal.Signals) -> None:
    before = signal.signal(number, signal.SIG_IGN)  # as a script's `predict rtsp://... &` has it
    try:
        with stop_on_signals(live) as stop:
            signal.raise_signal(number)
            assert not stop.is_set()
            assert signal.getsignal(number) is signal.SIG_IGN
    finally:
        signal.signal(number, before)


@pytest.mark.usefixtures("ctrl_c_is_heard")
def test_ctrl_c_on_a_file_raises_at_once(video: Path) -> None:
    with stop_on_signals(open_source(video)), pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)


def test_a_reader_that_hangs_at_the_end_is_left_behind() -> None:
    """An interpreter that ends around a thread in FFmpeg crashes; waiting for it takes seconds."""
    code = """
import time
from vadsdk.cli.ending import leave_readers
from vadsdk.video import live_reader

class Hanging:
    is_reading = True
    def end(self):
        time.sleep(60)

hanging = Hanging()
live_reader._started.add(hanging)
print("said before")
leave_readers(3)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=False
    )
    assert (done.returncode, done.stdout) == (3, "said before\n")
