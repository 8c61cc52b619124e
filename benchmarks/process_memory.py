"""The memory of this process, as Linux tells it."""

from __future__ import annotations

import ctypes
from pathlib import Path


def reset_peak() -> int:
    """Let Linux count the peak anew and return the bytes in use now."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:  # what was freed and is kept would hide as much of the next peak
        trim(0)
    Path("/proc/self/clear_refs").write_text("5")
    return _memory("VmRSS")


def peak() -> int:
    """Return the most bytes that were in use since `reset_peak`."""
    return _memory("VmHWM")


def _memory(name: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError(f"this system does not tell {name}; the benchmark wants Linux")
