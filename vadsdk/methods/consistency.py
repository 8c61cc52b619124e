"""The two consistency losses of paper 1, put together as its settings ask.

Legend: B clips, T frames, h, w of the views, K classes, P positions. Maps lie in the original
    view's frame.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import cast

import torch
from torch import Tensor

from vadsdk.kernels import temporal_maps
from vadsdk.kernels.augmentation import transfer_maps
from vadsdk.kernels.coherence_form import AttentionKind, CoherenceForm
from vadsdk.kernels.coherence_losses import coherence_losses
from vadsdk.losses import (
    classification_consistency_loss,
    localisation_consistency_loss,
    temporal_coherence_loss,
)
from vadsdk.losses.ramps import exp_rampup
from vadsdk.methods.e2e_settings import E2ESettings
from vadsdk.methods.supervised_terms import single_precision
from vadsdk.methods.views import View
from vadsdk.models import ClipOutputs
from vadsdk.ranks import num_ranks, sum_over_ranks

LossesOfAnswers = Callable[
    [Tensor, Tensor, CoherenceForm, Sequence[float | Tensor], Tensor | None], Tensor
]


def classification_consistency(
    original: ClipOutputs, augmented: ClipOutputs, settings: E2ESettings
) -> Tensor:
    """Return eq. 1 over all rows, unweighted.

    Args:
        original: answer to view 1; a constant if the settings stop it.
        augmented: answer to view 2.
        settings: temperature and target.
    """
    features = original.features
    if settings.consistency_target == "stop_original":
        features = features.detach()
    return classification_consistency_loss(
        single_precision(features),
        single_precision(augmented.features),
        temperature=settings.class_temperature,
    )


def spatiotemporal_consistency(
    original: tuple[View, Tensor],
    augmented: tuple[View, Tensor],
    progress: float | Tensor,
    settings: E2ESettings,
    losses_of_answers: LossesOfAnswers | None = None,
) -> Tensor:
    """Return eq. 2, 3 or 5 over all rows, unweighted, as `settings.localisation` says.

    Args:
        original: view 1 and its mask logits (B, T, h, w).
        augmented: view 2 and its mask logits, in its own frame.
        progress: in [0, 1), for w of eq. 3.
        settings: all the rest.
        losses_of_answers: what gives the same as `coherence_losses`; None is that.
    """
    first_view, first = original
    second_view, second = augmented
    if settings.consistency_target == "stop_original":
        first = first.detach()
    second, validity = transfer_maps(second, second_view.parameters, first_view.parameters)
    if settings.localisation == "l2":
        maps = _compared(first, second, settings)
        return localisation_consistency_loss(*maps, validity=validity)
    parts = settings.localisation.split("+")
    weights = {
        part: exp_rampup(progress, 1.0) if _blended(part, settings) else 1.0 for part in parts
    }
    losses = []
    if settings.attention == "released" and "gradient" in weights:
        losses.append(
            _released_gradient((first, second), weights.pop("gradient"), validity, settings)
        )
    if weights:
        form = coherence_form(tuple(weights), settings)
        losses_of = losses_of_answers or coherence_losses
        found = losses_of(first, second, form, tuple(weights.values()), validity)
        losses += (found * _share_of_pixels(validity)).unbind()
    return torch.stack(losses).mean()


def coherence_form(parts: tuple[str, ...], settings: E2ESettings) -> CoherenceForm:
    """Return what `coherence_losses` is to make of both answers.

    Args:
        parts: "variance" (eq. 3), "gradient" (eq. 5) or both.
        settings: all the rest.
    """
    return CoherenceForm(
        attentions=cast(tuple[AttentionKind, ...], parts),
        scaling=settings.attention,
        window=settings.window,
        cyclic=settings.cyclic or settings.attention == "released",
        compared=settings.consistency_on,
        variance_of=settings.attention_on,
        snapped=settings.snap_confident,
    )


def _share_of_pixels(validity: Tensor) -> float | Tensor:
    """Return which share of all ranks' valid pixels this rank has: what its mean counts for."""
    if num_ranks() == 1:
        return 1.0
    own = validity.sum()
    return own / sum_over_ranks(own).clamp_min(1)


def _blended(part: str, settings: E2ESettings) -> bool:
    """Whether the plain squares are blended in, less and less (eq. 3)."""
    blended = settings.non_attentive_l2
    return part == "variance" if blended is None else blended


def _compared(first: Tensor, second: Tensor, settings: E2ESettings) -> tuple[Tensor, Tensor]:
    first, second = single_precision(first), single_precision(second)
    if settings.consistency_on == "logits":
        return first, second
    return first.sigmoid(), second.sigmoid()


def _released_gradient(
    logits: tuple[Tensor, Tensor], weight: float | Tensor, validity: Tensor, settings: E2ESettings
) -> Tensor:
    """Return eq. 5 as released, each clip weighed by the mean of all clips' maps.

    The release multiplies (B, T, H, W) by (B, 1, T, H, W). Only the original's map counts.
    """
    probabilities = single_precision(logits[0].detach()).sigmoid()
    if settings.snap_confident:
        probabilities = temporal_maps.snap_confident(probabilities)
    attention = temporal_maps.released_gradient_map(probabilities).mean(0, keepdim=True)
    attention = sum_over_ranks(attention) / num_ranks()
    maps = _compared(*logits, settings)
    return temporal_coherence_loss(*maps, attention, weight, validity=validity)
