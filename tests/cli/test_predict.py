from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from tiny_camera import camera
from tiny_network import SPEC
from tiny_videos import moving_square, write_video
from typer.testing import CliRunner, Result

from vadsdk import Detector
from vadsdk.cli.app import app
from vadsdk.cli.predict import run_job
from vadsdk.cli.sinks import Job
from vadsdk.errors import VideoError
from vadsdk.export import ExportReport
from vadsdk.structures import Frame, ModelKind
from vadsdk.video import LiveSettings, open_source, probe, read_frames
from vadsdk.video.given_frames import GivenFrames

NUM_FRAMES = 30


@pytest.fixture
def model(tiny_export: ExportReport) -> Path:
    return tiny_export.path


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_video(tmp_path_factory.mktemp("video") / "square.mp4", NUM_FRAMES)


def predict(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["predict", *map(str, arguments)], env={"COLUMNS": "120"})


def test_every_file_is_written_and_agrees_with_the_detector(
    model: Path, video: Path, tmp_path: Path
) -> None:
    save, jsonl, tubes = (tmp_path / name for name in ("out.mp4", "frames.jsonl", "tubes.json"))
    done = predict(model, video, "--save", save, "--jsonl", jsonl, "--tubes", tubes)
    assert done.exit_code == 0, done.output
    expected = Detector.load(model).predict(video)

    lines = [json.loads(line) for line in jsonl.read_text().splitlines()]
    assert [line["frame"] for line in lines] == list(range(NUM_FRAMES))
    assert [len(line["detections"]) for line in lines] == [
        len(frame.detections) for frame in expected.frames
    ]
    by_id = {entry["id"]: entry for entry in json.loads(tubes.read_text())}
    assert by_id == {tube.id: tube.to_json() for tube in expected.tubes}
    assert (probe(save).num_frames, probe(save).width, probe(save).height) == (NUM_FRAMES, 64, 48)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == [
        "frames.jsonl",
        "out.mp4",
        "tubes.json",
    ]


def test_the_video_is_drawn_on_its_own_frames(model: Path, video: Path, tmp_path: Path) -> None:
    assert predict(model, video, "--save", tmp_path / "out.mp4").exit_code == 0
    drawn, plain = read_frames(tmp_path / "out.mp4"), moving_square(NUM_FRAMES)
    for index in (0, 15, 29):  # the square's columns are bright where they were, whatever is drawn
        columns = drawn[index, 30:34].mean(axis=(0, 2))
        centre = 18 + index
        assert columns[centre - 4 : centre + 4].mean() > columns[:6].mean() + 40, index
        assert plain[index][30, centre, 0] == 250


@pytest.mark.parametrize("kind", ["box", "recognition"])
def test_models_without_masks_write_the_same_files(
    tiny_exports: dict[ModelKind, ExportReport], kind: ModelKind, video: Path, tmp_path: Path
) -> None:
    save, jsonl, tubes = (tmp_path / name for name in ("out.mp4", "frames.jsonl", "tubes.json"))
    arguments = ("--save", save, "--jsonl", jsonl, "--tubes", tubes, "--hop", 3)
    done = predict(tiny_exports[kind].path, video, *arguments)
    assert done.exit_code == 0, done.output
    lines = [json.loads(line) for line in jsonl.read_text().splitlines()]
    assert [line["frame"] for line in lines] == list(range(NUM_FRAMES))
    found = [detection for line in lines for detection in line["detections"]]
    assert found
    assert {detection["mask"] for detection in found} == {None}
    assert json.loads(tubes.read_text())
    drawn, plain = read_frames(save), np.stack(moving_square(NUM_FRAMES))
    assert np.abs(drawn.astype(int) - plain).mean() > 3  # boxes and captions


def test_what_scores_less_than_asked_is_dropped(model: Path, video: Path, tmp_path: Path) -> None:
    jsonl = tmp_path / "frames.jsonl"
    assert predict(model, video, "--jsonl", jsonl, "--min-score", 1.0).exit_code == 0
    assert not any(json.loads(line)["detections"] for line in jsonl.read_text().splitlines())
    wrong = predict(model, video, "--min-score", 2)
    assert (wrong.exit_code, "min_score must lie in [0, 1], not 2.0" in wrong.stderr) == (1, True)


def test_the_table_lists_the_tubes(model: Path, video: Path) -> None:
    done = predict(model, video)
    assert done.exit_code == 0, done.output
    tubes = Detector.load(model).predict(video).tubes
    assert f"{len(tubes)} action tube in {video}\n" in done.stdout
    assert tubes[0].label in done.stdout


def test_a_folder_of_videos_gives_files_named_after_each(model: Path, tmp_path: Path) -> None:
    videos, out = tmp_path / "videos", tmp_path / "out"
    videos.mkdir()
    for name in ("a", "b"):
        write_video(videos / f"{name}.mp4", 12)
    done = predict(model, videos, "--jsonl", out, "--save", out)
    assert done.exit_code == 0, done.output
    assert sorted(entry.name for entry in out.iterdir()) == [
        "a.jsonl",
        "a.mp4",
        "b.jsonl",
        "b.mp4",
    ]


def test_a_video_cut_short_leaves_a_message_and_no_files(
    model: Path, video: Path, tmp_path: Path
) -> None:
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(video.read_bytes()[:600])
    done = predict(model, broken, "--jsonl", tmp_path / "f.jsonl", "--save", tmp_path / "o.mp4")
    assert done.exit_code == 1
    assert "broken.mp4" in done.stderr
    assert list(tmp_path.iterdir()) == [broken]


def test_the_frames_before_a_break_are_had_where_asked_for(
    model: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cut, jsonl = tmp_path / "cut.avi", tmp_path / "frames.jsonl"
    with av.open(str(cut), "w") as container:
        stream = container.add_stream("mjpeg", rate=25)
        stream.height, stream.width, stream.pix_fmt = 48, 64, "yuvj420p"
        for image in moving_square(20):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode(None))
    cut.write_bytes(cut.read_bytes()[: cut.stat().st_size * 6 // 10])
    refused = predict(model, cut, "--jsonl", jsonl)
    assert (refused.exit_code, "predict --accept-broken" in refused.stderr) == (1, True)
    assert not jsonl.exists()
    assert predict(model, cut, "--jsonl", jsonl, "--accept-broken").exit_code == 0
    assert 8 < len(jsonl.read_text().splitlines()) < 16
    assert "is cut off" in caplog.text


def test_images_are_as_many_a_second_as_asked_for(model: Path, video: Path, tmp_path: Path) -> None:
    folder, jsonl = tmp_path / "images", tmp_path / "frames.jsonl"
    folder.mkdir()
    for index, image in enumerate(moving_square(5)):
        cv2.imwrite(str(folder / f"{index}.png"), image)
    save = tmp_path / "out.mp4"
    for options, seconds in (((), 0.04), (("--fps", 10), 0.1), (("--fps", 0.25), 4.0)):
        arguments = ("--jsonl", jsonl, "--save", save, *options)
        assert predict(model, folder, *arguments).exit_code == 0
        times = [json.loads(line)["pts_seconds"] for line in jsonl.read_text().splitlines()]
        assert times == pytest.approx([seconds * index for index in range(5)])
    assert probe(save).fps == pytest.approx(0.25)
    refused = predict(model, video, "--fps", 10)
    assert (refused.exit_code, "fps is for images alone" in refused.stderr) == (1, True)


def test_what_breaks_may_be_accepted_of_video_files_alone(model: Path, tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "0.png"), moving_square(1)[0])
    done = predict(model, tmp_path, "--accept-broken")
    assert (done.exit_code, "(predict --accept-broken) is for a video" in done.stderr) == (1, True)


def test_the_help_names_what_ends_a_live_stream() -> None:
    text = " ".join(predict("--help").stdout.split())
    assert "when it ends by Ctrl-C, SIGTERM or a closed terminal, or is lost" in text


def test_a_hop_wider_than_the_window_is_refused(model: Path, video: Path) -> None:
    done = predict(model, video, "--hop", SPEC.span + 1)
    assert done.exit_code == 1
    assert f"hop is a whole number from 1 to {SPEC.span}" in done.stderr


def test_a_text_file_as_model_is_refused(video: Path, tmp_path: Path) -> None:
    path = tmp_path / "notes.onnx"
    path.write_text("no model")
    done = predict(path, video)
    assert done.exit_code == 1
    assert "notes.onnx" in done.stderr


class Files:
    """What `predict` is told to write into a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.save, self.jsonl, self.tubes = (
            folder / name for name in ("live.mp4", "live.jsonl", "live.json")
        )

    def check(self) -> int:
        """Require all of them whole and of one mind, and nothing else; return their frames."""
        assert sorted(self.folder.iterdir()) == sorted([self.save, self.jsonl, self.tubes])
        lines = [json.loads(line) for line in self.jsonl.read_text().splitlines()]
        assert [line["frame"] for line in lines] == list(range(len(lines)))
        tubes = json.loads(self.tubes.read_text())
        assert [tube["end_frame"] for tube in tubes] == [len(lines)]  # one, to the end
        assert probe(self.save).num_frames == len(lines)
        return len(lines)


@pytest.fixture(scope="module")
def stream_bytes(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The square as a transport stream of 20 frames, large enough for FFmpeg to believe in it."""
    path = tmp_path_factory.mktemp("stream") / "live.ts"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg2video", rate=25, options={"b": "4M"})
        stream.height, stream.width, stream.pix_fmt = 192, 256, "yuv420p"
        for image in moving_square(20):
            large = np.kron(image, np.ones((4, 4, 1), np.uint8))
            container.mux(stream.encode(av.VideoFrame.from_ndarray(large, format="rgb24")))
        container.mux(stream.encode(None))
    return path.read_bytes()


@pytest.mark.usefixtures("ctrl_c_is_heard")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_live_stream_that_is_asked_to_end_keeps_its_files(
    model: Path, stream_bytes: bytes, tmp_path: Path, number: signal.Signals
) -> None:
    files, silence = Files(tmp_path), threading.Event()

    def serve(connection: socket.socket, number: int) -> None:
        connection.sendall(stream_bytes)
        silence.wait(30)

    with camera(serve) as url:
        options = ["--save", files.save, "--jsonl", files.jsonl, "--tubes", files.tubes]
        command = [sys.executable, "-m", "vadsdk", "predict", model, url, *options]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
            wait_for_lines(files.jsonl, 10)  # they can be followed while it runs
            running.send_signal(number)
            _, errors = running.communicate(timeout=20)
        silence.set()
    assert running.returncode == 0, errors
    assert 10 < files.check() <= 20


def wait_for_lines(path: Path, count: int) -> None:
    until = time.monotonic() + 60
    while not path.exists() or len(path.read_text().splitlines()) < count:
        assert time.monotonic() < until, "no lines came"
        time.sleep(0.05)


def test_a_live_stream_that_is_lost_keeps_its_files_and_is_an_error(
    model: Path, stream_bytes: bytes, tmp_path: Path
) -> None:
    files = Files(tmp_path)

    def serve(connection: socket.socket, number: int) -> None:
        connection.sendall(stream_bytes if number == 0 else b"")

    settings = LiveSettings(max_outage_seconds=0.3, first_wait_seconds=0.05)
    with camera(serve) as url:
        source = open_source(url, live=settings)
        job = Job(source=source, save=files.save, jsonl=files.jsonl, tubes=files.tubes)
        with pytest.raises(VideoError, match="gave no picture"):
            run_job(Detector.load(model), job)
    assert files.check() == 20


def test_a_stream_lost_before_its_first_frame_says_so(tmp_path: Path, model: Path) -> None:
    class Dead(GivenFrames):
        is_live = True

        def __iter__(self) -> Iterator[Frame]:
            raise VideoError("gave no picture")
            yield

    job = Job(source=Dead([], fps=5), save=tmp_path / "o.mp4", jsonl=None, tubes=None)
    with pytest.raises(VideoError, match="gave no picture"):
        run_job(Detector.load(model), job)
    assert list(tmp_path.iterdir()) == []
