"""Finds what makes a host wait for a GPU; on a CPU, what would, or could not be captured.

On a CPU each operation that is dispatched while `NoWaiting` is entered is looked at, those of the
backward pass too: reading a value, shapes that depend on values, constants that come from the host.
What runs inside a kernel's reference is passed over where CUDA tensors take a Triton kernel.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._device import _device_constructors
from torch.utils._python_dispatch import TorchDispatchMode

import vadsdk.kernels

KERNELS = Path(vadsdk.kernels.__file__).parent
READS_A_VALUE = {"_local_scalar_dense", "is_nonzero", "equal", "_linalg_check_errors"}
SHAPE_DEPENDS_ON_VALUES = {"nonzero", "masked_select", "_unique2", "unique_dim"}
COMES_FROM_THE_HOST = {"lift_fresh"}
TAKES_INDICES = {"index", "index_put", "index_put_", "_unsafe_index", "_index_put_impl_"}


@contextmanager
def card_waits_for_nobody() -> Iterator[None]:
    """Let the card itself raise RuntimeError within, where the host would wait for it."""
    try:
        with warnings.catch_warnings():  # torch says at the first call that this is a prototype
            warnings.filterwarnings("ignore", "Synchronization debug mode is a prototype")
            torch.cuda.set_sync_debug_mode("error")
        yield
    finally:
        torch.cuda.set_sync_debug_mode("default")


class WouldWaitError(Exception):
    """What a GPU would be waited for."""


class _NoTensorsOfTheHost(TorchFunctionMode):
    """Raises at the first tensor that is made without saying where, which is on the host."""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        given = kwargs or {}
        on_host = func in _device_constructors() and given.get("device") is None
        if on_host and not _inside_a_kernels_reference():
            raise WouldWaitError(f"{func.__name__}: makes a tensor on the host")
        return func(*args, **given)


class NoWaiting(TorchDispatchMode):
    """Raises `WouldWaitError` at the first operation that waits."""

    def __enter__(self) -> NoWaiting:
        self._of_the_host = _NoTensorsOfTheHost()
        self._of_the_host.__enter__()
        super().__enter__()
        return self

    def __exit__(self, *arguments: Any) -> None:
        super().__exit__(*arguments)
        self._of_the_host.__exit__(*arguments)

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        name = func.overloadpacket.__name__
        reason = _reason(name, func, args)
        if reason and not _inside_a_kernels_reference():
            raise WouldWaitError(f"{func}: {reason}")
        return func(*args, **(kwargs or {}))


def _reason(name: str, func: Any, args: tuple[Any, ...]) -> str | None:
    if name in READS_A_VALUE:
        return "reads a value"
    if name in SHAPE_DEPENDS_ON_VALUES or str(func) == "aten.repeat_interleave.Tensor":
        return "the shape of its answer depends on values"
    if name in COMES_FROM_THE_HOST:
        return "copies a constant from the host"
    if name in TAKES_INDICES and any(
        isinstance(index, Tensor) and index.dtype in (torch.bool, torch.uint8) for index in args[1]
    ):
        return "rows are chosen by a mask, so their number depends on values"
    return None


def _inside_a_kernels_reference() -> bool:
    frame = sys._getframe(2)
    while frame is not None:
        path = Path(frame.f_code.co_filename)
        if path.parent == KERNELS and _has_triton_form(path):
            return True
        frame = frame.f_back  # type: ignore[assignment]
    return False


@cache
def _has_triton_form(path: Path) -> bool:
    return "_triton" in path.read_text(encoding="utf-8")
