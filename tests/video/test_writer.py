from __future__ import annotations

import os
import resource
import signal
import threading
from fractions import Fraction

import numpy as np
import pytest

from vadsdk.errors import VideoError
from vadsdk.video import VideoWriter, open_source, probe, read_frames

IMAGE = np.full((48, 64, 3), 128, np.uint8)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_what_is_written_is_read_back(tmp_path):
    y, x = np.mgrid[:48, :64]
    images = [np.stack([4 * x, 5 * y, x + y + 10 * i], -1).astype(np.uint8) for i in range(5)]
    with VideoWriter(tmp_path / "new" / "a.mp4", fps=25) as writer:
        for image in images:
            writer.write(image)
    assert writer.num_frames == 5
    assert names(tmp_path / "new") == ["a.mp4"]
    error = np.abs(read_frames(tmp_path / "new" / "a.mp4").astype(int) - np.stack(images))
    assert error.mean() < 3


@pytest.mark.parametrize("colour", [(255, 0, 0), (0, 255, 0), (0, 0, 255), (250, 250, 250)])
def test_colours_survive(tmp_path, colour):
    path = tmp_path / "a.mp4"
    with VideoWriter(path, fps=25) as writer:
        writer.write(np.full((48, 64, 3), colour, np.uint8))
    np.testing.assert_allclose(read_frames(path)[0, 20, 20], colour, atol=4)


@pytest.mark.parametrize("fps", [25, 12.5, 29.97002997, 24000 / 1001, Fraction(30000, 1001), 7])
def test_any_frame_rate_gives_evenly_spaced_times(tmp_path, fps):
    path = tmp_path / "a.mp4"
    with VideoWriter(path, fps=fps) as writer:
        for _ in range(40):
            writer.write(IMAGE)
    info = probe(path)
    assert (info.num_frames, info.fps) == (40, pytest.approx(float(fps), rel=1e-4))
    assert info.duration_seconds == pytest.approx(40 / float(fps), rel=1e-3)
    times = [frame.pts_seconds for frame in open_source(path)]
    np.testing.assert_allclose(times, np.arange(40) / float(fps), atol=3e-6)


@pytest.mark.parametrize("times", [[0.0, 0.1, 0.15, 0.7, 0.72], [0.5, 1.0, 1.5]])
def test_given_times_are_kept(tmp_path, times):
    with VideoWriter(tmp_path / "a.mp4", fps=30) as writer:
        for seconds in times:
            writer.write(IMAGE, seconds)
    found = [frame.pts_seconds for frame in open_source(tmp_path / "a.mp4")]
    np.testing.assert_allclose(found, times, atol=3e-6)


def test_the_last_frame_lasts_as_long_as_a_frame(tmp_path):
    with VideoWriter(tmp_path / "a.mp4", fps=4) as writer:
        for seconds in (0.0, 0.5, 0.6):
            writer.write(IMAGE, seconds)
    assert probe(tmp_path / "a.mp4").duration_seconds == pytest.approx(0.6 + 1 / 4, abs=0.001)


def test_two_frames_of_one_time_both_stay(tmp_path):
    with VideoWriter(tmp_path / "a.mp4", fps=30) as writer:
        for seconds in (0.0, 0.1, 0.1, 0.2):
            writer.write(IMAGE, seconds)
    found = [frame.pts_seconds for frame in open_source(tmp_path / "a.mp4")]
    np.testing.assert_allclose(found, [0.0, 0.1, 0.1, 0.2], atol=1e-5)
    assert found[1] < found[2]  # as players and muxers insist


def test_a_frame_without_a_time_follows_the_last(tmp_path):
    with VideoWriter(tmp_path / "a.mp4", fps=10) as writer:
        writer.write(IMAGE, 2.0)
        writer.write(IMAGE)
    found = [frame.pts_seconds for frame in open_source(tmp_path / "a.mp4")]
    np.testing.assert_allclose(found, [2.0, 2.1], atol=1e-5)


@pytest.mark.parametrize("size", [(47, 63), (48, 63), (47, 64), (1, 1)])
def test_odd_sizes_grow_by_a_repeated_pixel(tmp_path, size):
    path = tmp_path / "a.mp4"
    image = np.full((*size, 3), 60, np.uint8)
    image[-1, -1] = 200
    with VideoWriter(path, fps=10, crf=1) as writer:
        writer.write(image)
    found = read_frames(path)[0]
    height, width = size
    assert found.shape == (height + height % 2, width + width % 2, 3)
    assert found[-1, -1].mean() > 130


def test_the_index_comes_first_so_that_browsers_start_at_once(tmp_path):
    with VideoWriter(tmp_path / "a.mp4", fps=10) as writer:
        writer.write(IMAGE)
    content = (tmp_path / "a.mp4").read_bytes()
    assert content.index(b"moov") < content.index(b"mdat")


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
def test_a_pipe_gets_a_video_that_plays_and_stays_a_pipe(tmp_path, suffix):
    pipe, received = tmp_path / f"pipe{suffix}", tmp_path / f"received{suffix}"
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: received.write_bytes(pipe.read_bytes()))
    reader.start()
    with VideoWriter(pipe, fps=10) as writer:
        for level in (40, 200, 90):
            writer.write(np.full((48, 64, 3), level, np.uint8))
    reader.join(10)
    assert pipe.is_fifo()
    frames = list(open_source(received))
    np.testing.assert_allclose([frame.image.mean() for frame in frames], [40, 200, 90], atol=3)
    np.testing.assert_allclose([frame.pts_seconds for frame in frames], [0, 0.1, 0.2], atol=1e-3)


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_an_error_leaves_the_file_of_before(tmp_path, error):
    path = tmp_path / "a.mp4"
    path.write_bytes(b"before")

    def interrupted():
        with VideoWriter(path, fps=10) as writer:
            for _ in range(60):
                writer.write(IMAGE)
            assert len(names(tmp_path)) == 2  # the temporary name, in the same folder
            raise error

    with pytest.raises(error):
        interrupted()
    assert names(tmp_path) == ["a.mp4"]
    assert path.read_bytes() == b"before"


def test_a_video_without_frames_is_not_written(tmp_path):
    with pytest.raises(VideoError, match=r"a\.mp4 was given no frame, expected at least one"):
        with VideoWriter(tmp_path / "a.mp4", fps=10):
            pass
    assert names(tmp_path) == []


@pytest.fixture
def small_disk():
    """No file may grow beyond 20 kB, which the writer meets as it would a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    previous = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    signal.signal(signal.SIGXFSZ, previous)


@pytest.mark.parametrize("num_frames", [5, 200])  # fails at the end, and in the middle
def test_a_full_disk_is_said_and_leaves_nothing(tmp_path, small_disk, num_frames):
    rng = np.random.default_rng(3)

    def fill():
        with VideoWriter(tmp_path / "a.mp4", fps=10) as writer:
            for _ in range(num_frames):
                writer.write(rng.integers(0, 256, (96, 128, 3), np.uint8))

    with pytest.raises(
        VideoError, match=r"cannot write .*a\.mp4: .*free some space.*Nothing is half-written"
    ):
        fill()
    assert names(tmp_path) == []


def write_two(path, second, *times):
    with VideoWriter(path, fps=10) as writer:
        for image, seconds in zip((IMAGE, second), times or (None, None), strict=True):
            writer.write(image, seconds)


@pytest.mark.parametrize(
    ("second", "times", "message"),
    [
        (IMAGE[:40], (), r"a\.mp4: frame 1 is 64x40, but the frames before it are 64x48"),
        (IMAGE, (1.0, 0.5), r"frame 1 is at 0\.5 s, expected 1 s or later"),
        (IMAGE / 255, (), r"frame 1 is float64 \(48, 64, 3\), expected a uint8 \(H, W, 3\) RGB"),
        (IMAGE[..., 0], (), r"frame 1 is uint8 \(48, 64\), expected a uint8 \(H, W, 3\) RGB"),
    ],
)
def test_what_does_not_follow_the_frames_before_is_an_error(tmp_path, second, times, message):
    with pytest.raises(VideoError, match=message):
        write_two(tmp_path / "a.mp4", second, *times)
    assert names(tmp_path) == []


@pytest.mark.parametrize("fps", [0, -1, float("nan"), float("inf")])
def test_a_frame_rate_must_be_one(tmp_path, fps):
    with pytest.raises(VideoError, match=r"fps is .*, expected 0\.001 to 1000"):
        VideoWriter(tmp_path / "a.mp4", fps=fps)


def test_writing_outside_of_the_block_is_an_error(tmp_path):
    with pytest.raises(VideoError, match=r"is not open; write inside `with VideoWriter"):
        VideoWriter(tmp_path / "a.mp4", fps=10).write(IMAGE)


def test_a_folder_that_is_a_file_is_named(tmp_path):
    (tmp_path / "taken").write_bytes(b"x")
    with pytest.raises(VideoError, match=r"cannot write .*taken/a\.mp4.*check the folder"):
        with VideoWriter(tmp_path / "taken" / "a.mp4", fps=10):
            pass


def test_a_suffix_that_holds_no_video_is_named_at_once(tmp_path):
    with pytest.raises(VideoError, match=r"cannot write .*a\.gif: expected a name that ends in"):
        VideoWriter(tmp_path / "a.gif", fps=10)
