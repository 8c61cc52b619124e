"""One run of the training benchmark: its record, its device, and the time that it has."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field
from typing import Any

import torch
from recording import GrowingRecord


@dataclass(frozen=True, kw_only=True, slots=True)
class BenchRun:
    """What all parts of the benchmark know."""

    report: GrowingRecord
    device: torch.device
    deadline: float = float("inf")
    """By `time.monotonic`; no part is begun after it."""
    ceilings: dict[str, Any] = field(default_factory=dict)
    """What the device can do at most, as far as it was measured."""

    @property
    def on_card(self) -> bool:
        """Whether the device is a GPU."""
        return self.device.type == "cuda"

    def in_time(self, *path: str) -> bool:
        """Return whether a part may begin; one that may not is named in the record.

        Args:
            path: keys of the part, from the outermost.
        """
        if time.monotonic() < self.deadline:
            return True
        with self.report.part(*path) as numbers:
            numbers["left_out"] = "the time limit came first"
        print(f"{' '.join(path)}: left out, as the time limit came first", flush=True)
        return False


def record_name(device: torch.device) -> str:
    """Return the name of a device's record, such as "training_h200" or "training_cpu"."""
    if device.type != "cuda":
        return f"training_{device.type}"
    name = torch.cuda.get_device_name(device).lower().removeprefix("nvidia ")
    return "training_" + re.sub(r"[^a-z0-9]+", "_", name).strip("_")


def say(name: str, numbers: dict[str, Any]) -> None:
    """Print a line, and one for each part within."""
    plain = {key: value for key, value in numbers.items() if not isinstance(value, dict | list)}
    parts = (f"{k} {v:.4g}" if isinstance(v, float) else f"{k} {v}" for k, v in plain.items())
    print(f"{name}: {', '.join(parts)}", flush=True)
    for key, value in numbers.items():
        if isinstance(value, dict):
            say(f"{name} {key}", value)
