from __future__ import annotations

import errno
import json
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from tiny_network import SPEC
from tiny_videos import moving_square, write_video

from vadsdk import Detector
from vadsdk.cli.predict import run_job
from vadsdk.cli.sinks import Job, Sinks
from vadsdk.errors import VideoError
from vadsdk.export import ExportReport
from vadsdk.structures import Detections, Frame, FrameResult
from vadsdk.video import LiveSettings, LiveSource, Source, open_source, probe
from vadsdk.video.address import file_address
from vadsdk.video.given_frames import GivenFrames
from vadsdk.video.h264 import H264Encoder
from vadsdk.video.opening import open_container


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


def write_all(job: Job, source: Source) -> None:
    with Sinks(job, source) as sinks:
        for frame in sinks.watch(threading.Event()):
            sinks.write(nothing_found(frame))


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


def fill_the_disk(encoder: H264Encoder) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_file_that_cannot_be_finished_leaves_the_others_of_a_live_stream(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(H264Encoder, "finish", fill_the_disk)
    source = live_frames(3)
    with pytest.raises(VideoError, match=r"cannot write .*live\.mp4: No space left"):
        write_all(job_of(source, tmp_path), source)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["live.json", "live.jsonl"]
    assert len((tmp_path / "live.jsonl").read_text().splitlines()) == 3
    assert json.loads((tmp_path / "live.json").read_text()) == []


def test_a_lost_stream_and_each_file_that_cannot_be_finished_are_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Lost(GivenFrames):
        is_live = True

        def __iter__(self) -> Iterator[Frame]:
            yield from super().__iter__()
            raise VideoError("gave no picture")

    monkeypatch.setattr(H264Encoder, "finish", fill_the_disk)
    source = Lost(moving_square(2), fps=25)
    (tmp_path / "live.json").mkdir()  # in the way of the tubes' name
    with pytest.raises(VideoError) as caught:
        write_all(job_of(source, tmp_path), source)
    lost, tubes, video = str(caught.value).split("\n")
    assert lost == "gave no picture"
    assert f"cannot write {tmp_path / 'live.json'}: " in tubes
    assert f"cannot write {tmp_path / 'live.mp4'}: " in video


def test_one_file_that_cannot_be_finished_takes_the_others_of_a_video_along(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(H264Encoder, "finish", fill_the_disk)
    source = GivenFrames(moving_square(3), fps=25)
    with pytest.raises(VideoError, match="No space left"):
        write_all(job_of(source, tmp_path), source)
    assert list(tmp_path.iterdir()) == []


def test_a_live_stream_that_is_stopped_before_its_first_frame_is_no_error(
    tiny_export: ExportReport, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    class StoppedAtOnce(LiveSource):
        def __iter__(self) -> Iterator[Frame]:
            signal.raise_signal(signal.SIGTERM)
            return super().__iter__()

    address = file_address(write_video(tmp_path / "square.mp4", 4))
    source = StoppedAtOnce(address, LiveSettings(), open_container(address))
    out = tmp_path / "out"
    job = job_of(source, out)
    run_job(Detector.load(tiny_export.path), job)
    assert sorted(path.name for path in out.iterdir()) == ["live.json", "live.jsonl"]
    assert (out / "live.jsonl").read_text() == ""
    assert json.loads((out / "live.json").read_text()) == []
    told = capsys.readouterr().out.splitlines()
    assert told[1:] == [
        f"no frame came: {job.save} is not written",
        f"wrote {job.jsonl}",
        f"wrote {job.tubes}",
    ]


def test_a_source_without_a_frame_rate_is_written_at_the_rate_that_all_others_take(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vadsdk.video.presentation.DEFAULT_FPS", 10.0)
    source = GivenFrames(list(GivenFrames(moving_square(1))))
    source.fps = None
    write_all(job_of(source, tmp_path), source)
    assert probe(tmp_path / "live.mp4").fps == pytest.approx(10)
