"""Networks by name: one file a network."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel
from torch import nn

from vadsdk.checked_settings import read_settings
from vadsdk.errors import unknown_name
from vadsdk.models.outputs import ClipOutputs
from vadsdk.models.recogniser import (
    NanoRecogniserSettings,
    Recogniser,
    RecogniserSettings,
)
from vadsdk.models.videocapsnet import VideoCapsNetSettings
from vadsdk.models.videocapsnet_nano import NanoVideoCapsNet, NanoVideoCapsNetSettings
from vadsdk.models.videocapsnet_small import SmallVideoCapsNet, SmallVideoCapsNetSettings
from vadsdk.models.videocapsnet_spacetime import build_videocapsnet
from vadsdk.models.yowo import Yowo, YowoSettings
from vadsdk.models.yowo_nano import NanoYowo, NanoYowoSettings


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelEntry:
    """How a network of one name is made."""

    build: Callable[[int, Any], nn.Module]
    """Takes the number of classes and the settings."""
    settings: type[BaseModel]
    """Their class."""


MODELS: dict[str, ModelEntry] = {
    "r3d18": ModelEntry(build=Recogniser, settings=RecogniserSettings),
    "r3d-n": ModelEntry(build=Recogniser, settings=NanoRecogniserSettings),
    "videocapsnet": ModelEntry(build=build_videocapsnet, settings=VideoCapsNetSettings),
    "videocapsnet-n": ModelEntry(build=NanoVideoCapsNet, settings=NanoVideoCapsNetSettings),
    "videocapsnet-s": ModelEntry(build=SmallVideoCapsNet, settings=SmallVideoCapsNetSettings),
    "yowo": ModelEntry(build=Yowo, settings=YowoSettings),
    "yowo-n": ModelEntry(build=NanoYowo, settings=NanoYowoSettings),
}
"""Every network by name."""


def build_model(
    name: str, num_classes: int, settings: Mapping[str, object] | None = None
) -> nn.Module:
    """Return a network of that name, randomly initialised.

    Args:
        name: one of `MODELS`.
        num_classes: K.
        settings: the network's settings by field name, as configuration files hold them.

    Raises:
        ConfigError: no such network, no such setting, or a value that does not fit.
    """
    if name not in MODELS:
        raise unknown_name("model", name, MODELS)
    entry = MODELS[name]
    return entry.build(num_classes, read_settings(f"model {name!r}", entry.settings, settings))


__all__ = ["MODELS", "ClipOutputs", "ModelEntry", "build_model"]
