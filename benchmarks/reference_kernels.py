"""The reference operations and exact convolutions on a card, for comparison only.

`vadsdk.kernels` chooses by `tensor.is_cuda` and nothing else, and offers no switch. So here every
tensor says that it is none.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def reference_kernels() -> Iterator[None]:
    """Let all kernels take their references, wherever the tensors are."""
    torch.Tensor.is_cuda = property(lambda tensor: False)  # type: ignore[assignment,misc]
    try:
        yield
    finally:
        del torch.Tensor.is_cuda  # the one of the base class is seen again


@contextmanager
def exact_convolutions() -> Iterator[None]:
    """Let cuDNN take float32 as it is; by default it rounds factors to TF32's 10 bits."""
    convolutions = torch.backends.cudnn.conv
    before = convolutions.fp32_precision
    convolutions.fp32_precision = "ieee"
    try:
        yield
    finally:
        convolutions.fp32_precision = before
