"""What methods read off a network."""

from __future__ import annotations

from typing import cast

from torch import nn

from vadsdk.structures import ModelKind

Colour = tuple[float, float, float]


def input_size_of(network: nn.Module) -> tuple[int, int]:
    """Return (h, w) from the network's `input_size`, one side or a pair."""
    size = cast("int | tuple[int, int]", network.input_size)
    return (size, size) if isinstance(size, int) else (int(size[0]), int(size[1]))


def kind_of(network: nn.Module) -> ModelKind:
    """Return what the network answers with, from its `kind`."""
    return cast("ModelKind", network.kind)


def pixel_statistics_of(network: nn.Module) -> tuple[Colour, Colour]:
    """Return `pixel_mean` and `pixel_std`; a network without them takes RGB in [0, 1] as it is."""
    mean = getattr(network, "pixel_mean", (0.0, 0.0, 0.0))
    std = getattr(network, "pixel_std", (1.0, 1.0, 1.0))
    return cast("Colour", mean), cast("Colour", std)


def convolves_pixels(network: nn.Module) -> bool:
    """Return whether pixels meet a convolution before anything else, from its `convolves_pixels`.

    Under autocast it takes them in a short type, so they may as well come in that; a network that
    does not say so may calculate with them first, as `with_motion` does, and wants all digits.
    """
    return bool(getattr(network, "convolves_pixels", False))


def num_classes_of(network: nn.Module) -> int:
    """Return K from the network's `num_classes`."""
    return int(cast("int", network.num_classes))
