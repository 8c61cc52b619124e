from __future__ import annotations

import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from tiny_data import frame_number, write_video

from vadsdk.data.decode_worker import DecodeRequest
from vadsdk.data.decode_workers import DecodeWorkers
from vadsdk.errors import VideoError

SIZE = (24, 32)


def request(path: Path, **part: object) -> DecodeRequest:
    return DecodeRequest(path=str(path), size=SIZE, **part)


@pytest.fixture
def video(tmp_path: Path) -> Path:
    write_video(tmp_path / "a.mp4", 12)
    return tmp_path / "a.mp4"


@pytest.fixture
def fifo(tmp_path: Path) -> Path:
    """A file that keeps its reader waiting."""
    path = tmp_path / "waits.mp4"
    os.mkfifo(path)
    return path


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        ({}, list(range(12))),
        ({"frame_indices": (3, 9, 3)}, [3, 9, 3]),
        ({"frame_indices": (5, 0, 2), "start_seconds": 0.4}, [9, 4, 6]),
    ],
)
def test_frames_come_back_as_asked_for(
    video: Path, part: dict[str, object], expected: list[int]
) -> None:
    with DecodeWorkers(1) as workers:
        for _ in range(2):
            frames = workers.decode(request(video, **part))
            assert frames.shape == (len(expected), *SIZE, 3)
            assert [frame_number(frame) for frame in frames] == expected


def test_a_broken_file_is_an_error_and_the_worker_goes_on(tmp_path: Path, video: Path) -> None:
    bad = tmp_path / "bad.mp4"
    bad.write_text("no video", encoding="utf-8")
    with DecodeWorkers(1) as workers:
        for path in (bad, tmp_path / "missing.mp4"):
            with pytest.raises(VideoError, match=path.name):
                workers.decode(request(path))
        assert len(workers.decode(request(video))) == 12


def test_a_decoder_that_dies_costs_one_request(video: Path, fifo: Path) -> None:
    with DecodeWorkers(1) as workers, ThreadPoolExecutor(1) as pool:
        workers.decode(request(video))
        (process_id,) = children()
        waiting = pool.submit(workers.decode, request(fifo))
        time.sleep(0.2)
        os.kill(process_id, signal.SIGSEGV)  # as a defect in a decoder would end it
        with pytest.raises(VideoError, match=r"waits\.mp4 crashed \(exit status -11\); convert"):
            waiting.result(timeout=20)
        assert len(workers.decode(request(video))) == 12


def test_a_decoder_that_hangs_is_ended(video: Path, fifo: Path) -> None:
    with DecodeWorkers(1, timeout_seconds=3) as workers:
        with pytest.raises(VideoError, match="took more than 3 s"):
            workers.decode(request(fifo))
        assert len(workers.decode(request(video))) == 12


def test_threads_share_the_workers(video: Path) -> None:
    with DecodeWorkers(2) as workers, ThreadPoolExecutor(4) as pool:
        expected = workers.decode(request(video))
        for frames in pool.map(workers.decode, [request(video)] * 12):
            np.testing.assert_array_equal(frames, expected)
        assert len(children()) <= 2


def test_closing_leaves_no_process_behind(video: Path) -> None:
    workers = DecodeWorkers(2)
    workers.decode(request(video))
    workers.close()
    assert not children()
    assert len(workers.decode(request(video))) == 12
    del workers  # as a run that fails does
    assert not children()


def children() -> list[int]:
    """Return the decoding processes that this one has started."""
    found: list[int] = []
    for listing in Path(f"/proc/{os.getpid()}/task").glob("*/children"):
        found += [int(child) for child in listing.read_text(encoding="utf-8").split()]
    return [
        child for child in found if b"decode_worker" in Path(f"/proc/{child}/cmdline").read_bytes()
    ]
