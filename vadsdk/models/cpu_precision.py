"""Where bf16 must not reach 3D convolutions on a CPU."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor


def full_precision_on_cpu(x: Tensor) -> AbstractContextManager[object]:
    """Return a context without autocast if `x` is on a CPU, else one that changes nothing.

    With torch 2.13 and AMX, oneDNN's bf16 gradients of 3D convolutions are NaN for maps of a single
    frame, and write beyond their memory where maps are 96 or more wide: the process dies.
    """
    return torch.autocast("cpu", enabled=False) if x.device.type == "cpu" else nullcontext()
