"""How long something takes on a device, and how much memory: medians over repeats.

On a card the time is that between two events on its stream, what it takes to work off what was
launched. So that it never waits for Python meanwhile, it sleeps before the first event until the
host has launched all:

    host    flush, sleep, launch launch launch
    card        flush, sleep -------------------| work work work |
                                                started          ended

A run that itself waits for the card (the references do) takes the host's time, too.
"""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable
from typing import Any

import process_memory
import torch

_FLUSHED_BYTES = 2**28
"""Written between two repeats, so that no input is left in a card's cache (50 to 60 MB)."""

_SHORTEST_SLEEP, _LONGEST_SLEEP = 0.005, 0.05
"""Seconds; the longest is for runs that wait for the card, which no sleep gets ahead of."""
_CYCLES_PER_SECOND = 2e9
"""At most, of an H100 or H200; at fewer a card sleeps longer, which costs nothing but time."""


def measured_seconds(
    run: Callable[[], Any], device: torch.device, *, repeats: int = 20, warm_up: int = 3
) -> float:
    """Return the median seconds of a run; on a card by its own clock, with its cache flushed.

    Args:
        run: what is timed.
        device: where.
        repeats: runs that count.
        warm_up: runs before them.
    """
    for _ in range(warm_up):
        run()
    if device.type == "cuda":
        lead = _launch_seconds(run, device)
        return statistics.median(_card_seconds(run, device, lead) for _ in range(repeats))
    seconds = []
    for _ in range(repeats):
        started = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds)


def captured(run: Callable[[], Any], device: torch.device) -> Callable[[], None]:
    """Return what replays a run as one CUDA graph."""
    stream = torch.cuda.Stream(device)
    stream.wait_stream(torch.cuda.current_stream(device))
    with torch.cuda.stream(stream):
        for _ in range(3):
            run()
    torch.cuda.current_stream(device).wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, stream=stream):
        run()
    return graph.replay


def peak_bytes(run: Callable[[], Any], device: torch.device) -> int:
    """Return the bytes that a run takes at most beyond what is there."""
    run()
    gc.collect()
    before = start_peak(device)
    run()
    return peak_since(device) - before


def start_peak(device: torch.device) -> int:
    """Let the peak of a card's tensors, or of this process, be counted anew; return what is now."""
    if device.type != "cuda":
        return process_memory.reset_peak()
    torch.cuda.synchronize(device)
    torch.cuda.reset_peak_memory_stats(device)
    return int(torch.cuda.memory_allocated(device))


def peak_since(device: torch.device) -> int:
    """Return the most bytes that were in use since `start_peak`."""
    if device.type != "cuda":
        return process_memory.peak()
    torch.cuda.synchronize(device)
    return int(torch.cuda.max_memory_allocated(device))


def synchronise(device: torch.device) -> None:
    """Wait for a card."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


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


def _launch_seconds(run: Callable[[], Any], device: torch.device) -> float:
    """Return how long the host launches a run, or takes it, if it waits for the card within."""
    torch.cuda.synchronize(device)
    started = time.perf_counter()
    run()
    return time.perf_counter() - started


def _card_seconds(run: Callable[[], Any], device: torch.device, lead: float) -> float:
    """Return the seconds that the card works on a run which the host launches in `lead` seconds."""
    torch.empty(_FLUSHED_BYTES, dtype=torch.uint8, device=device).zero_()
    slept = min(max(3 * lead, _SHORTEST_SLEEP), _LONGEST_SLEEP)
    torch.cuda._sleep(int(slept * _CYCLES_PER_SECOND))
    started, ended = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    started.record()
    run()
    ended.record()
    ended.synchronize()
    return float(started.elapsed_time(ended)) / 1000
