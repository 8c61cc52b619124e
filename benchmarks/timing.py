"""How long something takes on a device, and how much memory: medians over repeats."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable
from typing import Any

import torch

_FLUSHED_BYTES = 2**28
"""Written between two repeats, so that no input is left in a card's cache (50 to 60 MB)."""


def measured_seconds(
    run: Callable[[], Any], device: torch.device, *, repeats: int = 20, warm_up: int = 3
) -> float:
    """Return the median seconds of a run; on a card by its own clock, with a cold cache.

    Args:
        run: what is timed.
        device: where.
        repeats: runs that count.
        warm_up: runs before them.
    """
    for _ in range(warm_up):
        run()
    if device.type == "cuda":
        return statistics.median(_card_seconds(run, device) for _ in range(repeats))
    seconds = []
    for _ in range(repeats):
        started = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds)


def peak_bytes(run: Callable[[], Any], device: torch.device) -> int | None:
    """Return the bytes that a run takes at most beyond what is there; None on a CPU."""
    if device.type != "cuda":
        return None
    run()
    gc.collect()
    torch.cuda.synchronize(device)
    torch.cuda.reset_peak_memory_stats(device)
    before = torch.cuda.memory_allocated(device)
    run()
    torch.cuda.synchronize(device)
    return int(torch.cuda.max_memory_allocated(device)) - before


def copy_bytes_per_second(device: torch.device) -> float:
    """Return the bytes read and written a second by a large copy."""
    count = 2**30 if device.type == "cuda" else 2**28
    source = torch.ones(count, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    return 2 * count / measured_seconds(lambda: target.copy_(source), device, repeats=10)


def product_flops_per_second(device: torch.device, dtype: torch.dtype) -> float:
    """Return the floating-point operations a second of a large product of random matrices."""
    side = 8192 if device.type == "cuda" else 1024
    left, right = (torch.randn(side, side, device=device).to(dtype) for _ in range(2))
    return 2 * side**3 / measured_seconds(lambda: left @ right, device, repeats=10)


def _card_seconds(run: Callable[[], Any], device: torch.device) -> float:
    torch.empty(_FLUSHED_BYTES, dtype=torch.uint8, device=device).zero_()
    started, ended = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    started.record()
    run()
    ended.record()
    ended.synchronize()
    return float(started.elapsed_time(ended)) / 1000
