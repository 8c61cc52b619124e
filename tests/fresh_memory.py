"""Makes reads of memory that nobody wrote visible."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import torch

M_PERTURB, PERTURB_WITH_FF = -6, 0x100  # mallopt: fresh memory is filled with ~value, here 0xFF


@contextmanager
def fresh_memory_is_nan() -> Iterator[None]:
    """Fill what malloc returns with 0xFF, NaN in every float type; skips where libc cannot."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None or not mallopt(M_PERTURB, PERTURB_WITH_FF):
        pytest.skip("this C library does not fill fresh memory")
    try:
        if not torch.empty(2**12).isnan().all():
            pytest.skip("torch does not take its memory from this C library")
        yield
    finally:
        mallopt(M_PERTURB, 0)
