"""Arithmetic in float64 wherever the code says float32, so that only mistakes differ, not rounding.

What changes with the order of sums is then 1e-15, and a ReLU's input near zero falls on the same
side in one process and in two.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from vadsdk.training.step import TrainingStep


@contextmanager
def in_doubles() -> Iterator[None]:
    """Let networks be made, and steps be taken, in float64 within; on a CPU."""
    torch.set_default_dtype(torch.float64)
    try:
        with _Doubles():
            yield
    finally:
        torch.set_default_dtype(torch.float32)


class _Doubles(TorchFunctionMode):
    """Reads double where a call asks for float32."""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        func = Tensor.double if func == Tensor.float else func
        named = {name: _doubled(value) for name, value in (kwargs or {}).items()}
        return func(*map(_doubled, args), **named)


class StepInAnyType(TrainingStep):
    """A step whose optimiser is told in float32 whether to do nothing, as fused ones read it."""

    def _update(self, is_finite: Tensor) -> None:
        with torch._C.DisableTorchFunction():
            super()._update(is_finite)


def _doubled(value: Any) -> Any:
    return torch.float64 if value is torch.float32 else value
