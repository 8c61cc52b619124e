"""The reference operations on a card, for comparison only.

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
