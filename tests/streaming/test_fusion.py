from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit

from vadsdk.streaming.fusion import WindowMeans, interpolate_in_time, sigmoid


def test_logits_are_linear_in_time_and_constant_outside():
    logits = np.array([0.0, 4.0, 2.0], np.float32)[:, None, None]
    found = interpolate_in_time(logits, np.array([3, 5, 9]), range(3, 12))
    assert found[:, 0, 0].tolist() == [0, 2, 4, 3.5, 3, 2.5, 2, 2, 2]


@settings(max_examples=50, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    steps=st.lists(st.integers(1, 4), min_size=0, max_size=6),
    start=st.integers(0, 9),
    extra=st.integers(0, 5),
)
def test_interpolation_agrees_with_numpy(seed: int, steps: list[int], start: int, extra: int):
    positions = start + np.cumsum([0, *steps])
    logits = np.random.default_rng(seed).normal(size=(len(positions), 2, 3)).astype(np.float32)
    frames = range(start, int(positions[-1]) + 1 + extra)
    found = interpolate_in_time(logits, positions, frames)
    for y, x in np.ndindex(2, 3):
        expected = np.interp(list(frames), positions, logits[:, y, x])
        np.testing.assert_allclose(found[:, y, x], expected, atol=1e-6)


def test_sigmoid_agrees_with_scipy_and_never_overflows():
    values = np.array([-1e4, -30, -3, 0, 0.5, 30, 1e4], np.float32)
    with np.errstate(all="raise"):
        found = sigmoid(values)
    np.testing.assert_allclose(found, expit(values.astype(float)), atol=1e-7)


def rows(value: float, num_frames: int) -> np.ndarray:
    return np.full((num_frames, 1), value, np.float32)


def test_overlapping_windows_are_averaged():
    means = WindowMeans(span=4, hop=2)
    means.add(0, rows(0.2, 4), rows(1.0, 4))
    means.add(2, rows(0.8, 4), rows(3.0, 4))
    found = [[float(value[0]) for value in means.take(frame)] for frame in range(6)]
    expected = [[0.2, 1], [0.2, 1], [0.5, 2], [0.5, 2], [0.8, 3], [0.8, 3]]
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_a_window_moved_back_leaves_final_frames_alone():
    means = WindowMeans(span=4, hop=4)
    means.add(0, rows(0.2, 4))
    assert (means.num_final, means.frames_of(1)) == (4, range(4, 5))
    means.add(1, rows(0.8, 1))
    scores = [float(means.take(frame)[0][0]) for frame in range(5)]
    np.testing.assert_allclose(scores, [0.2, 0.2, 0.2, 0.2, 0.8], rtol=1e-6)


def test_what_was_added_is_kept_as_it_was():
    means, values = WindowMeans(span=2, hop=1), rows(0.2, 2)
    means.add(0, values)
    values[:] = 9
    assert float(means.take(0)[0][0]) == pytest.approx(0.2)


def test_a_frame_is_handed_out_once():
    means = WindowMeans(span=2, hop=2)
    means.add(0, rows(0.2, 2))
    means.take(0)
    with pytest.raises(KeyError):
        means.take(0)
