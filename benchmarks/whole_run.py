"""All steps of a run, one after another, from the opening of its bank file to the last loss."""

from __future__ import annotations

import time
from contextlib import closing
from itertools import islice
from pathlib import Path

from bench_run import BenchRun, say
from noise_bank import affordable, opened, placed, write_noise_bank
from step_forms import FORMS, SETTINGS, make_trainer, source_of
from step_numbers import WRITING_SECONDS

from vadsdk.data.bank_batches import BankBatches, bank_batches
from vadsdk.training.loop import StepReport, Trainer

NUM_STRETCHES = 10
"""Parts of the run after which what is known is written."""


def measure_whole_run(run: BenchRun, folder: Path) -> None:
    """Report the minutes of a run that takes all its steps in the form that is ours.

    The bank file is written before, as decoding is done once for all runs; it is read from the
    disk.
    """
    setting, path = SETTINGS[run.device.type], folder / "noise.bank"
    with run.report.part("bank") as numbers:
        size = affordable(setting.bank, folder, WRITING_SECONDS)
        write_noise_bank(path, size)
        numbers |= {"videos": size.num_videos, "frames": size.num_frames}
        numbers["share_of_the_data_set"] = size.num_frames / setting.bank.num_frames
    if "failed" in numbers:
        return
    started = time.perf_counter()
    trainer, source = None, None
    with run.report.part("whole_run") as numbers:
        bank = opened(path)
        source = source_of(bank, placed(bank, run.device, is_resident=True), setting)
        numbers["reading_seconds"] = time.perf_counter() - started
        trainer = make_trainer(run.device, setting, FORMS[setting.ours])
    if trainer is not None and source is not None:
        take_all_steps(run, trainer, source, started)


def take_all_steps(run: BenchRun, trainer: Trainer, source: BankBatches, started: float) -> None:
    """Report every stretch of a run as it is finished, the minutes with the last one.

    Args:
        run: the benchmark.
        trainer: before its first step.
        source: of its batches.
        started: when the run began, by `time.perf_counter`.
    """
    num_steps = SETTINGS[run.device.type].run_steps
    totals: list[float] = []

    def watch(report: StepReport) -> None:
        totals.append(report.losses["total"])

    with closing(bank_batches(source, 0, num_steps)) as batches:
        steps = trainer.steps(batches, watch)
        for _ in range(NUM_STRETCHES):
            with run.report.part("whole_run") as numbers:
                for _ in islice(steps, -(-num_steps // NUM_STRETCHES)):
                    pass
                trainer.settle(watch)
                passed = time.perf_counter() - started
                numbers |= {"steps": trainer.step, "seconds_so_far": passed}
                numbers |= {"first_loss": totals[0], "last_loss": totals[-1]}
                if trainer.step == num_steps:
                    numbers["minutes"] = passed / 60
            say("whole run", numbers)
            if "failed" in numbers:
                return
