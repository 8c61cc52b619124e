"""How sure a score is: percentile bootstrap over videos (Efron 1979).

Videos are drawn with repetition, as many as there are, and the score is taken anew, so that frames
of one video, which resemble each other, stand or fall together. For mAP `resampled_precision` takes
all draws at once.

Legend: V videos, R resamples.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vadsdk.errors import ConfigError

Statistic = Callable[[NDArray[np.int64]], float]
"""(V,) indices of videos, with repetition -> a score, NaN where it has no meaning."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class BootstrapInterval:
    """A score and the range in which it lies for most draws of videos."""

    estimate: float
    """The score of all videos, each once."""
    low: float
    """Lower end; NaN if the score has no meaning in any resample."""
    high: float
    """Upper end; likewise."""
    level: float
    """Share of the resamples between both ends."""
    samples: NDArray[np.float64]
    """(R,) the score of each resample; NaN where it has no meaning, which the ends leave out."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class PairedDifference:
    """How much better B is than A on the same draws of videos."""

    difference: BootstrapInterval
    """The score of B less that of A."""
    share_b_better: float
    """Share of the resamples in which B scores more; equal scores count for A."""


def bootstrap_interval(
    statistic: Statistic,
    num_items: int,
    num_resamples: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> BootstrapInterval:
    """Return a score with its percentile interval.

    Args:
        statistic: the score of the videos with the given indices.
        num_items: V, how many videos there are.
        num_resamples: R.
        level: share of the resamples that the interval holds; in (0, 1).
        seed: of the draws; equal seeds draw the same videos whatever the statistic.

    Raises:
        ConfigError: a count below 1, or a level out of range.
    """
    draws = draw_videos(num_items, num_resamples, seed)
    samples = np.array([statistic(indices) for indices in draws], np.float64)
    return percentile_interval(float(statistic(np.arange(num_items))), samples, level)


def paired_difference(
    statistic_a: Statistic,
    statistic_b: Statistic,
    num_items: int,
    num_resamples: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> PairedDifference:
    """Return how much better B is than A, both scored on the same draws.

    The arguments and errors are those of `bootstrap_interval`.
    """

    def difference(indices: NDArray[np.int64]) -> float:
        return float(statistic_b(indices)) - float(statistic_a(indices))

    interval = bootstrap_interval(difference, num_items, num_resamples, level, seed)
    known = interval.samples[np.isfinite(interval.samples)]
    return PairedDifference(
        difference=interval,
        share_b_better=float((known > 0).mean()) if len(known) else math.nan,
    )


def draw_videos(num_items: int, num_resamples: int = 1000, seed: int = 0) -> NDArray[np.int64]:
    """Return (R, V) indices of videos, drawn with repetition.

    Raises:
        ConfigError: a count below 1.
    """
    if num_items < 1 or num_resamples < 1:
        raise ConfigError(
            f"num_items and num_resamples must be 1 or more, not {num_items} and {num_resamples}"
        )
    return np.random.default_rng(seed).integers(num_items, size=(num_resamples, num_items))


def count_draws(draws: NDArray[np.int64], num_items: int) -> NDArray[np.int64]:
    """Return (R, V): how often each resample of `draws`, (R, any number), has each video."""
    counts = np.zeros((len(draws), num_items), np.int64)
    np.add.at(counts, (np.arange(len(draws))[:, None], draws), 1)
    return counts


def percentile_interval(
    estimate: float, samples: NDArray[np.float64], level: float = 0.95
) -> BootstrapInterval:
    """Return the interval between the percentiles of (R,) resampled scores.

    Raises:
        ConfigError: the level is out of range.
    """
    if not 0.0 < level < 1.0:
        raise ConfigError(f"level must lie in (0, 1), as 0.95 does, not {level}")
    known = samples[np.isfinite(samples)]
    tails = ((1 - level) / 2, (1 + level) / 2)
    low, high = np.quantile(known, tails) if len(known) else (math.nan, math.nan)
    return BootstrapInterval(
        estimate=estimate, low=float(low), high=float(high), level=level, samples=samples
    )
