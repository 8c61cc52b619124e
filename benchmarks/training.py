"""Paper 1's training step against what the device can do, each kernel against its reference.

    python benchmarks/training.py [--device cuda] [--steps 20] [--no-kernels] [--no-step]

On a card: `videocapsnet`, 4 labelled and 4 unlabelled clips of 8 x 224 x 224 in two views, frames
from a bank in the card's memory. "ours" is what `vadsdk train` does there (bfloat16, kernels,
compiled, captured as a graph); "plain" is the same network in eager float32 with the reference
operations, "plain_tf32" the same with convolutions as cuDNN takes them by default, their factors
rounded to TF32. The target is one over "plain". All take their steps in one run.

On a CPU: `videocapsnet-n`, 2 + 2 clips; kernels are the references there, so each is timed once,
and the two forms differ in precision alone.

Ceilings are measured first: a large copy, and a large product in bfloat16. FLOPs are those of the
network's own layers, counted by torch over a forward pass, times 3 for the backward: merged layers
of the decoder as merged (77 GFLOP a clip; the paper's layers one by one take 121), kernels not at
all. Frames are noise: a step's time does not depend on them. Needs torch, numpy and, on a card,
triton; writes `results/training_<device>.json` after each part. A part that fails stops no other:
its error stands in its place, and the exit status is 1.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from typing import Any

import torch
from kernel_cases import CARD, SMALL, Case, kernel_cases
from recording import GrowingRecord
from reference_kernels import exact_convolutions, reference_kernels
from timing import (
    copy_bytes_per_second,
    measured_seconds,
    peak_bytes,
    product_flops_per_second,
)
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from vadsdk.data.batches import NO_CLASS, ClipBatch
from vadsdk.kernels.view_sources import IndexedClips
from vadsdk.methods import build_method
from vadsdk.models import build_model
from vadsdk.training.loop import StepReport, Trainer
from vadsdk.training.settings import TrainSettings

NUM_CLASSES, NUM_FRAMES, STORED = 21, 8, (240, 320)
JHMDB_STEPS, JHMDB_FRAMES = 5900, 31_838
"""50 epochs over 471 unlabelled clips, 4 a step; frames of all 928 videos."""
TARGETS = {
    "kernel_share_of_copy": 0.7,
    "routing_speedup": 10.0,
    "routing_memory_ratio": 0.1,
    "step_speedup": 5.0,
    "step_share_of_product": 0.3,
    "jhmdb21_minutes": 6.0,
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Setting:
    """What is measured on a device."""

    model: str
    num_labelled: int
    num_unlabelled: int
    bank_frames: int
    forms: tuple[str, ...]


SETTINGS = {
    "cuda": Setting(
        model="videocapsnet",
        num_labelled=4,
        num_unlabelled=4,
        bank_frames=JHMDB_FRAMES,
        forms=("ours", "plain", "plain_tf32"),
    ),
    "cpu": Setting(
        model="videocapsnet-n",
        num_labelled=2,
        num_unlabelled=2,
        bank_frames=256,
        forms=("ours", "plain"),
    ),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Form:
    """One way to take a step."""

    precision: str
    settings: dict[str, Any]
    """Of training, beside the precision."""
    contexts: tuple[Callable[[], AbstractContextManager[None]], ...]
    """Entered while it is taken."""


EAGER = {"compile": False, "cuda_graph": False}
FORMS = {
    "ours": Form(precision="auto", settings={}, contexts=()),
    "plain": Form(
        precision="fp32", settings=EAGER, contexts=(reference_kernels, exact_convolutions)
    ),
    "plain_tf32": Form(precision="fp32", settings=EAGER, contexts=(reference_kernels,)),
}


def main() -> None:
    """Measure the ceilings, the kernels and the step, print and write them."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    default = "cuda" if torch.cuda.is_available() else "cpu"
    parser.add_argument("--device", default=default, choices=SETTINGS)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--no-kernels", action="store_true")
    parser.add_argument("--no-step", action="store_true")
    parser.add_argument("--threads", type=int)
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    device = torch.device(options.device)
    values: dict[str, Any] = {"targets": TARGETS}
    if device.type == "cuda":
        values["card"] = torch.cuda.get_device_name(device)
    report = GrowingRecord(f"training_{device.type}", values)
    with report.part("ceilings") as ceilings:
        ceilings |= measure_ceilings(device)
    if not options.no_kernels:
        measure_kernels(report, device, ceilings)
    if not options.no_step:
        measure_step(report, device, options.steps, ceilings)
    report.end()


def measure_ceilings(device: torch.device) -> dict[str, float]:
    """Return what the device can do at most."""
    ceilings = {
        "copy_bytes_per_second": copy_bytes_per_second(device),
        "bf16_flops_per_second": product_flops_per_second(device, torch.bfloat16),
        "fp32_flops_per_second": product_flops_per_second(device, torch.float32),
    }
    say("ceilings", ceilings)
    return ceilings


def measure_kernels(report: GrowingRecord, device: torch.device, ceilings: dict[str, Any]) -> None:
    """Report seconds, bytes and memory of each kernel, and of its reference on a card."""
    cases: list[Case] = []
    with report.part("kernels"):
        cases = kernel_cases(device, CARD if device.type == "cuda" else SMALL)
    for case in cases:
        with report.part("kernels", case.name) as numbers:
            numbers |= measure_kernel(case, device, ceilings)
        if device.type == "cuda":
            with report.part("kernels", case.name) as numbers:
                numbers |= measure_reference(case, device, numbers.get("seconds"))
        say(case.name, numbers)


def measure_kernel(case: Case, device: torch.device, ceilings: dict[str, Any]) -> dict[str, Any]:
    """Return what a kernel takes, and its share of the copy's speed where that is known."""
    seconds = measured_seconds(case.run, device, repeats=20 if device.type == "cuda" else 5)
    numbers: dict[str, Any] = {"seconds": seconds, "peak_bytes": peak_bytes(case.run, device)}
    if case.num_bytes is not None:
        numbers["bytes"] = case.num_bytes
        if copied := ceilings.get("copy_bytes_per_second"):
            numbers["share_of_copy"] = case.num_bytes / seconds / copied
    return numbers


def measure_reference(case: Case, device: torch.device, ours: float | None) -> dict[str, Any]:
    """Return what the same takes by torch's operations, and the ratio to our seconds if known."""
    with reference_kernels():
        seconds = measured_seconds(case.run, device, repeats=5, warm_up=1)
        numbers = {
            "reference_seconds": seconds,
            "reference_peak_bytes": peak_bytes(case.run, device),
        }
    return numbers if ours is None else {**numbers, "speedup": seconds / ours}


def measure_step(
    report: GrowingRecord, device: torch.device, num_steps: int, ceilings: dict[str, Any]
) -> None:
    """Report what a step takes in each form, and what it does of what the device can."""
    setting = SETTINGS[device.type]
    bank: Tensor | None = None
    with report.part("step") as answers:
        started = time.perf_counter()
        bank = bank_on(device, setting.bank_frames)
        synchronise(device)
        answers |= {"bank_seconds": time.perf_counter() - started, **vars_of(setting)}
    if bank is None:
        return
    for name in setting.forms:
        with report.part("step", name) as numbers:
            numbers |= measure_form(name, bank, setting, num_steps)
            say(name, numbers)
    if "seconds" in answers["ours"]:
        with report.part("step"):
            answers |= sum_up(answers, device, ceilings)
            say("step", {k: v for k, v in answers.items() if not isinstance(v, dict)})


def sum_up(
    answers: dict[str, Any], device: torch.device, ceilings: dict[str, Any]
) -> dict[str, Any]:
    """Return what follows from the seconds of the forms that were measured."""
    setting = SETTINGS[device.type]
    ours = answers["ours"]["seconds"]
    rows = setting.num_labelled + setting.num_unlabelled
    flops = 3 * 2 * rows * forward_flops(setting.model)  # forward and backward of two views
    found = {
        "flops": flops,
        "flops_per_second": flops / ours,
        "clips_per_second": rows / ours,
    }
    if bf16 := ceilings.get("bf16_flops_per_second"):
        found["share_of_bf16_product"] = flops / ours / bf16
    if device.type == "cuda":
        seconds = answers["bank_seconds"] + answers["ours"]["first_seconds"] + JHMDB_STEPS * ours
        found["jhmdb21_minutes"] = seconds / 60
        """Extrapolated from the steps that were taken; decoding is not in it."""
    for name, key in (("plain", "speedup"), ("plain_tf32", "speedup_over_tf32")):
        if "seconds" in answers.get(name, {}):
            found[key] = answers[name]["seconds"] / ours
    return found


def measure_form(name: str, bank: Tensor, setting: Setting, num_steps: int) -> dict[str, Any]:
    """Return seconds a step, the first ones (compiling, capture) apart, and the peak memory."""
    device, form = bank.device, FORMS[name]
    trainer = make_trainer(device, setting, form)
    totals: list[float] = []

    def watch(report: StepReport) -> None:
        totals.append(report.losses["total"])

    with ExitStack() as stack:
        for context in form.contexts:
            stack.enter_context(context())
        started = time.perf_counter()
        trainer.run(batches_of(bank, setting, 4), watch)
        synchronise(device)
        first_seconds = time.perf_counter() - started
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)
        started = time.perf_counter()
        trainer.run(batches_of(bank, setting, num_steps), watch)
        synchronise(device)
        seconds = (time.perf_counter() - started) / num_steps
    peak = torch.cuda.max_memory_allocated(device) if device.type == "cuda" else None
    return {
        "seconds": seconds,
        "first_seconds": first_seconds,
        "peak_bytes": peak,
        "first_loss": totals[0],
        "last_loss": totals[-1],
    }


def make_trainer(device: torch.device, setting: Setting, form: Form) -> Trainer:
    """Return a trainer of paper 1's method, as a run would make it."""
    torch.manual_seed(0)
    network = build_model(setting.model, NUM_CLASSES).to(device)
    if form.precision != "fp32":
        for module in network.modules():
            if isinstance(module, nn.Conv3d | nn.ConvTranspose3d):
                module.weight.data = module.weight.to(memory_format=torch.channels_last_3d)
    settings = TrainSettings(
        max_steps=JHMDB_STEPS,
        batch_labelled=setting.num_labelled,
        batch_unlabelled=setting.num_unlabelled,
        learning_rate=1e-4,
        precision=form.precision,
        **form.settings,
    )
    method = build_method("e2e", network, {"seed": 0})
    return Trainer(network, method, settings, device, note=print)


def bank_on(device: torch.device, num_frames: int) -> Tensor:
    """Return frames (N, H, W, 3) uint8 as a bank holds them, copied from the host."""
    bank = torch.empty(num_frames, *STORED, 3, dtype=torch.uint8, device=device)
    part = torch.randint(256, (min(num_frames, 256), *STORED, 3), dtype=torch.uint8)
    part = part.pin_memory() if device.type == "cuda" else part
    for start in range(0, num_frames, len(part)):
        count = min(len(part), num_frames - start)
        bank[start : start + count].copy_(part[:count], non_blocking=True)
    return bank


def batches_of(bank: Tensor, setting: Setting, count: int) -> Iterator[ClipBatch]:
    """Yield batches at random places of the bank, an actor in the middle of labelled clips."""
    rows = setting.num_labelled + setting.num_unlabelled
    labelled = torch.arange(rows) < setting.num_labelled
    classes = (torch.arange(rows) % NUM_CLASSES).where(labelled, NO_CLASS)
    masks = torch.zeros(rows, NUM_FRAMES, *STORED, dtype=torch.uint8)
    masks[: setting.num_labelled, :, 60:180, 100:220] = 1
    fixed = [value.to(bank.device) for value in (masks, classes, labelled)]
    generator = torch.Generator().manual_seed(0)
    for _ in range(count):
        starts = torch.randint(len(bank) - NUM_FRAMES, (rows, 1), generator=generator)
        places = (starts + torch.arange(NUM_FRAMES)).to(bank.device, non_blocking=True)
        yield ClipBatch(
            clips=IndexedClips(bank, places),
            masks=fixed[0],
            class_indices=fixed[1],
            labelled=fixed[2],
            num_labelled=setting.num_labelled,
        )


def forward_flops(model: str) -> int:
    """Return the operations of one clip's forward pass, two for a multiplication and addition."""
    network: Any = build_model(model, NUM_CLASSES).eval()
    side = int(network.input_size)
    clip = torch.zeros(1, 3, NUM_FRAMES, side, side)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(clip, None)
    return int(counter.get_total_flops())


def vars_of(setting: Setting) -> dict[str, Any]:
    """Return a setting as JSON."""
    names = (name for name in setting.__slots__ if name != "forms")
    return {name: getattr(setting, name) for name in names}


def synchronise(device: torch.device) -> None:
    """Wait for a card."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def say(name: str, numbers: dict[str, Any]) -> None:
    """Print a line."""
    parts = (f"{k} {v:.4g}" if isinstance(v, float) else f"{k} {v}" for k, v in numbers.items())
    print(f"{name}: {', '.join(parts)}", flush=True)


if __name__ == "__main__":
    main()
