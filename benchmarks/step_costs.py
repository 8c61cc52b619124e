"""What a step must calculate and move at least, by the network's own layers.

Counted over a forward pass, of the operations that torch counts FLOPs of (convolutions and
products): their FLOPs, and their inputs, weights and outputs, each moved once. So everything
between, and our kernels, count as nothing: as if all of it were fused with what is before or
behind. A backward pass takes both twice, for the gradients of inputs and of weights.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from unittest import mock

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode, flop_registry

from vadsdk.kernels.routing import RoutedCapsules
from vadsdk.models import capsules

OPTIMISER_NUMBERS = 10
"""float32 numbers moved for each parameter: gradient, weight and both moments of AdamW read, the
last three written; weight and average read for the moving average, which is written."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ForwardCosts:
    """Of one clip's forward pass."""

    flops: int
    """Two for a multiplication and addition."""
    activations: int
    """Numbers read and written of what depends on the clip."""
    weights: int
    """Numbers of weights read, which all clips of a pass share."""
    parameters: int
    """Of the network."""


@dataclass(frozen=True, kw_only=True, slots=True)
class StepCosts:
    """Of a training step."""

    flops: int
    num_bytes: int


def forward_costs(network: nn.Module, clip: Tensor) -> ForwardCosts:
    """Count a forward pass without gradients.

    Args:
        network: in eval mode, on the CPU.
        clip: (1, 3, T, h, w).
    """
    moved = _MovedNumbers(network)
    routing = mock.patch.object(capsules, "em_routing", _unrouted)
    with torch.no_grad(), routing, FlopCounterMode(display=False) as counter, moved:
        network(clip, None)
    return ForwardCosts(
        flops=int(counter.get_total_flops()),
        activations=moved.activations,
        weights=moved.weights,
        parameters=sum(parameter.numel() for parameter in network.parameters()),
    )


def step_costs(forward: ForwardCosts, *, num_clips: int, number_bytes: int) -> StepCosts:
    """Return what forward and backward passes of two views and the optimiser take.

    Args:
        forward: of the network.
        num_clips: of a batch; each is seen in two views, one pass a view.
        number_bytes: of a number that a layer reads or writes.
    """
    numbers = 2 * (num_clips * forward.activations + forward.weights)
    return StepCosts(
        flops=3 * 2 * num_clips * forward.flops,
        num_bytes=3 * numbers * number_bytes + OPTIMISER_NUMBERS * 4 * forward.parameters,
    )


class _MovedNumbers(TorchDispatchMode):
    """Counts the numbers of all tensors that go into or come out of counted operations."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self._weights = {_memory(parameter) for parameter in network.parameters()}
        self.activations = 0
        self.weights = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        answer = func(*args, **(kwargs or {}))
        if func.overloadpacket in flop_registry:
            for tensor in tree_leaves((args, kwargs, answer)):
                if isinstance(tensor, Tensor):
                    self._count(tensor)
        return answer

    def _count(self, tensor: Tensor) -> None:
        if _memory(tensor) in self._weights:
            self.weights += tensor.numel()
        else:
            self.activations += tensor.numel()


def _unrouted(poses: Tensor, _: Tensor, transforms: Tensor, *__: Any, **___: Any) -> RoutedCapsules:
    """Return what the routing kernel would, in its shape: the reference multiplies matrices."""
    size = len(poses), transforms.shape[1]
    return RoutedCapsules(poses.new_zeros(*size, 4, 4), poses.new_zeros(size))


def _memory(tensor: Tensor) -> int:
    return tensor.untyped_storage()._cdata
