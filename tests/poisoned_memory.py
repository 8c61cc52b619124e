"""Memory that holds NaN (or, in integers, the largest number) until somebody writes into it."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor


@torch.no_grad()
def _poison(memory: Tensor) -> Tensor:
    if memory.is_floating_point():
        return memory.fill_(torch.nan)
    return memory if memory.dtype == torch.bool else memory.fill_(torch.iinfo(memory.dtype).max)


@pytest.fixture(autouse=True)
def poisoned(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let `torch.empty`, `torch.empty_like` and `Tensor.new_empty` return poisoned memory.

    On every device; in all tests of a file that imports this.
    """
    for place, name in ((torch, "empty"), (torch, "empty_like"), (Tensor, "new_empty")):
        allocate = getattr(place, name)

        def allocated(*args: Any, allocate: Any = allocate, **settings: Any) -> Tensor:
            return _poison(allocate(*args, **settings))

        monkeypatch.setattr(place, name, allocated)
