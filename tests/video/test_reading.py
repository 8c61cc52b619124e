from __future__ import annotations

import cv2
import numpy as np
import pytest

from vadsdk.video import VideoInfo, open_source, probe, read_frames


def test_probe_says_what_the_file_holds(make_video):
    expected = VideoInfo(width=64, height=48, fps=10.0, num_frames=10, duration_seconds=1.0)
    assert probe(make_video("a.mp4")) == expected


def test_probe_does_not_make_up_a_count(make_video):
    info = probe(make_video("a.mkv"))
    assert info.num_frames is None
    assert info.duration_seconds == pytest.approx(1.0)


def test_probe_counts_a_fragmented_file_which_tells_nothing(make_video):
    path = make_video("live.mp4", options={"movflags": "frag_keyframe+empty_moov"})
    info = probe(path)
    assert (info.num_frames, info.fps) == (10, 10.0)
    assert info.duration_seconds == pytest.approx(1.0)


def test_probe_does_not_count_the_chunks_that_an_avi_leaves_out(make_video):
    path = make_video("gaps.avi", num_frames=4, pts=[0, 1, 4, 5])
    assert probe(path).num_frames == 4
    assert [frame.pts_seconds for frame in open_source(path)] == pytest.approx([0, 0.1, 0.4, 0.5])


def test_read_frames_gives_the_frames_of_the_source(make_video):
    path = make_video("a.mp4")
    images = np.stack([frame.image for frame in open_source(path)])
    np.testing.assert_array_equal(read_frames(path), images)


@pytest.mark.parametrize("size", [(24, 32), (20, 36), (48, 64), (7, 50)])
def test_resizing_while_decoding_averages_over_areas(make_video, size):
    path = make_video("noise.mp4", num_frames=3, size=(96, 128), is_noise=True)
    full = read_frames(path)
    found = read_frames(path, size=size)
    assert found.shape == (3, *size, 3)

    def mean_error(interpolation: int) -> float:
        resized = [cv2.resize(image, size[::-1], interpolation=interpolation) for image in full]
        return float(np.abs(found.astype(int) - np.stack(resized)).mean())

    # Noise is the worst case: here skipping pixels instead is off by 30 levels and more.
    assert mean_error(cv2.INTER_AREA) < min(8, mean_error(cv2.INTER_NEAREST) / 4)
