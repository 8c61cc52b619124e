"""The reference operations and plain arithmetic on a card, for comparison only.

`vadsdk.kernels` gives a card's tensors to its kernels, but for types and modes that no kernel has
(float64, routing as released, export), and offers no switch. All of it asks `tensor.is_cuda`, so
here every tensor says that it lies on no card. What else asks that at each step is the readback of
its numbers: the host then waits for every step, as a plain loop that prints its loss does. The
optimiser asks when it is made: make it before.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from unittest import mock

import torch
from straightforward_step import losses_of_written_maps

from vadsdk.kernels import temporal_maps
from vadsdk.methods import consistency, views
from vadsdk.training import loop


@contextmanager
def reference_kernels() -> Iterator[None]:
    """Let all kernels take their references, wherever the tensors are."""
    torch.Tensor.is_cuda = property(lambda tensor: False)  # type: ignore[assignment,misc]
    try:
        yield
    finally:
        del torch.Tensor.is_cuda  # the one of the base class is seen again


@contextmanager
def written_maps() -> Iterator[None]:
    """Let temporal coherence make its maps one by one, as torch's operations do on a card.

    The reference goes in strips that stay in a CPU's cache and reads sums of each on the host.
    """
    losses = losses_of_written_maps(temporal_maps.variance_map)
    with mock.patch.object(consistency, "coherence_losses", losses):
        yield


@contextmanager
def plain_layout() -> Iterator[None]:
    """Let views and weights lie in memory as torch lays them of itself, channel after channel."""
    with (
        mock.patch.object(views, "_format_for", return_value=torch.contiguous_format),
        mock.patch.object(loop, "channels_last"),
    ):
        yield


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
