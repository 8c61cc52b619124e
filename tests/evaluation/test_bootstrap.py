from __future__ import annotations

import math

import numpy as np
import pytest

from vadsdk.errors import ConfigError
from vadsdk.evaluation.bootstrap import (
    bootstrap_interval,
    count_draws,
    draw_videos,
    paired_difference,
    percentile_interval,
)

VALUES = np.random.default_rng(7).normal(0.6, 0.2, 400)


def mean_of(values: np.ndarray):
    return lambda indices: float(values[indices].mean())


def test_the_interval_of_a_mean_is_that_of_the_normal_approximation() -> None:
    found = bootstrap_interval(mean_of(VALUES), 400, num_resamples=2000)
    half = 1.96 * VALUES.std() / math.sqrt(400)
    assert found.estimate == VALUES.mean()
    assert found.low == pytest.approx(VALUES.mean() - half, abs=0.1 * half)
    assert found.high == pytest.approx(VALUES.mean() + half, abs=0.1 * half)


def test_the_ends_are_percentiles_of_the_samples() -> None:
    found = percentile_interval(3.0, np.arange(101.0)[::-1], level=0.9)
    assert (found.estimate, found.low, found.high) == pytest.approx((3, 5, 95))
    assert found.level == 0.9


def test_a_higher_level_gives_a_wider_interval_of_the_same_samples() -> None:
    narrow, wide = (bootstrap_interval(mean_of(VALUES), 400, 200, level) for level in (0.5, 0.9))
    assert wide.low < narrow.low < narrow.high < wide.high
    assert (wide.samples == narrow.samples).all()


def test_a_seed_fixes_the_draws() -> None:
    draws = [draw_videos(5, 8, seed) for seed in (3, 3, 4)]
    assert draws[0].shape == (8, 5)
    assert (draws[0] == draws[1]).all()
    assert (draws[0] != draws[2]).any()


def test_every_video_is_drawn_as_often_as_any_other() -> None:
    counts = count_draws(draw_videos(4, 5000), 4)
    assert (counts.sum(axis=1) == 4).all()
    assert counts.mean(axis=0) == pytest.approx(np.ones(4), abs=0.05)


def test_draws_are_counted_by_video() -> None:
    draws = np.array([[0, 2, 2], [1, 1, 1]])
    assert count_draws(draws, 4).tolist() == [[1, 0, 2, 0], [0, 3, 0, 0]]


def test_resamples_without_a_score_are_left_out() -> None:
    samples = np.append(np.arange(101.0), [np.nan] * 30)
    found = percentile_interval(50.0, samples, level=0.9)
    assert (found.low, found.high) == pytest.approx((5, 95))
    nothing = percentile_interval(math.nan, np.full(3, np.nan))
    assert np.isnan([nothing.low, nothing.high]).all()


def test_a_constant_gain_is_certain_on_the_same_draws() -> None:
    found = paired_difference(mean_of(VALUES), mean_of(VALUES + 0.01), 400, 100)
    difference = found.difference
    expected = pytest.approx(0.01)
    assert (difference.estimate, difference.low, difference.high) == (expected,) * 3
    assert found.share_b_better == 1.0


def test_a_loss_has_the_opposite_sign() -> None:
    worse = np.where(np.arange(400) % 2, VALUES - 0.2, VALUES)
    found = paired_difference(mean_of(VALUES), mean_of(worse), 400, 100)
    assert found.difference.low < found.difference.estimate < found.difference.high < 0
    assert found.share_b_better == 0.0


def test_the_share_counts_the_draws_that_b_wins() -> None:
    # B is better on video 1 of two, so in the draws that have it, three of four.
    a, b = np.array([0.5, 0.5]), np.array([0.5, 0.7])
    found = paired_difference(mean_of(a), mean_of(b), 2, 4000)
    assert found.share_b_better == pytest.approx(0.75, abs=0.03)


def test_equal_detectors_do_not_beat_each_other() -> None:
    assert paired_difference(mean_of(VALUES), mean_of(VALUES), 400, 50).share_b_better == 0.0


def test_without_any_score_nobody_is_better() -> None:
    found = paired_difference(lambda _: math.nan, mean_of(VALUES), 400, 5)
    assert math.isnan(found.share_b_better)


@pytest.mark.parametrize(("num_items", "num_resamples"), [(0, 10), (10, 0)])
def test_there_must_be_something_to_draw(num_items: int, num_resamples: int) -> None:
    with pytest.raises(ConfigError, match="must be 1 or more, not"):
        bootstrap_interval(mean_of(VALUES), num_items, num_resamples)


@pytest.mark.parametrize("level", [0.0, 1.0, 95.0])
def test_a_level_is_a_share(level: float) -> None:
    with pytest.raises(ConfigError, match=rf"level must lie in \(0, 1\).*not {level}"):
        bootstrap_interval(mean_of(VALUES), 400, 5, level)
