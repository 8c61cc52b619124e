"""The stand-in for a card works here: what tests of kernels rely on."""

from __future__ import annotations

import pytest
import torch
import triton
import triton.language as tl
from torch import Tensor


@triton.jit
def _add_one(numbers, n, BLOCK: tl.constexpr) -> None:  # type: ignore[no-untyped-def]
    offsets = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = offsets < n
    tl.store(numbers + offsets, tl.load(numbers + offsets, mask=inside) + 1, mask=inside)


def add_one(numbers: Tensor) -> None:
    _add_one[(triton.cdiv(len(numbers), 4),)](numbers, len(numbers), BLOCK=4)


@pytest.mark.skipif(torch.cuda.is_available(), reason="kernels are compiled where there is a card")
def test_kernels_run_on_cpu_tensors() -> None:
    numbers = torch.arange(6.0)
    add_one(numbers)
    assert numbers.tolist() == [1, 2, 3, 4, 5, 6]


@pytest.mark.gpu
def test_kernels_run_on_the_card() -> None:
    numbers = torch.arange(6.0, device="cuda")
    add_one(numbers)
    assert numbers.tolist() == [1, 2, 3, 4, 5, 6]
