"""What the training core is to reach on a data-centre GPU, and whether it was reached."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

Values = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class Target:
    """One number to reach."""

    bound: float
    is_least: bool
    """Whether it is to be reached from below; else it is the most that is allowed."""
    found: Callable[[Values], dict[str, float | None]]
    """Of a record: each number that must reach it, by what it is of; None where it is missing."""

    def judged(self, values: Values) -> dict[str, Any]:
        """Return the verdict: "met" by all, "missed" by one, or "unmeasured"."""
        numbers = self.found(values)
        known = {name: number for name, number in numbers.items() if number is not None}
        unmeasured = sorted(numbers.keys() - known.keys())
        missed = {
            name: number
            for name, number in known.items()
            if (number < self.bound if self.is_least else number > self.bound)
        }
        answer: dict[str, Any] = {"at_least" if self.is_least else "at_most": self.bound}
        if known:
            worst = (min if self.is_least else max)(known, key=lambda name: known[name])
            answer |= {"worst": known[worst], "of": worst}
        verdict = "missed" if missed else "unmeasured" if unmeasured or not known else "met"
        answer |= {"verdict": verdict, "missed_by": missed, "unmeasured": unmeasured}
        return answer


def verdicts(values: Values) -> dict[str, Any]:
    """Return what a record says of each target, by name; that of a whole run speaks of one."""
    names = ("jhmdb21_minutes",) if "whole_run" in values else TARGETS
    return {name: TARGETS[name].judged(values) for name in names}


def verdict_lines(judged: Values) -> list[str]:
    """Return verdicts as lines to read."""
    lines = []
    for name, answer in judged.items():
        least = "at_least" in answer
        bound = f">= {answer['at_least']:g}" if least else f"<= {answer['at_most']:g}"
        line = f"{answer['verdict']:10} {name} {bound}"
        if "worst" in answer:
            line += f": {answer['worst']:.3g} ({answer['of']})"
        others = [f"{key} {value:.3g}" for key, value in answer["missed_by"].items()]
        others += [f"{key} unmeasured" for key in answer["unmeasured"]]
        lines.append(line + (f"; {', '.join(others)}" if others else ""))
    return lines


def _of_kernels(key: str, *, is_memory_bound: bool) -> Callable[[Values], dict[str, float | None]]:
    """Return what finds a number of all kernels of one kind, as a step calls them."""

    def found(values: Values) -> dict[str, float | None]:
        kernels = dict(values.get("kernels", {}))
        failed: dict[str, float | None] = {}
        if kernels.pop("failed", None):  # some cases could not even be made
            failed = {"cases that could not be made": None}
        return failed | {
            name: numbers.get(key)
            for name, numbers in kernels.items()
            if numbers["is_memory_bound"] == is_memory_bound
        }

    return found


def _of_step(key: str) -> Callable[[Values], dict[str, float | None]]:
    return lambda values: {"step": values.get("step", {}).get(key)}


def _minutes(values: Values) -> dict[str, float | None]:
    """Return the minutes of a whole run: of one that was taken, else what steps amount to."""
    if "whole_run" in values:
        return {"whole run": values["whole_run"].get("minutes")}
    return _of_step("jhmdb21_minutes")(values)


TARGETS = {
    "kernel_share_of_copy": Target(
        bound=0.7, is_least=True, found=_of_kernels("share_of_copy", is_memory_bound=True)
    ),
    "routing_speedup": Target(
        bound=10.0, is_least=True, found=_of_kernels("speedup", is_memory_bound=False)
    ),
    "routing_memory_ratio": Target(
        bound=0.1, is_least=False, found=_of_kernels("memory_ratio", is_memory_bound=False)
    ),
    "step_speedup": Target(bound=5.0, is_least=True, found=_of_step("speedup")),
    "step_share_of_product": Target(
        bound=0.3, is_least=True, found=_of_step("share_of_bf16_product")
    ),
    "jhmdb21_minutes": Target(bound=6.0, is_least=False, found=_minutes),
}
"""Kernels against a large copy, routing against its reference, the step of paper 1 against plain
float32 and a large bf16 product, and its whole run on JHMDB-21."""
