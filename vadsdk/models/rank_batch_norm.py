"""Batch normalisation whose statistics are those of all ranks' rows, as in one process.

On a GPU torch's own `SyncBatchNorm` does it; on CPUs, where it refuses to, `RankBatchNorm`.

Legend: N rows of a rank, C channels.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from vadsdk.ranks import num_ranks, sum_over_ranks


def with_statistics_of_all_ranks(network: nn.Module) -> nn.Module:
    """Return the network with its batch norms exchanged, names and weights as they were.

    Args:
        network: on its device; its other modules are kept, not copied.
    """
    if any(parameter.is_cuda for parameter in network.parameters()):
        converted: nn.Module = nn.SyncBatchNorm.convert_sync_batchnorm(network)
        return converted
    for parent in list(network.modules()):
        for name, child in parent.named_children():
            if isinstance(child, _BatchNorm) and not isinstance(child, RankBatchNorm):
                setattr(parent, name, RankBatchNorm.like(child))
    return network


class RankBatchNorm(_BatchNorm):
    """Batch norm over the rows of all ranks, which have equally many."""

    @classmethod
    def like(cls, norm: _BatchNorm) -> RankBatchNorm:
        """Return one with another's settings, sharing its weights and running statistics."""
        other = cls(
            norm.num_features, norm.eps, norm.momentum, norm.affine, norm.track_running_stats
        )
        other._parameters = norm._parameters
        other._buffers = norm._buffers
        other.training = norm.training
        return other

    def _check_input_dim(self, input: Tensor) -> None:
        """Take any number of dimensions."""

    def forward(self, input: Tensor) -> Tensor:
        """Return normalised (N, C, ...)."""
        if not self.training and self.running_mean is not None:
            return super().forward(input)
        dims = [dim for dim in range(input.ndim) if dim != 1]
        shape = [-1 if dim == 1 else 1 for dim in range(input.ndim)]
        count = input.numel() // input.shape[1] * num_ranks()
        values = input.float() if input.dtype in (torch.bfloat16, torch.float16) else input
        mean = sum_over_ranks(values.sum(dims)) / count
        centred = values - mean.view(shape)
        variance = sum_over_ranks(centred.square().sum(dims)) / count
        if self.training:
            self._take_in(mean.detach(), variance.detach() * (count / max(count - 1, 1)))
        normalised = centred * (variance + self.eps).rsqrt().view(shape)
        if self.affine:
            normalised = normalised * self.weight.view(shape) + self.bias.view(shape)
        return normalised.to(input.dtype)

    def _take_in(self, mean: Tensor, variance: Tensor) -> None:
        """Move the running statistics towards a batch's."""
        if self.running_mean is None or self.running_var is None:
            return
        assert self.num_batches_tracked is not None
        self.num_batches_tracked += 1
        share = 1 / self.num_batches_tracked if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean.to(self.running_mean.dtype), share)
        self.running_var.lerp_(variance.to(self.running_var.dtype), share)
