"""A training step of paper 1's network, ours against the straightforward form, in one run.

    python benchmarks/training_step.py [--repeats 3] [--threads 2]

`videocapsnet`, 24 classes, 2 labelled and 2 unlabelled clips of 8 x 224 x 224, two views, `e2e`.
The straightforward form is what a first reading of the paper gives: float32, all votes
materialised in the routing, every layer of the decoder on its own, and the variance map by numpy
loops over frames. Both take the same step on the same clips. Writes `results/training_step.json`.
"""

from __future__ import annotations

import argparse
import gc
import statistics
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import torch
from process_memory import peak, reset_peak
from recording import record
from straightforward_step import straightforward_kernels

from vadsdk.data.batches import NO_CLASS, ClipBatch
from vadsdk.methods import build_method
from vadsdk.models import build_model
from vadsdk.training.loop import StepReport, Trainer
from vadsdk.training.optimisation import autocast_dtype
from vadsdk.training.recipes import recipe
from vadsdk.training.settings import RunConfig, merged

NUM_CLASSES, NUM_LABELLED, NUM_UNLABELLED = 24, 2, 2
FRAMES, STORED_SIDE = 8, 256
TARGET_RATIO = 1 / 3
CPU = torch.device("cpu")


@dataclass(kw_only=True)
class Form:
    """One way to take the step, and what was measured of it."""

    trainer: Trainer
    kernels: Callable[[], AbstractContextManager[None]]
    seconds: list[float] = field(default_factory=list)
    cpu_seconds: list[float] = field(default_factory=list)
    """Of all threads: what tells on a machine that others use too."""
    memory_bytes: list[int] = field(default_factory=list)
    total: float = 0.0

    def step(self, batch: ClipBatch, seed: int) -> None:
        """Take one step and note its time, memory and loss."""

        def watch(report: StepReport) -> None:
            self.total = report.losses["total"]

        gc.collect()
        torch.manual_seed(seed)  # dropout
        before = reset_peak()
        started, cpu_started = time.perf_counter(), time.process_time()
        with self.kernels():
            self.trainer.run([batch], watch)
        self.seconds.append(time.perf_counter() - started)
        self.cpu_seconds.append(time.process_time() - cpu_started)
        self.memory_bytes.append(peak() - before)

    def numbers(self) -> dict[str, Any]:
        """Return medians and spread, without the first step."""
        seconds = self.seconds[1:]
        return {
            "seconds_median": round(statistics.median(seconds), 3),
            "seconds_min": round(min(seconds), 3),
            "seconds_max": round(max(seconds), 3),
            "cpu_seconds_median": round(statistics.median(self.cpu_seconds[1:]), 3),
            "seconds_first_step": round(self.seconds[0], 3),
            "peak_memory_bytes": max(self.memory_bytes),
            "precision": str(autocast_dtype(self.trainer.settings.precision, CPU) or torch.float32),
        }


def main() -> None:
    """Measure both forms in turns and write the numbers."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    forms = {
        "ours": make_form("auto", nullcontext),
        "straightforward": make_form("fp32", straightforward_kernels),
    }
    for repeat in range(options.repeats + 1):  # the first one warms up
        for name, form in forms.items():
            form.step(make_batch(repeat), repeat)
            print(f"{name}: {form.seconds[-1]:.1f} s, loss {form.total:.4f}", flush=True)
    numbers = {name: form.numbers() for name, form in forms.items()}
    medians = [numbers[name]["seconds_median"] for name in ("ours", "straightforward")]
    ratio = medians[0] / medians[1]
    print(f"ours takes {ratio:.3f} of the time; the target is {TARGET_RATIO:.3f}")
    settings = {"repeats": options.repeats, "threads": options.threads}
    record("training_step", {**settings, **numbers, "ratio": round(ratio, 4)})


def make_form(precision: str, kernels: Callable[[], AbstractContextManager[None]]) -> Form:
    """Return a form whose network, clips and views are drawn from the same seeds."""
    sections = {
        "train": {
            "precision": precision,
            "batch_labelled": NUM_LABELLED,
            "batch_unlabelled": NUM_UNLABELLED,
        }
    }
    config: RunConfig = merged(recipe("paper1-ucf101-24"), {}, sections)
    torch.manual_seed(0)
    network = build_model(config.model, NUM_CLASSES, config.model_settings)
    method = build_method(config.method, network, {"seed": 0, **config.method_settings})
    return Form(trainer=Trainer(network, method, config.train, CPU), kernels=kernels)


def make_batch(seed: int) -> ClipBatch:
    """Return noise with a square as every actor."""
    generator = torch.Generator().manual_seed(seed)
    count = NUM_LABELLED + NUM_UNLABELLED
    size = (count, FRAMES, STORED_SIDE, STORED_SIDE)
    masks = torch.zeros(size, dtype=torch.uint8)
    masks[:NUM_LABELLED, :, 80:180, 80:180] = 1
    labelled = torch.arange(count) < NUM_LABELLED
    classes = torch.randint(NUM_CLASSES, (count,), generator=generator)
    return ClipBatch(
        clips=torch.randint(256, (*size, 3), generator=generator, dtype=torch.uint8),
        masks=masks,
        class_indices=classes.where(labelled, NO_CLASS),
        labelled=labelled,
    )


if __name__ == "__main__":
    main()
