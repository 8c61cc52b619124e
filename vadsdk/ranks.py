"""The processes that train one network together, a part of each batch each.

A rank's loss is its share of the loss of the whole batch: the shares of all ranks sum up to it, and
so do their gradients. What is divided by, or enters a loss other than as a sum, must therefore be
summed over the ranks first. Every rank has as many rows of each kind as the others. With one
process, all of this does nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor


def num_ranks() -> int:
    """Return how many processes train together."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def rank() -> int:
    """Return which of them this one is, from 0."""
    return dist.get_rank() if num_ranks() > 1 else 0


def sum_over_ranks(values: Tensor) -> Tensor:
    """Return the sum of all ranks' values, of any shape; gradients are summed likewise."""
    if num_ranks() == 1:
        return values
    total: Tensor = _SumOverRanks.apply(values)  # type: ignore[no-untyped-call]
    return total


def rows_of_all_ranks(values: Tensor) -> Tensor:
    """Return (R * B, ...), all ranks' rows in the order of the ranks; gradients flow back.

    Args:
        values: (B, ...), as many rows on each rank.
    """
    if num_ranks() == 1:
        return values
    before, after = rank() * len(values), (num_ranks() - 1 - rank()) * len(values)
    parts = (values.new_zeros(before, *values.shape[1:]), values)
    return sum_over_ranks(torch.cat((*parts, values.new_zeros(after, *values.shape[1:]))))


def blocks_of_all_ranks(values: Tensor, blocks: Sequence[int]) -> Tensor:
    """Return (R * B, ...), all ranks' rows as one process would have them; gradients flow back.

    Args:
        values: (B, ...), on each rank as many rows of each kind.
        blocks: how many rows of a kind follow each other, B in all. One process has the first kind
            of all ranks, then the second of all, and so on.
    """
    if num_ranks() == 1:
        return values
    parts = [part.split(list(blocks)) for part in rows_of_all_ranks(values).split(len(values))]
    return torch.cat([part[kind] for kind in range(len(blocks)) for part in parts])


def sum_in_place(tensors: Sequence[Tensor]) -> None:
    """Replace tensors of one device and type by their sums over the ranks, in one message."""
    if num_ranks() == 1 or not tensors:
        return
    flat = torch.cat([tensor.reshape(-1) for tensor in tensors])
    dist.all_reduce(flat)
    parts = flat.split([tensor.numel() for tensor in tensors])
    for tensor, part in zip(tensors, parts, strict=True):
        tensor.copy_(part.view(tensor.shape))


class _SumOverRanks(torch.autograd.Function):
    """Every rank's loss depends on every rank's values, so gradients are summed as values are."""

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        total = values.detach().clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        total = gradient.clone(memory_format=torch.contiguous_format)
        dist.all_reduce(total)
        return total
