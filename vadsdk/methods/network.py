"""What methods read off a network."""

from __future__ import annotations

from typing import cast

from torch import nn

from vadsdk.structures import ModelKind


def input_size_of(network: nn.Module) -> tuple[int, int]:
    """Return (h, w) from the network's `input_size`, one side or a pair."""
    size = cast("int | tuple[int, int]", network.input_size)
    return (size, size) if isinstance(size, int) else (int(size[0]), int(size[1]))


def kind_of(network: nn.Module) -> ModelKind:
    """Return what the network answers with, from its `kind`."""
    return cast("ModelKind", network.kind)


def num_classes_of(network: nn.Module) -> int:
    """Return K from the network's `num_classes`."""
    return int(cast("int", network.num_classes))
