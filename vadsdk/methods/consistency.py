"""The two consistency losses of paper 1, put together as its settings ask.

Legend: B clips, T frames, h, w of the views, K classes, P positions. Maps lie in the original
    view's frame.
"""

from __future__ import annotations

import torch
from torch import Tensor

from vadsdk.kernels import temporal_maps
from vadsdk.kernels.augmentation import transfer_maps
from vadsdk.losses import (
    classification_consistency_loss,
    gradient_smoothness_loss,
    localisation_consistency_loss,
    temporal_coherence_loss,
)
from vadsdk.losses.ramps import exp_rampup
from vadsdk.methods.e2e_settings import E2ESettings
from vadsdk.methods.supervised_terms import single_precision
from vadsdk.methods.views import View
from vadsdk.models import ClipOutputs


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
    progress: float,
    settings: E2ESettings,
) -> Tensor:
    """Return eq. 2, 3 or 5 over all rows, unweighted, as `settings.localisation` says.

    Args:
        original: view 1 and its mask logits (B, T, h, w).
        augmented: view 2 and its mask logits, in its own frame.
        progress: in [0, 1), for w of eq. 3.
        settings: all the rest.
    """
    first_view, first = original
    second_view, second = augmented
    first = single_precision(first)
    if settings.consistency_target == "stop_original":
        first = first.detach()
    second, validity = transfer_maps(second, second_view.parameters, first_view.parameters)
    on_logits = settings.consistency_on == "logits"
    maps = (first, second) if on_logits else (first.sigmoid(), second.sigmoid())
    if settings.localisation == "l2":
        return localisation_consistency_loss(*maps, validity=validity)
    # Where only view 1 saw the pixel, its answer stands for both: nothing but motion gets
    # attention there.
    filled = torch.where(validity > 0, second.detach(), first.detach())
    parts = [
        _attended_loss(part, maps, (first.detach(), filled), validity, progress, settings)
        for part in settings.localisation.split("+")
    ]
    return torch.stack(parts).mean()


def _attended_loss(
    part: str,
    maps: tuple[Tensor, Tensor],
    logits: tuple[Tensor, Tensor],
    validity: Tensor,
    progress: float,
    settings: E2ESettings,
) -> Tensor:
    """Return eq. 3 for the part "variance", eq. 5 for "gradient"."""
    attention = (_variance if part == "variance" else _gradient)(*logits, settings)
    blended = settings.non_attentive_l2
    if blended is None:
        blended = part == "variance"
    if blended:
        weight = exp_rampup(progress, 1.0)
        return temporal_coherence_loss(*maps, attention, weight, validity=validity)
    return gradient_smoothness_loss(*maps, attention, validity=validity)


def _variance(first: Tensor, second: Tensor, settings: E2ESettings) -> Tensor:
    """Return M_var (B, T, h, w) for logits of both views."""
    if settings.attention_on == "probabilities":
        first, second = first.sigmoid(), second.sigmoid()
    if settings.attention == "released":
        # Clockwise and anticlockwise are the same map; the release adds the two without halving.
        return 2 * temporal_maps.released_variance_map(first, second, window=settings.window)
    other = second if settings.cyclic else None
    attention = temporal_maps.variance_map(first, other, window=settings.window)
    return temporal_maps.min_max(attention) if settings.attention == "min_max" else attention


def _gradient(first: Tensor, second: Tensor, settings: E2ESettings) -> Tensor:
    """Return M_grad (B, T, h, w) for logits of both views; only the original's count."""
    probabilities = first.sigmoid()
    if settings.attention == "released":
        # (B, T, H, W) against (B, 1, T, H, W): each clip is weighed by the mean of all clips' maps.
        return temporal_maps.released_gradient_map(probabilities).mean(0, keepdim=True)
    attention = temporal_maps.gradient_map(probabilities)
    return temporal_maps.min_max(attention) if settings.attention == "min_max" else attention
