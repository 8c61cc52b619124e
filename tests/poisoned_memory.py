"""Memory that holds NaN (or, in integers, the largest number) until somebody writes into it."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor


def _poison(memory: Tensor) -> Tensor:
    if memory.is_floating_point():
        return memory.fill_(torch.nan)
    return memory if memory.dtype == torch.bool else memory.fill_(torch.iinfo(memory.dtype).max)


@pytest.fixture
def poisoned(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let `torch.empty` and `torch.empty_like` return poisoned memory."""
    for name in ("empty", "empty_like"):
        allocate = getattr(torch, name)

        def allocated(*args: Any, allocate: Any = allocate, **settings: Any) -> Tensor:
            return _poison(allocate(*args, **settings))

        monkeypatch.setattr(torch, name, allocated)
