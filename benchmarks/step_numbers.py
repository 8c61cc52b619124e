"""What a step takes in each form, from a bank on the device and from one on the host."""

from __future__ import annotations

import time
from contextlib import closing
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from bench_run import BenchRun, say
from noise_bank import affordable, opened, placed, write_noise_bank
from step_costs import StepCosts, forward_costs, step_costs
from step_forms import JHMDB_STEPS, NUM_CLASSES, SETTINGS, Setting, measure_form, source_of
from timing import synchronise

from vadsdk.data.bank_batches import BankBatches, bank_batches
from vadsdk.models import build_model

WRITING_SECONDS = 15.0
"""That the bank file may take; on a slower disk it is smaller."""
NUM_DRAWN = 40
"""Batches that are drawn without learning from them."""
RESIDENT, ON_HOST = "from_device", "from_host"


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Banks:
    """One bank file, opened, as sources of batches."""

    resident: BankBatches
    """From the device's memory."""
    on_host: BankBatches
    """Gathered on the host for each batch."""


def measure_steps(
    run: BenchRun, folder: Path, num_steps: int, forms: tuple[str, ...] | None
) -> None:
    """Report the bank, a step in each form, and what follows from them.

    Args:
        run: the benchmark.
        folder: where the bank file may lie.
        num_steps: that count, of each form.
        forms: to take; None: those of the device.
    """
    setting, costs = SETTINGS[run.device.type], None
    banks = measure_bank(run, setting, folder)
    if banks is None:
        return
    with run.report.part("step") as answers:
        costs = costs_of(setting, number_bytes=2 if run.on_card else 4)
        answers |= {"model": setting.model, "clips": setting.num_clips}
        answers |= {"flops": costs.flops, "bytes": costs.num_bytes}
    for name in forms or setting.forms:
        if not run.in_time("step", name):
            continue
        sources = {RESIDENT: banks.resident}
        if name == setting.ours:
            sources[ON_HOST] = banks.on_host
        with run.report.part("step", name) as numbers:
            numbers |= measure_form(name, sources, setting, num_steps)
            if costs is not None:
                numbers |= rates(numbers["seconds"], costs, setting, run.ceilings)
            say(name, numbers)
        with run.report.part("step"):
            answers |= sum_up(answers, setting, run.report.values["bank"])
    say("step", {k: v for k, v in answers.items() if not isinstance(v, dict)})


def measure_bank(run: BenchRun, setting: Setting, folder: Path) -> Banks | None:
    """Report the making and reading of the bank file; None if it cannot be had."""
    banks: Banks | None = None
    with run.report.part("bank") as numbers:
        path = folder / "noise.bank"
        size = affordable(setting.bank, folder, WRITING_SECONDS)
        seconds = [time.perf_counter()]
        write_noise_bank(path, size)
        seconds.append(time.perf_counter())
        bank = opened(path)
        seconds.append(time.perf_counter())
        resident = placed(bank, run.device, is_resident=True)
        seconds.append(time.perf_counter())
        on_host = placed(bank, run.device, is_resident=False)
        writing, opening, upload = (b - a for a, b in pairwise(seconds))
        numbers |= {
            "videos": size.num_videos,
            "frames": size.num_frames,
            "bytes": bank.num_bytes,
            "share_of_the_data_set": size.num_frames / setting.bank.num_frames,
            "write_seconds": writing,
            "open_seconds": opening,
            "upload_seconds": upload,
            "upload_bytes_per_second": bank.num_bytes / upload,
        }
        banks = Banks(
            resident=source_of(bank, resident, setting),
            on_host=source_of(bank, on_host, setting),
        )
    if banks is not None:
        with run.report.part("bank") as numbers:
            numbers["batch_seconds_from_device"] = drawing_seconds(banks.resident)
            numbers["batch_seconds_from_host"] = drawing_seconds(banks.on_host)
    say("bank", numbers)
    return banks


def drawing_seconds(source: BankBatches) -> float:
    """Return the seconds that a batch takes if nobody learns from it, after a first one."""
    with closing(bank_batches(source, 0, NUM_DRAWN + 1)) as batches:
        next(batches)
        synchronise(source.bank.device)
        started = time.perf_counter()
        for _ in batches:
            pass
        synchronise(source.bank.device)
        return (time.perf_counter() - started) / NUM_DRAWN


def costs_of(setting: Setting, *, number_bytes: int) -> StepCosts:
    """Return what a step of a setting calculates and moves at least."""
    network: Any = build_model(setting.model, NUM_CLASSES).eval()
    side = int(network.input_size)
    forward = forward_costs(network, torch.zeros(1, 3, 8, side, side))
    return step_costs(forward, num_clips=setting.num_clips, number_bytes=number_bytes)


def rates(
    seconds: float, costs: StepCosts, setting: Setting, ceilings: dict[str, Any]
) -> dict[str, float]:
    """Return what a step does in a second, and of what the device can do at most."""
    found = {
        "clips_per_second": setting.num_clips / seconds,
        "flops_per_second": costs.flops / seconds,
        "bytes_per_second": costs.num_bytes / seconds,
    }
    for rate, ceiling, share in (
        ("flops_per_second", "bf16_flops_per_second", "share_of_bf16_product"),
        ("bytes_per_second", "copy_bytes_per_second", "share_of_copy"),
    ):
        if ceiling in ceilings:
            found[share] = found[rate] / ceilings[ceiling]
    return found


def sum_up(answers: dict[str, Any], setting: Setting, bank: dict[str, Any]) -> dict[str, Any]:
    """Return what follows from the forms that were measured so far."""
    ours = answers.get(setting.ours, {})
    if "seconds" not in ours:
        return {}
    found: dict[str, Any] = {"ours": setting.ours, "seconds": ours["seconds"]}
    if "share_of_bf16_product" in ours:
        found["share_of_bf16_product"] = ours["share_of_bf16_product"]
    ratios = {"speedup": "plain", "speedup_over_tf32": "plain_tf32", "speedup_over_eager": "eager"}
    for key, other in ratios.items():
        if other != setting.ours and "seconds" in answers.get(other, {}):
            found[key] = answers[other]["seconds"] / ours["seconds"]
    for key, without, with_it in (
        ("compiling_speeds_up", "eager", "compiled"),
        ("compiling_speeds_up_graphs", "graph", "compiled_graph"),
        ("graphs_speed_up", "eager", "graph"),
        ("graphs_speed_up_compiled", "compiled", "compiled_graph"),
    ):
        if all("seconds" in answers.get(name, {}) for name in (without, with_it)):
            found[key] = answers[without]["seconds"] / answers[with_it]["seconds"]
    if setting.run_steps == JHMDB_STEPS:
        found["jhmdb21_minutes"] = run_minutes(ours, setting, bank)
        if "seconds" in ours.get(ON_HOST, {}):
            from_host = {**ours[ON_HOST], "first_seconds": ours["first_seconds"]}
            found["jhmdb21_minutes_from_host"] = run_minutes(from_host, setting, bank)
    return found


def run_minutes(numbers: dict[str, Any], setting: Setting, bank: dict[str, Any]) -> float:
    """Return the minutes of a whole run, as its first and its other steps have it.

    Reading the bank from the disk is in it, by its share of the data set; decoding, once for all
    runs, is not. Of the first steps, other forms may have compiled the kernels already.
    """
    reading = (bank["open_seconds"] + bank["upload_seconds"]) / bank["share_of_the_data_set"]
    others = (setting.run_steps - numbers["num_first"]) * numbers["seconds"]
    return float(reading + numbers["first_seconds"] + others) / 60
