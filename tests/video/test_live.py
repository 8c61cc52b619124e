from __future__ import annotations

import logging
import socket
import threading
import time
from contextlib import closing
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
from tiny_camera import camera

from vadsdk.errors import VideoError
from vadsdk.video import LiveSettings, Timeouts, open_source
from vadsdk.video.live_reader import LiveClock
from vadsdk.video.newest import NewestQueue

QUICK = LiveSettings(
    timeouts=Timeouts(open_seconds=1.0, read_seconds=0.5),
    max_outage_seconds=0.3,
    first_wait_seconds=0.05,
)


@pytest.fixture
def stream_bytes(make_video):
    """Two seconds of a transport stream, which is large enough for FFmpeg to believe in it."""
    return make_video("live.ts", num_frames=20, size=(96, 128), is_noise=True).read_bytes()


def test_a_stream_reconnects_and_its_clock_goes_on(stream_bytes, caplog):
    def serve(connection: socket.socket, number: int) -> None:
        connection.sendall(stream_bytes)

    with camera(serve) as url, caplog.at_level(logging.WARNING):
        source = open_source(url, live=LiveSettings(first_wait_seconds=0.05, max_waiting_frames=64))
        assert source.is_live
        assert (source.name, source.num_frames) == (url, None)
        frames = iter(source)
        seen = [next(frames) for _ in range(50)]
        frames.close()
    assert [frame.index for frame in seen] == list(range(50))
    times = np.array([frame.pts_seconds for frame in seen])
    assert times[0] == 0
    assert (np.diff(times) > 0).all()
    np.testing.assert_allclose(np.diff(times[:20]), 0.1, atol=1e-6)
    assert f"{url}: the other side ended the stream; reconnecting" in caplog.text


def test_a_camera_that_stays_away_is_an_error_after_what_it_gave(stream_bytes):
    def serve(connection: socket.socket, number: int) -> None:
        connection.sendall(stream_bytes if number == 0 else b"")

    with camera(serve) as url:
        source = open_source(url, live=QUICK)
        frames = []
        with pytest.raises(VideoError, match=r"tcp://127.*gave no picture for .*Check the camera"):
            frames.extend(source)
    assert len(frames) == 20


def test_a_camera_that_falls_silent_runs_into_the_time_out(stream_bytes, caplog):
    silence = threading.Event()

    def serve(connection: socket.socket, number: int) -> None:
        if number == 0:
            connection.sendall(stream_bytes)
            silence.wait(10)

    with camera(serve) as url:
        started = time.monotonic()
        with pytest.raises(VideoError, match="gave no picture"):
            list(open_source(url, live=QUICK))
        assert time.monotonic() - started < 8
        silence.set()
    assert f"{url}: no answer in time; reconnecting" in caplog.text


def test_an_outage_names_the_camera_once_a_line(stream_bytes, caplog):
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        url = f"tcp://user:secret@127.0.0.1:{server.getsockname()[1]}"
        thread = threading.Thread(target=answer_once, args=(server, stream_bytes))
        thread.start()
        source = open_source(url, live=QUICK)
        thread.join()
    shown = url.replace("user:secret@", "")
    gone = rf"^{shown} gave no picture for \d s: cannot connect, Connection refused\. Check"
    with pytest.raises(VideoError, match=gone):
        list(source)
    assert f"{shown}: cannot connect, Connection refused; reconnecting" in caplog.messages
    assert "secret" not in caplog.text


def answer_once(server: socket.socket, content: bytes) -> None:
    with closing(server.accept()[0]) as connection:
        connection.sendall(content)


def test_a_server_that_never_answers_runs_into_the_time_out():
    done = threading.Event()

    def serve(connection: socket.socket, number: int) -> None:
        done.wait(5)

    with camera(serve) as url:
        address = url.replace("tcp://", "http://admin:secret@") + "/stream"
        settings = LiveSettings(timeouts=Timeouts(open_seconds=0.3, read_seconds=0.3))
        started = time.monotonic()
        with pytest.raises(VideoError, match=r"cannot open http://127.*Check that it is") as caught:
            open_source(address, live=settings)
        assert time.monotonic() - started < 3
        done.set()
    error = caught.value
    for shown in (error, error.__cause__, error.__context__):
        assert "secret" not in repr(shown)


def test_a_refused_connection_is_said_without_the_password():
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        port = server.getsockname()[1]
    with pytest.raises(VideoError, match=rf"rtsp://127\.0\.0\.1:{port}/live") as caught:
        open_source(f"rtsp://admin:secret@127.0.0.1:{port}/live", live=QUICK)
    for shown in (caught.value, caught.value.__cause__, caught.value.__context__):
        assert "secret" not in repr(shown)


def test_a_slow_consumer_gets_the_newest_frames(stream_bytes, caplog):
    served = threading.Event()

    def serve(connection: socket.socket, number: int) -> None:
        connection.sendall(stream_bytes)
        served.set()

    settings = LiveSettings(max_outage_seconds=0.2, first_wait_seconds=5.0, max_waiting_frames=4)
    with camera(serve) as url:
        source = open_source(url, live=settings)
        frames = iter(source)
        first = next(frames)
        served.wait(5)
        time.sleep(0.5)  # the reader runs ahead of us
        rest = [next(frames) for _ in range(4)]
        frames.close()
    assert rest[-1].pts_seconds - first.pts_seconds > 1.0
    assert [frame.index for frame in rest] == [1, 2, 3, 4]
    assert source.num_dropped > 0
    assert "dropped" in caplog.text


def test_a_live_source_is_read_once(stream_bytes):
    with camera(lambda connection, number: connection.sendall(stream_bytes)) as url:
        source = open_source(url)
        frames = iter(source)
        next(frames)
        frames.close()
        with pytest.raises(VideoError, match="was already read; open it again"):
            next(iter(source))


def test_a_file_behind_a_url_is_a_file(make_video):
    path = make_video("remote.mp4", options={"movflags": "faststart"})

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    handler = partial(Quiet, directory=str(path.parent))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever).start()
        source = open_source(f"http://127.0.0.1:{server.server_port}/remote.mp4")
        assert not source.is_live
        assert len(list(source)) == 10
        server.shutdown()


def test_a_stream_that_is_asked_to_stop_ends_in_an_outage(stream_bytes):
    def serve(connection: socket.socket, number: int) -> None:
        connection.sendall(stream_bytes if number == 0 else b"")

    with camera(serve) as url:
        source = open_source(url)  # which would wait a minute for the camera to come back
        started = time.monotonic()
        asked = threading.Timer(1.0, source.stop)
        asked.start()
        assert len(list(source)) == 20
        assert 1.0 < time.monotonic() - started < 5
        asked.join()


def test_a_closed_queue_takes_nothing_more():
    queue: NewestQueue[int] = NewestQueue(3)
    queue.put(1)
    queue.close()
    queue.put(2)
    assert list(queue) == [1]


@pytest.mark.parametrize("camera", ["97", 97])
def test_a_missing_camera_is_an_error(camera):
    with pytest.raises(VideoError, match=r"cannot open camera 97: .*Check that it is switched on"):
        open_source(camera)


def test_the_queue_keeps_the_newest():
    queue: NewestQueue[int] = NewestQueue(3)
    for item in range(10):
        queue.put(item)
    queue.close()
    assert list(queue) == [7, 8, 9]
    assert queue.num_dropped == 7


def test_a_connection_without_time_stamps_is_timed_by_its_frame_rate():
    clock = LiveClock(0.1)
    clock.begin_connection()
    assert [clock.present(None) for _ in range(3)] == pytest.approx([0.0, 0.1, 0.2])


def test_times_count_from_the_first_frame():
    clock = LiveClock(0.1)
    clock.begin_connection()
    assert [clock.present(stamp) for stamp in (95000.0, 95000.5)] == pytest.approx([0.0, 0.5])
    clock.begin_connection()
    assert clock.present(3.0) == pytest.approx(0.6)
