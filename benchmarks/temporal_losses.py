"""Paper 1's two attention maps and losses, ours against numpy frame by frame, in one run.

    python benchmarks/temporal_losses.py [--repeats 9] [--threads 2]

8 clips of 8 x 224 x 224 in two views, float32 logits. The straightforward form loops over clips and
frames in numpy, with one `np.var` for each window and `np.gradient` twice for each clip; numpy runs
on one core. Two forms of the losses are measured: `default`, what `e2e` takes of itself, and
`released`, where the variance is made of logits of all 14 frames of the cycle and made a second
time, backwards; the gradient is that of `default` in both. The ratios compare losses without their
gradient, which numpy does not give; `..._with_gradient` is ours with it. All must be the same
losses, and are measured in turns. Writes `results/temporal_losses.json`.

`compiled` is what `train.compile=true` takes on a CPU, one loop over the pixels; `eager` is what
runs without a compiler. Numpy loses little to its loops, each step of which does 50,176 pixels at
once: what it spends is memory traffic, and so does any form that makes a tensor of each step. Their
floor is `sigmoids_alone`: both answers are read once and put through a sigmoid, in strips whose
results stay in the cache.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from recording import record
from torch import Tensor

from vadsdk.kernels import coherence_loop, coherence_losses
from vadsdk.kernels.coherence_form import CoherenceForm

SHAPE = (8, 8, 224, 224)
WINDOW, EPSILON = 5, 1e-7
WEIGHTS = (0.287, 1.0)  # of the variance half way through the training, and of the gradient
TARGET_RATIO = 20
FormName = Literal["default", "released"]
Maps = NDArray[np.float32]
Losses = Callable[[Tensor, Tensor, CoherenceForm, Sequence[float | Tensor]], Tensor]
OURS: dict[str, Losses] = {
    "eager": coherence_losses.coherence_losses,
    "compiled": coherence_loop.coherence_losses,
}


def main() -> None:
    """Measure both forms in turns and write the numbers."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    generator = torch.Generator().manual_seed(0)
    first = torch.randn(SHAPE, generator=generator) * 3
    second = first + torch.randn(SHAPE, generator=generator)
    numbers = {
        form: measured(form, first, second, options.repeats) for form in ("default", "released")
    }
    for form, values in numbers.items():
        for ours, ratios in values["times_faster"].items():
            wall, cpu = ratios["seconds"], ratios["cpu_seconds"]
            print(f"{form}, {ours}: {wall:.1f} times faster, in CPU time {cpu:.1f} times")
    print(f"the target is {TARGET_RATIO} times")
    record("temporal_losses", {**vars(options), "shape": SHAPE, **numbers})


def measured(form: FormName, first: Tensor, second: Tensor, repeats: int) -> dict[str, Any]:
    """Return medians and spread of both forms, without their first run."""
    answers = first.numpy(), second.numpy()
    leaves = first.clone().requires_grad_(), second.clone().requires_grad_()
    expected = losses_by_loops(*answers, form)
    runs: dict[str, Callable[[], object]] = {
        "numpy": lambda: losses_by_loops(*answers, form),
        "sigmoids_alone": lambda: sigmoids(first, second),
    }
    for name, losses in OURS.items():
        found = losses_without_maps(losses, first, second, form)
        np.testing.assert_allclose(found, expected, rtol=1e-4)
        runs[name] = partial(losses_without_maps, losses, first, second, form)
        runs[f"{name}_with_gradient"] = partial(with_gradient, losses, *leaves, form)
        runs[f"{name}_with_gradient"]()  # compiles
    seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in runs}
    for _ in range(repeats):
        for name, run in runs.items():
            seconds[name].append(timed(run))
    answer: dict[str, Any] = {name: summary(pairs) for name, pairs in seconds.items()}
    return answer | {
        "times_faster": {
            name: {
                clock: round(
                    answer["numpy"][f"{clock}_median"] / answer[name][f"{clock}_median"], 2
                )
                for clock in ("seconds", "cpu_seconds")
            }
            for name in OURS
        }
    }


def timed(run: Callable[[], object]) -> tuple[float, float]:
    """Return the seconds that a call takes, and those of all its threads together."""
    started, cpu_started = time.perf_counter(), time.process_time()
    run()
    return time.perf_counter() - started, time.process_time() - cpu_started


def summary(pairs: list[tuple[float, float]]) -> dict[str, float]:
    """Return medians and spread; CPU time is what tells on a machine that others use too."""
    wall, cpu = zip(*pairs, strict=True)
    return {
        "seconds_median": round(statistics.median(wall), 5),
        "seconds_min": round(min(wall), 5),
        "seconds_max": round(max(wall), 5),
        "cpu_seconds_median": round(statistics.median(cpu), 5),
        "cpu_seconds_min": round(min(cpu), 5),
    }


def with_gradient(losses: Losses, first: Tensor, second: Tensor, form: FormName) -> None:
    """Compute the gradients of both losses by both answers, too."""
    losses_without_maps(losses, first, second, form).sum().backward()


def losses_without_maps(losses: Losses, first: Tensor, second: Tensor, form: FormName) -> Tensor:
    """Return temporal coherence and gradient smoothness as `e2e` computes them, (2,)."""
    if form == "default":
        both = CoherenceForm(attentions=("variance", "gradient"), window=WINDOW)
        return losses(first, second, both, WEIGHTS)
    variance = CoherenceForm(
        scaling="released", window=WINDOW, compared="logits", variance_of="logits"
    )
    gradient = CoherenceForm(attentions=("gradient",), compared="logits")
    return torch.cat(
        (
            losses(first, second, variance, WEIGHTS[:1]),
            losses(first, second, gradient, WEIGHTS[1:]),
        )
    )


def sigmoids(first: Tensor, second: Tensor) -> None:
    """Put both answers through a sigmoid, as any form of the losses must, and keep nothing."""
    kept = torch.empty(2**18)
    for answer in (first, second):
        for strip in answer.flatten().split(len(kept)):
            torch.sigmoid(strip, out=kept[: len(strip)])


def losses_by_loops(first: Maps, second: Maps, form: FormName) -> tuple[float, float]:
    """Return the same, clip by clip and frame by frame in numpy."""
    weight = WEIGHTS[0]
    probabilities = 1 / (1 + np.exp(-first))
    gradient = np.stack([stretched(gradient_of_clip(clip)) for clip in probabilities])
    if form == "default":
        others = 1 / (1 + np.exp(-second))
        squares = (probabilities - others) ** 2
        pairs = zip(probabilities, others, strict=True)
        variance = np.stack([stretched(clip_variance(*pair)) for pair in pairs])
    else:
        squares = (first - second) ** 2
        variance = np.stack(
            [
                stretched(folded_variance(*pair))
                + stretched(folded_variance(pair[0][::-1], pair[1][::-1]))[::-1]
                for pair in zip(first, second, strict=True)
            ]
        )
    coherence = weight * np.mean(variance * squares) + (1 - weight) * np.mean(squares)
    return float(coherence), float(np.mean(gradient * squares))


def stretched(attention: Maps) -> Maps:
    """Return a clip's map in [0, 1]."""
    low, high = attention.min(), attention.max()
    answer: Maps = (attention - low) / (high - low + EPSILON)
    return answer


def gradient_of_clip(probabilities: Maps) -> Maps:
    """Return |eq. 6|, (T, H, W)."""
    answer: Maps = np.abs(np.gradient(np.gradient(probabilities, axis=0), axis=0))
    return answer


def window_variances(first: Maps, second: Maps, num_frames: int) -> list[Maps]:
    """Return the variance around each of the first frames of the cycle."""
    cycle = [*first, *second[-2:0:-1]]
    reach = range(-(WINDOW // 2), WINDOW // 2 + 1)
    return [np.var([cycle[(t + k) % len(cycle)] for k in reach], axis=0) for t in range(num_frames)]


def clip_variance(first: Maps, second: Maps) -> Maps:
    """Return eq. 4, (T, H, W)."""
    return np.stack(window_variances(first, second, len(first)))


def folded_variance(first: Maps, second: Maps) -> Maps:
    """Return the release's map: each frame's variance and its twin's, (T, H, W)."""
    variances = window_variances(first, second, 2 * len(first) - 2)
    return np.stack([variances[t] + variances[-t] for t in range(len(first))])


if __name__ == "__main__":
    main()
