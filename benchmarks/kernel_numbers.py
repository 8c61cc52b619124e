"""What each kernel takes, against its reference and against a large copy."""

from __future__ import annotations

from typing import Any

import torch
from bench_run import BenchRun, say
from kernel_cases import CARD, CARD_BOTH_VIEWS, SMALL, Case, Shape, loss_cases, routing_cases
from reference_kernels import reference_kernels
from timing import captured, measured_seconds, peak_bytes
from view_cases import view_cases


def measure_kernels(run: BenchRun) -> None:
    """Report the kernels as a step calls them."""
    shape = CARD if run.on_card else SMALL
    _measure(run, "kernels", shape, [case for case in _cases(run, shape) if case.is_as_trained])


def measure_other_kernels(run: BenchRun) -> None:
    """Report the kernels with other types and, on a card, all of them at twice as many clips."""
    shape = CARD if run.on_card else SMALL
    others = [case for case in _cases(run, shape) if not case.is_as_trained]
    _measure(run, "kernels_of_other_types", shape, others)
    if run.on_card:
        _measure(run, "kernels_of_both_views", CARD_BOTH_VIEWS, _cases(run, CARD_BOTH_VIEWS))


def _cases(run: BenchRun, shape: Shape) -> list[Case]:
    cases: list[Case] = []
    for make in (view_cases, routing_cases, loss_cases):
        with run.report.part("kernels"):
            torch.manual_seed(0)
            cases += make(run.device, shape)
    return cases


def _measure(run: BenchRun, section: str, shape: Shape, cases: list[Case]) -> None:
    for case in cases:
        with run.report.part(section, case.name) as numbers:
            numbers |= _described(case, shape)
        if not run.in_time(section, case.name):
            continue
        with run.report.part(section, case.name) as numbers:
            numbers |= measure_kernel(case, run)
        if run.on_card:
            with run.report.part(section, case.name) as numbers:
                numbers |= measure_captured(case, run, numbers)
            with run.report.part(section, case.name) as numbers:
                numbers |= measure_reference(case, run.device, numbers)
        say(case.name, numbers)


def _described(case: Case, shape: Shape) -> dict[str, Any]:
    return {
        "clips": shape.num_clips,
        "is_as_trained": case.is_as_trained,
        "is_memory_bound": case.is_memory_bound,
    }


def measure_kernel(case: Case, run: BenchRun) -> dict[str, Any]:
    """Return what a kernel takes, and its share of the copy's speed where that is known."""
    seconds = measured_seconds(case.run, run.device, repeats=20 if run.on_card else 5)
    found = _rates(seconds, case, run)
    return found | {"peak_bytes": peak_bytes(case.run, run.device), "bytes": case.num_bytes}


def measure_captured(case: Case, run: BenchRun, launched: dict[str, Any]) -> dict[str, Any]:
    """Return the same of a kernel that is replayed as a CUDA graph, as in a step.

    Launched one by one, the small operations beside a kernel, such as filling a scalar, leave gaps
    of microseconds, which are a part of the kernels that take tens of them.
    """
    seconds = measured_seconds(captured(case.run, run.device), run.device)
    found = _rates(seconds, case, run)
    if "seconds" in launched:
        found["seconds_launched_one_by_one"] = launched["seconds"]
    return found


def _rates(seconds: float, case: Case, run: BenchRun) -> dict[str, Any]:
    numbers: dict[str, Any] = {
        "seconds": seconds,
        "bytes_per_second": case.num_bytes / seconds,
    }
    if copied := run.ceilings.get("copy_bytes_per_second"):
        numbers["share_of_copy"] = case.num_bytes / seconds / copied
    return numbers


def measure_reference(case: Case, device: torch.device, ours: dict[str, Any]) -> dict[str, Any]:
    """Return what the same takes by torch's operations, and how ours compares where it is known."""
    with reference_kernels():
        seconds = measured_seconds(case.run, device, repeats=5, warm_up=1)
        peak = peak_bytes(case.run, device)
    numbers: dict[str, Any] = {"reference_seconds": seconds, "reference_peak_bytes": peak}
    if "seconds" in ours:
        numbers["speedup"] = seconds / ours["seconds"]
    if peak and "peak_bytes" in ours:
        numbers["memory_ratio"] = ours["peak_bytes"] / peak
    return numbers
