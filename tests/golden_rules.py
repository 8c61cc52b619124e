"""How the recorded reference numbers were made and stored: inputs, weights, subsamples, comparison.

The rules are those of the README in the golden folder. Every draw depends on the recorded `seed`
and a tag, so a test takes the seed out of the file and runs unchanged on a folder with another one.
Files are read with `numpy.load(path)`; the helpers take that mapping as `recorded`.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from math import prod

import numpy as np
from numpy.typing import ArrayLike, NDArray

Recorded = Mapping[str, NDArray[np.generic]]

WHOLE_LIMIT = 4096
"""Tensors with more values than this are stored as a subsample."""


def read_seed(recorded: Recorded) -> int:
    return int(recorded["seed"])


def gen(seed: int, tag: str) -> np.random.Generator:
    """The random stream of one tag."""
    return np.random.default_rng([seed, zlib.crc32(tag.encode())])


def weight(seed: int, name: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """The value of the floating-point state-dict entry `name`; integer entries stay 0."""
    rng = gen(seed, name)
    if name.endswith("conv_caps.weights"):
        value = rng.standard_normal(shape)
    elif name.endswith("conv_caps.beta_u"):
        value = 2.0 * rng.standard_normal(shape)
    elif len(shape) > 1:
        value = rng.standard_normal(shape) * np.sqrt(2.0 / prod(shape[1:]))
    elif name.endswith((".weight", "running_var")):
        value = rng.uniform(0.5, 1.5, shape)
    else:
        value = 0.1 * rng.standard_normal(shape)
    return value.astype(np.float32)


def blobs(seed: int, tag: str, b: int = 2, jitter: str | None = None) -> NDArray[np.float32]:
    """Logits of three moving Gaussian bumps a sample, (b, 1, 8, 224, 224)."""
    traits = gen(seed, tag).random((b, 3, 7))
    if jitter is not None:
        traits = traits + 0.05 * (gen(seed, jitter).random(traits.shape) - 0.5)
    t = np.arange(8.0)[:, None, None]
    y = np.arange(224.0)[None, :, None]
    x = np.arange(224.0)[None, None, :]
    logits = np.full((b, 1, 8, 224, 224), -3.0)
    for sample in range(b):
        for bump in traits[sample]:
            centre_x = 40 + 144 * bump[0] + 10 * (bump[2] - 0.5) * t
            centre_y = 40 + 144 * bump[1] + 10 * (bump[3] - 0.5) * t
            spread = 12 + 20 * bump[4]
            height = (4 + 4 * bump[5]) * (1 + 0.3 * np.sin(2 * np.pi * bump[6] + 0.9 * t))
            squared = (x - centre_x) ** 2 + (y - centre_y) ** 2
            logits[sample, 0] += height * np.exp(-squared / (2 * spread * spread))
    return logits.astype(np.float32)


def stride_of(count: int) -> int:
    """The smallest prime that is at least ceil(count / 4096); 1 where a tensor is stored whole."""
    stride = -(-count // WHOLE_LIMIT)
    while stride > 1 and any(stride % d == 0 for d in range(2, int(stride**0.5) + 1)):
        stride += 1
    return stride


def sub(values: ArrayLike) -> NDArray[np.generic]:
    """What is stored of a tensor: every stride-th value in C order."""
    flat = np.ascontiguousarray(values).reshape(-1)
    return flat[:: stride_of(flat.size)]


def stats(values: ArrayLike) -> NDArray[np.float64]:
    """Mean, population standard deviation, max |x|, min, max of the whole tensor."""
    x = np.asarray(values, np.float64)
    return np.array([x.mean(), x.std(), np.abs(x).max(), x.min(), x.max()])


def assert_recorded(
    recorded: Recorded,
    key: str,
    values: ArrayLike,
    *,
    rel: float | None = None,
    absolute: float | None = None,
) -> None:
    """Compare `values`, the whole tensor, with the array `key`: shape, subsample and stats.

    Args:
        recorded: the opened npz.
        key: the name with its precision suffix, as in `mask_logits__f64`.
        values: the whole tensor.
        rel: tolerance relative to the largest absolute value of the stored array.
        absolute: absolute tolerance; give one of the two.
    """
    if (rel is None) == (absolute is None):
        raise TypeError("give rel or absolute, not both")
    came, stored = np.asarray(values), recorded[key]
    shape = tuple(recorded[f"{key}__shape"]) if f"{key}__shape" in recorded else stored.shape
    assert came.shape == shape, f"{key}: shape {came.shape}, recorded {shape}"
    sampled = stored.size != came.size or f"{key}__shape" in recorded
    came_kept = sub(came) if sampled else came
    largest = float(np.abs(stored).max(initial=0.0))
    tolerance = absolute if absolute is not None else float(rel or 0.0) * largest
    assert_within(f"{key}", came_kept, stored.reshape(came_kept.shape), tolerance)
    if f"{key}__stats" in recorded:
        assert_within(f"{key}__stats", stats(came), recorded[f"{key}__stats"], tolerance)


def assert_within(name: str, came: ArrayLike, expected: ArrayLike, tolerance: float) -> None:
    # In float64, so that comparing never rounds; a NaN fails because it is not <= tolerance.
    gap = np.abs(np.asarray(came, np.float64) - np.asarray(expected, np.float64))
    worst = float(gap.max(initial=0.0))
    assert worst <= tolerance, f"{name}: off by {worst:.3g}, allowed {tolerance:.3g}"
