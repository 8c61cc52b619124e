"""What a first reading of paper 1 gives in place of our kernels, to be measured against.

Legend: B clips, T frames, H, W.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from unittest import mock

import numpy as np
import torch
from torch import Tensor, nn

from vadsdk.kernels import temporal_maps
from vadsdk.kernels.coherence_form import CoherenceForm
from vadsdk.kernels.routing import RoutedCapsules, em_routing_naive
from vadsdk.losses import temporal_coherence_loss
from vadsdk.methods import consistency
from vadsdk.methods.consistency import LossesOfAnswers
from vadsdk.models import capsules, videocapsnet


@contextmanager
def straightforward_kernels() -> Iterator[None]:
    """Within, all votes and all maps are made, and the variance map loops over clips and frames."""
    with (
        mock.patch.object(capsules, "em_routing", _routing_of_all_votes),
        mock.patch.object(videocapsnet, "upsample_and_smooth", _one_after_the_other),
        mock.patch.object(
            consistency, "coherence_losses", losses_of_written_maps(variance_map_by_loops)
        ),
    ):
        yield


def variance_map_by_loops(
    maps: Tensor, augmented: Tensor | None = None, *, window: int = 5
) -> Tensor:
    """Return `temporal_maps.variance_map` of the cyclic clip (eq. 4), frame by frame in numpy."""
    if augmented is None:
        raise ValueError("only the cyclic variance is written out here")
    views, others = (x.detach().float().numpy() for x in (maps, augmented))
    answer = np.empty_like(views)
    for clip in range(len(views)):
        frames = list(views[clip]) + list(others[clip][-2:0:-1])  # a cycle of 2 T - 2
        for t in range(views.shape[1]):
            around = range(t - window // 2, t + window // 2 + 1)
            answer[clip, t] = np.var([frames[i % len(frames)] for i in around], axis=0)
    return torch.from_numpy(answer)


def losses_of_written_maps(variance_map: Callable[[Tensor, Tensor], Tensor]) -> LossesOfAnswers:
    """Return what gives the coherence loss from a map that is made first (eq. 3 and 4).

    Args:
        variance_map: makes it of a view and the other one in its frame, both (B, T, H, W).
    """

    def losses(
        first: Tensor,
        second: Tensor,
        form: CoherenceForm,
        weights: Sequence[float | Tensor],
        validity: Tensor | None,
    ) -> Tensor:
        known = form in (CoherenceForm(), CoherenceForm(scaling="paper"))
        if not known or validity is None:
            raise ValueError(f"only eq. 3 and 4 are written out here, not {form}")
        first, second = first.float().sigmoid(), second.float().sigmoid()
        other = torch.where(validity > 0, second.detach(), first.detach())
        attention = variance_map(first.detach(), other)
        if form.stretched:
            attention = temporal_maps.min_max(attention)
        loss = temporal_coherence_loss(first, second, attention, weights[0], validity=validity)
        return loss[None]

    return losses


def _routing_of_all_votes(*tensors: Tensor, mode: str, **settings: Any) -> RoutedCapsules:
    if mode != "em":
        raise ValueError(f"only the em routing is written out, not {mode!r}")
    return em_routing_naive(*tensors, **settings)


def _one_after_the_other(
    x: Tensor, upsample: nn.Module, smooth: nn.Module, scales: Tensor
) -> Tensor:
    answer: Tensor = smooth(upsample(x) * scales[:, :, None, None, None])
    return answer
