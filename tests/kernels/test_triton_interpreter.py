"""What tests of kernels rely on: the card or its stand-in works, and fresh memory is poisoned."""

from __future__ import annotations

import pytest
import torch
import triton
import triton.language as tl
from card_or_interpreter import DEVICE, MARKS, without_card
from poisoned_memory import poisoned
from torch import Tensor

__all__ = ["poisoned"]

pytestmark = MARKS


@triton.jit
def _add_one(numbers, n, BLOCK: tl.constexpr) -> None:  # type: ignore[no-untyped-def]
    offsets = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = offsets < n
    tl.store(numbers + offsets, tl.load(numbers + offsets, mask=inside) + 1, mask=inside)


def add_one(numbers: Tensor) -> None:
    _add_one[(triton.cdiv(len(numbers), 4),)](numbers, len(numbers), BLOCK=4)


@without_card
def test_kernels_run_on_cpu_tensors() -> None:
    numbers = torch.arange(6.0)
    add_one(numbers)
    assert numbers.tolist() == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.uint8])
def test_memory_that_kernels_are_given_to_write_into_is_poisoned(dtype: torch.dtype) -> None:
    given = torch.zeros(3, dtype=dtype, device=DEVICE)
    for memory in (
        torch.empty((2, 3), dtype=dtype, device=DEVICE),
        torch.empty_like(given),
        given.new_empty(3),
    ):
        assert (memory.isnan() if dtype.is_floating_point else memory == 255).all()
        assert memory.device == given.device


@pytest.mark.gpu
def test_kernels_run_on_the_card() -> None:
    numbers = torch.arange(6.0, device="cuda")
    add_one(numbers)
    assert numbers.tolist() == [1, 2, 3, 4, 5, 6]
