"""Random numbers that a step needs and that are drawn on the host.

A step that is captured as a graph draws nothing on the host when it is replayed. So its draws are
written down while it runs for the first time, and done anew, in the same order and into the same
memory, before each replay.

    first run   drawn_on_host(a) -> new buffer A     drawn_on_host(b) -> new buffer B
    refill      a -> A, b -> B
    next run    drawn_on_host(a) -> A                drawn_on_host(b) -> B

Legend: N rows of this rank, R ranks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

import torch
from torch import Tensor

from vadsdk.ranks import num_ranks, rank

Draw = Callable[[int], Tensor]
"""Returns (N, ...) random numbers on the CPU for N rows."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Drawn:
    draw: Draw
    blocks: tuple[int, ...]
    buffer: Tensor


@dataclass(kw_only=True, eq=False)
class HostDraws:
    """The draws of one step, at fixed places on the device.

    Args:
        rows: (labelled, unlabelled) clips of a batch of this rank, which draws are cut by.
        is_fixed: whether draws are kept and taken up again; else every run draws for itself.
    """

    rows: tuple[int, int]
    is_fixed: bool = False
    _drawn: list[_Drawn] = field(default_factory=list)
    _position: int | None = None

    @contextmanager
    def running(self) -> Iterator[None]:
        """Let `drawn_on_host` draw for a run of the step; the first run writes its draws down."""
        self._position = 0 if self._drawn else None
        token = _CURRENT.set(self)
        try:
            yield
        finally:
            _CURRENT.reset(token)

    def refill(self) -> None:
        """Draw anew what the first run drew, for the next run."""
        for drawn in self._drawn:
            values = _of_rank(drawn.draw, drawn.blocks)
            drawn.buffer.copy_(_on_way_to(drawn.buffer.device, values), non_blocking=True)

    def take(
        self, draw: Draw, num_rows: int, device: torch.device, blocks: tuple[int, ...] | None
    ) -> Tensor:
        """Return (N, ...) of this rank, on the device."""
        if blocks is None:
            blocks = self.rows if num_rows == sum(self.rows) else (num_rows,)
        if self._position is not None:
            drawn = self._drawn[self._position]
            assert drawn.blocks == blocks, "a step of one phase draws the same each time"
            self._position += 1
            return drawn.buffer
        values = _on_way_to(device, _of_rank(draw, blocks))
        buffer = values.to(device, non_blocking=True)
        if self.is_fixed:
            self._drawn.append(_Drawn(draw=draw, blocks=blocks, buffer=buffer))
        return buffer


_CURRENT: ContextVar[HostDraws | None] = ContextVar("host draws of the running step", default=None)


def drawn_on_host(
    draw: Draw, num_rows: int, device: torch.device, blocks: tuple[int, ...] | None = None
) -> Tensor:
    """Return what `draw` returns for N rows, on a device.

    Of several ranks, all draw for the whole batch and each takes its own rows, so that the whole
    batch is seen as one process would see it.

    Args:
        draw: draws from a generator on the CPU; called again for each step of a graph.
        num_rows: N.
        device: where the numbers are wanted.
        blocks: how many rows of a kind follow each other, N in all (`ranks.blocks_of_all_ranks`).
            None: labelled rows, then unlabelled ones, as in a batch; or rows of one kind.
    """
    current = _CURRENT.get()
    if current is None:
        return draw(num_rows).to(device)
    return current.take(draw, num_rows, device, blocks)


def _of_rank(draw: Draw, blocks: tuple[int, ...]) -> Tensor:
    """Return this rank's rows (N, ...) of what is drawn for all ranks' (R * N, ...)."""
    values = draw(sum(blocks) * num_ranks())
    if num_ranks() == 1:
        return values
    parts = values.split([count * num_ranks() for count in blocks])
    pairs = zip(parts, blocks, strict=True)
    return torch.cat([part[rank() * count : (rank() + 1) * count] for part, count in pairs])


def _on_way_to(device: torch.device, values: Tensor) -> Tensor:
    """Return the values where a copy to the device need not be waited for."""
    return values.pin_memory() if device.type == "cuda" else values
