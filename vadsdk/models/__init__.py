"""Networks by name: one file a network."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from vadsdk.errors import unknown_name
from vadsdk.models.outputs import ClipOutputs
from vadsdk.models.videocapsnet import VideoCapsNet
from vadsdk.models.videocapsnet_small import SmallVideoCapsNet

MODELS: dict[str, Callable[[int], nn.Module]] = {
    "videocapsnet": VideoCapsNet,
    "videocapsnet-s": SmallVideoCapsNet,
}
"""Every network by name; each takes the number of classes."""


def build_model(name: str, num_classes: int) -> nn.Module:
    """Return a network of that name, randomly initialised.

    Args:
        name: one of `MODELS`.
        num_classes: K.

    Raises:
        ConfigError: no such network.
    """
    if name not in MODELS:
        raise unknown_name("model", name, MODELS)
    return MODELS[name](num_classes)


__all__ = ["MODELS", "ClipOutputs", "build_model"]
