"""What makes steps faster where it can be had: layout, compiled networks and captured graphs."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn

from vadsdk.errors import ConfigError
from vadsdk.methods import Method
from vadsdk.training.optimisation import autocast_dtype
from vadsdk.training.settings import TrainSettings


def channels_last(method: Method) -> None:
    """Lay the weights of the convolutions that answer in a step out channels last, in place.

    A card's bf16 convolutions read pixels and weights so, and a CPU's 3D ones are quicker for it.
    """
    for network in method.networks():
        on_card = any(weight.device.type == "cuda" for weight in network.parameters())
        for module in network.modules():
            if isinstance(module, nn.Conv3d | nn.ConvTranspose3d):
                module.weight.data = module.weight.to(memory_format=torch.channels_last_3d)
            elif isinstance(module, nn.Conv2d | nn.ConvTranspose2d) and on_card:
                module.weight.data = module.weight.to(memory_format=torch.channels_last)


def graphs(
    settings: TrainSettings, method: Method, device: torch.device, note: Callable[[str], None]
) -> bool:
    """Return whether steps are captured as CUDA graphs.

    Args:
        settings: `cuda_graph` says whether they should.
        method: says whether they can.
        device: where.
        note: told why not, where "auto" could be thought to.

    Raises:
        ConfigError: they should and cannot.
    """
    if settings.cuda_graph is False or (settings.cuda_graph == "auto" and device.type != "cuda"):
        return False
    reason = method.eager_reason
    if device.type != "cuda":
        reason = f"there are none on device {str(device)!r}"
    elif autocast_dtype(settings.precision, device) is torch.float16:
        reason = "the scale of fp16 is set from step to step; use train.precision=bf16 or fp32"
    if reason is None:
        return True
    if settings.cuda_graph == "auto":
        note(f"steps are launched kernel by kernel, not as one CUDA graph: {reason}")
        return False
    raise ConfigError(f'train.cuda_graph=true, but {reason}; set it to "auto" or false')


def compiles(
    settings: TrainSettings, method: Method, device: torch.device, note: Callable[[str], None]
) -> bool:
    """Return whether the network is compiled.

    Args:
        settings: `compile` says whether it should be.
        method: says whether it can be.
        device: where.
        note: told why not, where "auto" could be thought to.

    Raises:
        ConfigError: it should be and cannot.
    """
    if settings.compile is False or (settings.compile == "auto" and device.type != "cuda"):
        return False
    reason = method.uncompiled_reason or _missing_compiler(device)
    if reason is None:
        return True
    if settings.compile == "auto":
        note(f"the network is not compiled: {reason}")
        return False
    raise ConfigError(f'train.compile=true, but {reason}; set it to "auto" or false')


def _missing_compiler(device: torch.device) -> str | None:
    """Return what torch needs for a CPU, which is a C++ compiler and Python's headers."""
    if device.type != "cpu":
        return None
    named = os.environ.get("CXX") or ("clang++" if sys.platform == "darwin" else "g++")
    compiler = shlex.split(named)[0]  # options may follow
    if shutil.which(compiler) is None:
        return (
            f"torch needs a C++ compiler for a CPU, and {compiler!r} is not here "
            "(Debian: apt-get install g++; another one is named by CXX)"
        )
    header = Path(sysconfig.get_path("include")) / "Python.h"
    if not header.is_file():
        return (
            f"torch needs Python's headers for a CPU, and {header} is not here "
            "(Debian: apt-get install python3-dev)"
        )
    return None
