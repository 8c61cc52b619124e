"""The ways to take paper 1's step that are compared, and what a step takes in each of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack, closing
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from noise_bank import BankSize
from reference_kernels import exact_convolutions, plain_layout, reference_kernels, written_maps
from timing import peak_since, start_peak, synchronise

from vadsdk.data.bank_batches import BankBatches, bank_batches
from vadsdk.data.bank_on_device import BankOnDevice
from vadsdk.data.clip_bank import ClipBank
from vadsdk.data.sampling import ClipSampler
from vadsdk.methods import build_method
from vadsdk.models import build_model
from vadsdk.training.loop import StepReport, Trainer
from vadsdk.training.settings import TrainSettings

NUM_CLASSES = 21
"""Of JHMDB-21."""
JHMDB_STEPS = 5900
"""50 epochs over 471 unlabelled clips, 4 a step."""
NUM_BLOCKS = 4
"""Parts of the measured steps that are timed by themselves, which tells the spread."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Setting:
    """What is measured on a device."""

    model: str
    num_labelled: int
    num_unlabelled: int
    bank: BankSize
    forms: tuple[str, ...]
    """In the order in which they are measured."""
    ours: str
    """The form that `vadsdk train` takes there of itself."""
    run_steps: int
    """That `--whole-run` takes."""

    @property
    def num_clips(self) -> int:
        """Of a batch."""
        return self.num_labelled + self.num_unlabelled


JHMDB_BANK = BankSize(num_videos=928, num_frames=31_838, stored=(240, 320), num_classes=NUM_CLASSES)
"""All videos of the data set at its own size: 7.3 GB of frames."""
SETTINGS = {
    "cuda": Setting(
        model="videocapsnet",
        num_labelled=4,
        num_unlabelled=4,
        bank=JHMDB_BANK,
        forms=("eager", "graph", "plain", "compiled_graph", "compiled", "plain_tf32"),
        ours="compiled_graph",
        run_steps=JHMDB_STEPS,
    ),
    "cpu": Setting(
        model="videocapsnet-n",
        num_labelled=2,
        num_unlabelled=2,
        bank=BankSize(num_videos=10, num_frames=256, stored=(120, 160), num_classes=3),
        forms=("eager", "plain"),
        ours="eager",
        run_steps=40,
    ),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Form:
    """One way to take a step."""

    precision: str
    compiles: bool
    captures: bool
    contexts: tuple[Callable[[], AbstractContextManager[None]], ...] = ()
    """Entered before anything is made."""
    takes_references: bool = False
    """Whether all kernels take their references."""
    num_first: int = 4
    """Steps that do not count: they compile, choose algorithms, and the last of them captures."""
    most_steps: int | None = None
    """That are worth while; None: as many as are asked for."""


_PLAIN: dict[str, Any] = {
    "precision": "fp32",
    "compiles": False,
    "captures": False,
    "takes_references": True,
    "num_first": 2,
    "most_steps": 8,
}
FORMS: Mapping[str, Form] = {
    "eager": Form(precision="auto", compiles=False, captures=False),
    "graph": Form(precision="auto", compiles=False, captures=True),
    "compiled": Form(precision="auto", compiles=True, captures=False),
    "compiled_graph": Form(precision="auto", compiles=True, captures=True),
    "plain": Form(**_PLAIN, contexts=(plain_layout, written_maps, exact_convolutions)),
    "plain_tf32": Form(**_PLAIN, contexts=(plain_layout, written_maps)),
}
"""Ours: the device's precision and kernels, with or without torch.compile and a CUDA graph. Plain:
the same network in eager float32 with the reference operations."""


def source_of(bank: ClipBank, on_device: BankOnDevice, setting: Setting) -> BankBatches:
    """Return what gives paper 1's batches: clips of 8 frames, every other one of the video."""
    sampler = ClipSampler(
        bank,
        bank.labels,
        clip_length=8,
        frame_stride=2,
        num_labelled=setting.num_labelled,
        num_unlabelled=setting.num_unlabelled,
        seed=0,
    )
    return BankBatches(sampler, on_device)


def make_trainer(device: torch.device, setting: Setting, form: Form) -> Trainer:
    """Return a trainer of paper 1's method, as a run would make it."""
    torch.manual_seed(0)
    network = build_model(setting.model, NUM_CLASSES).to(device)
    settings = TrainSettings(
        max_steps=JHMDB_STEPS,
        batch_labelled=setting.num_labelled,
        batch_unlabelled=setting.num_unlabelled,
        learning_rate=1e-4,
        precision=form.precision,
        compile=form.compiles,
        cuda_graph=form.captures,
    )
    method = build_method("e2e", network, {"seed": 0})
    return Trainer(network, method, settings, device, note=print)


def measure_form(
    name: str, sources: Mapping[str, BankBatches], setting: Setting, num_steps: int
) -> dict[str, Any]:
    """Return what a step takes of each source of batches, one after another, in one training.

    Args:
        name: of the form.
        sources: by name; numbers of the first are the form's own, others under their names.
        setting: of the device.
        num_steps: that count, of each source.
    """
    form = FORMS[name]
    device = next(iter(sources.values())).bank.device
    num_steps = min(num_steps, form.most_steps or num_steps)
    with ExitStack() as stack:
        for context in form.contexts:
            stack.enter_context(context())
        trainer = make_trainer(device, setting, form)
        if form.takes_references:  # and not before there is an optimiser
            stack.enter_context(reference_kernels())
        found = {
            where: measured_steps(trainer, source, form.num_first, num_steps)
            for where, source in sources.items()
        }
    own, *others = found.items()
    return own[1] | dict(others)


def measured_steps(
    trainer: Trainer, source: BankBatches, num_first: int, num_steps: int
) -> dict[str, Any]:
    """Return seconds a step, the first ones apart, and the peak memory of all, the bank's included.

    Args:
        trainer: goes on from where it is.
        source: of batches; a trainer that knows its kind of batch needs no first steps.
        num_first: steps that do not count.
        num_steps: steps that do.
    """
    device = source.bank.device
    totals: list[float] = []

    def watch(report: StepReport) -> None:
        totals.append(report.losses["total"])

    block = max(num_steps // NUM_BLOCKS, 1)
    stops = {num_first + block * number for number in range(NUM_BLOCKS + 1)}
    marks: list[float] = []
    count = num_first + block * NUM_BLOCKS
    start_peak(device)  # a captured step takes its memory when it is captured
    started = time.perf_counter()
    with closing(bank_batches(source, trainer.step, trainer.step + count)) as batches:
        for number, _ in enumerate(trainer.steps(batches, watch), start=1):
            if number in stops:
                synchronise(device)
                marks.append(time.perf_counter())
        trainer.settle(watch)
    blocks = [(after - before) / block for before, after in pairwise(marks)]
    return {
        "seconds": (marks[-1] - marks[0]) / (block * NUM_BLOCKS),
        "seconds_of_blocks": blocks,
        "first_seconds": marks[0] - started,
        "num_first": num_first,
        "num_steps": block * NUM_BLOCKS,
        "peak_bytes": peak_since(device),
        "first_loss": totals[0],
        "last_loss": totals[-1],
    }
