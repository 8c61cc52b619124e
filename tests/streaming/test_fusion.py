from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit

from vadsdk.streaming.fusion import WindowFusion, interpolate_in_time, sigmoid


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


def test_overlapping_windows_are_averaged():
    fusion = WindowFusion(span=4, hop=2)
    fusion.add(np.array([0, 2]), np.array([0.2], np.float32), logits_of([0.2, 0.2]))
    fusion.add(np.array([2, 4]), np.array([0.8], np.float32), logits_of([0.6, 0.6]))
    means = [fusion.take(frame) for frame in range(6)]
    np.testing.assert_allclose(
        [float(s[0]) for s, _ in means], [0.2, 0.2, 0.5, 0.5, 0.8, 0.8], rtol=1e-6
    )
    np.testing.assert_allclose(
        [float(p[0, 0]) for _, p in means], [0.2, 0.2, 0.4, 0.4, 0.6, 0.6], rtol=1e-6
    )


def test_a_window_moved_back_leaves_final_frames_alone():
    fusion = WindowFusion(span=4, hop=4)
    fusion.add(np.array([0, 2]), np.array([0.2], np.float32), logits_of([0.2, 0.2]))
    fusion.add(np.array([1, 3]), np.array([0.8], np.float32), logits_of([0.6, 0.6]))
    scores = [float(fusion.take(frame)[0][0]) for frame in range(5)]
    np.testing.assert_allclose(scores, [0.2, 0.2, 0.2, 0.2, 0.8], rtol=1e-6)


def test_a_frame_is_handed_out_once():
    fusion = WindowFusion(span=2, hop=2)
    fusion.add(np.array([0, 1]), np.array([0.2], np.float32), logits_of([0.5, 0.5]))
    fusion.take(0)
    with pytest.raises(KeyError):
        fusion.take(0)


def logits_of(probabilities: list[float]) -> np.ndarray:
    values = np.array(probabilities)
    return np.log(values / (1 - values)).astype(np.float32)[:, None, None]
