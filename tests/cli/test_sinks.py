from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest
from tiny_network import SPEC
from tiny_videos import moving_square, write_video

from vadsdk.cli.sinks import Job, Sinks
from vadsdk.structures import Detections, Frame, FrameResult
from vadsdk.video import Source, open_source, probe
from vadsdk.video.given_frames import GivenFrames


def live_frames(num_frames: int) -> GivenFrames:
    source = GivenFrames(moving_square(num_frames), fps=25)
    source.is_live = True
    return source


def job_of(source: Source, folder: Path) -> Job:
    return Job(
        source=source,
        save=folder / "live.mp4",
        jsonl=folder / "live.jsonl",
        tubes=folder / "live.json",
    )


def nothing_found(frame: Frame) -> FrameResult:
    return FrameResult(
        index=frame.index,
        pts_seconds=frame.pts_seconds,
        detections=Detections.empty(len(SPEC.labels)),
        labels=SPEC.labels,
        events=(),
    )


def test_a_failing_model_leaves_what_a_live_stream_gave(tmp_path: Path) -> None:
    source = live_frames(3)
    job = job_of(source, tmp_path)

    def run_out_of_memory() -> None:
        with Sinks(job, source) as sinks:
            for frame in sinks.watch(threading.Event()):
                sinks.write(nothing_found(frame))
                if frame.index == 1:
                    raise RuntimeError("out of memory")

    with pytest.raises(RuntimeError, match="out of memory"):
        run_out_of_memory()
    lines = (tmp_path / "live.jsonl").read_text().splitlines()
    assert len(lines) == probe(tmp_path / "live.mp4").num_frames == 2
    assert json.loads((tmp_path / "live.json").read_text()) == []


def test_a_stopped_source_gives_no_further_frame(tmp_path: Path) -> None:
    source = open_source(write_video(tmp_path / "square.mp4", 4))
    stop, job = threading.Event(), Job(source=source, save=None, jsonl=None, tubes=None)
    with Sinks(job, source) as sinks:
        frames = iter(sinks.watch(stop))
        assert next(frames).index == 0
        stop.set()
        assert list(frames) == []
