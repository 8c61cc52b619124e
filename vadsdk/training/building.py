"""What a run is made of, as its config says: a network, its card, the device."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import torch
from torch import nn

import vadsdk
from vadsdk.errors import ConfigError
from vadsdk.models import build_model
from vadsdk.structures import ModelSpec
from vadsdk.training.settings import RunConfig
from vadsdk.training.watcher import Watcher


def build_network(config: RunConfig, labels: tuple[str, ...], watcher: Watcher) -> nn.Module:
    """Return the network of a run with its initial weights; the watcher is told of each file."""
    network = build_model(config.model, len(labels), config.model_settings)
    if config.weights:
        from vadsdk.models.weights import load_initial_files

        for report in load_initial_files(network, [Path(file) for file in config.weights]):
            watcher.note(str(report))
    return network


def spec_of(
    config: RunConfig, network: nn.Module, labels: tuple[str, ...], fraction: float
) -> ModelSpec:
    """Return the model card of a run's network, with where it comes from."""
    spec: ModelSpec = network.spec(config.model, labels)  # type: ignore[operator]
    stride = config.data.frame_stride or spec.frame_stride
    provenance = {
        "method": config.method,
        "data": Path(config.data.root).resolve().name,
        "labelled_fraction": str(fraction),
        "steps": str(config.train.max_steps),
        "seed": str(config.train.seed),
        "vadsdk": vadsdk.__version__,
        "torch": torch.__version__,
    }
    return replace(spec, frame_stride=stride, provenance=tuple(provenance.items()))


def method_settings(config: RunConfig) -> Mapping[str, object]:
    """Return those of a run; views are drawn from its seed unless the method is given its own."""
    return {"seed": config.train.seed, **config.method_settings}


def device_named(name: str) -> torch.device:
    """Return a device that is here, or raise ConfigError."""
    try:
        device = torch.device(name)
    except RuntimeError:
        raise ConfigError(f"unknown device {name!r}; use cpu, cuda or cuda:0") from None
    if device.type == "cuda" and not torch.cuda.is_available():
        raise ConfigError(f"device {name!r}: this torch sees no CUDA device; use --device cpu")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        last = torch.cuda.device_count() - 1
        raise ConfigError(f"there is no device {name!r}; the last one is cuda:{last}")
    return device
