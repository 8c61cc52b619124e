"""A card that is only pretended: tensors on the CPU that say of themselves that they lie on a GPU.

What would fail there fails here: an operation on tensors of both places, and reading a copy on the
host before it has arrived. Properties that operations of C++ look at, `is_cuda` among them, are
those of a CPU, so every kernel takes its reference.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import torch
from torch import Tensor
from torch.autograd.function import BackwardCFunction
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from vadsdk.kernels import coherence_tables, temporal_maps

CARD, HOST = torch.device("cuda", 0), torch.device("cpu")
COPIES = {"copy_", "_to_copy"}
TAKES_INDICES_OF_THE_HOST = {"index", "index_put", "index_put_", "_unsafe_index"}


class WouldFailError(Exception):
    """What a card would not do, or would do wrongly."""


@contextmanager
def pretended_card() -> Iterator[None]:
    """Let tensors be on `CARD` within."""
    _forget_tables()
    places = _Places()
    try:
        with places, _SamePlace(places), _entered_by_backwards(places):
            yield
    finally:
        _forget_tables()


@contextmanager
def _entered_by_backwards(places: _Places) -> Iterator[None]:
    """Let the backward pass of our own functions ask for places, too: torch leaves the mode."""
    inner = BackwardCFunction.apply

    def apply(*args: Any) -> Any:
        with places:
            return inner(*args)

    with mock.patch.object(BackwardCFunction, "apply", apply):
        yield


def _forget_tables() -> None:
    """Drop what is kept for each device: it is not on this card, or was never on a real one."""
    temporal_maps._placed.cache_clear()
    coherence_tables.tables_of.cache_clear()


class _Places(TorchFunctionMode):
    """Knows the memory that is on the card, and what Python asks and orders of places."""

    def __init__(self) -> None:
        super().__init__()
        self._on_card: set[int] = set()

    def of(self, tensor: Tensor) -> torch.device:
        return CARD if _memory(tensor) in self._on_card else HOST

    def put(self, tensor: Tensor, place: torch.device) -> Tensor:
        change = self._on_card.add if place == CARD else self._on_card.discard
        change(_memory(tensor))
        return tensor

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs = dict(kwargs or {})
        if func == Tensor.device.__get__:  # type: ignore[attr-defined]
            return self.of(args[0])
        if func == Tensor.pin_memory:
            return args[0].clone()
        if func == Tensor.copy_:
            waits = not kwargs.get("non_blocking", len(args) > 2 and args[2])
            self._check_arrival(self.of(args[1]), self.of(args[0]), waits)
        if func in (Tensor.numpy, Tensor.__array__) and self.of(args[0]) == CARD:
            raise WouldFailError("numpy reads no memory of a card")
        if func in (Tensor.__deepcopy__, Tensor.new_tensor) and "device" not in kwargs:
            return self.put(func(*args, **kwargs), self.of(args[0]))  # its memory is taken unseen
        if func in (Tensor.cpu, Tensor.cuda):
            return self._moved(args[0], HOST if func == Tensor.cpu else CARD, None, True)
        if func == Tensor.to:
            return self._to(*args, **kwargs)
        place = kwargs.get("device")
        if place is None:
            return func(*args, **kwargs)
        made = func(*args, **{**kwargs, "device": HOST})
        return self.put(made, CARD if torch.device(place).type == "cuda" else HOST)

    def _to(self, tensor: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        if args and isinstance(args[0], Tensor):
            place, dtype, later = self.of(args[0]), args[0].dtype, False
        else:
            place, dtype, later, _ = torch._C._nn._parse_to(*args, **kwargs)
        if place is None:
            return tensor.to(*args, **kwargs)
        layout = kwargs.get("memory_format", torch.preserve_format)
        return self._moved(tensor, place, dtype, not later, layout)

    def _moved(
        self,
        tensor: Tensor,
        place: torch.device,
        dtype: torch.dtype | None,
        waits: bool,
        layout: torch.memory_format = torch.preserve_format,
    ) -> Tensor:
        place = CARD if place.type == "cuda" else HOST
        self._check_arrival(self.of(tensor), place, waits)
        if self.of(tensor) == place and dtype in (None, tensor.dtype):
            return tensor
        moved = tensor.to(dtype or tensor.dtype, copy=True, memory_format=layout)
        return self.put(moved, place)

    def _check_arrival(self, source: torch.device, target: torch.device, waits: bool) -> None:
        if source == CARD and target == HOST and not waits:
            raise WouldFailError("the host would read a copy that has not arrived")


class _SamePlace(TorchDispatchMode):
    """Refuses operations on tensors of both places; what they make is where they are."""

    def __init__(self, places: _Places) -> None:
        super().__init__()
        self._places = places

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        name = func.overloadpacket.__name__
        bound = (args, kwargs)
        if name in TAKES_INDICES_OF_THE_HOST and self._places.of(args[0]) == CARD:
            bound = (args[0], *args[2:]), kwargs
        given = [leaf for leaf in tree_leaves(bound) if isinstance(leaf, Tensor)]
        on_card = [t for t in given if self._places.of(t) == CARD]
        alone = [t for t in given if t.ndim and self._places.of(t) == HOST]
        if on_card and alone and name not in COPIES:
            shapes = [tuple(t.shape) for t in alone]
            raise WouldFailError(f"{func}: on the host are tensors of {shapes}, others are not")
        made = func(*args, **kwargs)
        if name == "lift_fresh":  # a constant: its memory was taken unseen
            return self._places.put(made, HOST)
        known = {_memory(t) for t in tree_leaves((args, kwargs)) if isinstance(t, Tensor)}
        for tensor in tree_leaves(made):
            if isinstance(tensor, Tensor) and _memory(tensor) not in known:
                self._places.put(tensor, CARD if on_card else HOST)
        return made


def _memory(tensor: Tensor) -> int:
    return tensor.untyped_storage()._cdata
