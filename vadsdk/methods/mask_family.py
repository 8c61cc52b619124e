"""Mask networks as methods see them (`family.Family`).

Legend: B clips, T frames, h, w of the views, K classes.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from vadsdk.data.batches import NO_CLASS, ClipBatch
from vadsdk.kernels.augmentation import transfer_maps
from vadsdk.kernels.mask_losses import mask_losses
from vadsdk.kernels.weighting import weighted_mean
from vadsdk.losses import classification_consistency_loss, localisation_consistency_loss
from vadsdk.losses.class_distribution import log_class_distribution
from vadsdk.methods.supervised_terms import (
    TermSettings,
    decoded_classes,
    single_precision,
    supervised_losses,
)
from vadsdk.methods.views import View
from vadsdk.models import ClipOutputs
from vadsdk.models.outputs import class_weights
from vadsdk.ranks import num_ranks, sum_over_ranks


class PseudoMaskSettings(BaseModel):
    """When an answer of a mask network is trusted, and what agreement is worth."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    class_threshold: float = Field(default=0.8, ge=0, le=1)
    """Least probability of the best class; clips below it teach nothing."""
    pixel_threshold: float = Field(default=0.8, ge=0.5, le=1)
    """Pixels whose answer, actor or not, is less probable teach nothing."""
    masks_of: Literal["trusted", "all"] = "trusted"
    """Clips whose pixels teach: those whose class is trusted, or all, as an actor can be plain
    where his action is not; masks are decoded for the best class either way."""
    consistency_of: Literal["all", "actors"] = "all"
    """Pixels of mask consistency: all, or those where either answer shows an actor. The background
    elimination of Jeong et al. 2019 (section 3.3) asks one answer alone; for masks that would only
    ever take pixels away from the answer that is asked."""
    class_temperature: float = Field(default=1.0, gt=0)
    """Of the class distributions that consistency compares; below 1 sharpens."""
    cls_weight: float = Field(default=1.0, ge=0)
    """Of the class losses against pseudo labels and of class consistency."""
    loc_weight: float = Field(default=1.0, ge=0)
    """Of the mask losses against pseudo labels and of mask consistency."""


class PseudoMasks(NamedTuple):
    """What a mask network's answer is trusted in."""

    class_indices: Tensor
    """(B,) int64; `NO_CLASS` where nothing is trusted."""
    masks: Tensor
    """(B, T, h, w), 0 or 1."""
    pixel_weights: Tensor
    """(B, T, h, w), 0 or 1."""


class MaskFamily:
    """A `Family` of networks that answer with `ClipOutputs`.

    Args:
        num_classes: K.
        terms: of the supervised losses.
        pseudo: what is trusted.
    """

    def __init__(self, num_classes: int, terms: TermSettings, pseudo: PseudoMaskSettings) -> None:
        self._num_classes = num_classes
        self._terms = terms
        self._pseudo = pseudo

    def run(self, network: nn.Module, view: View, classes: Tensor | None = None) -> ClipOutputs:
        """Return a network's answer to a view; see `Family.run`."""
        if classes is None:
            classes = view.clips.new_full((len(view.clips),), NO_CLASS, dtype=torch.int64)
        condition = class_weights(classes, self._num_classes)
        outputs: ClipOutputs = network(view.clips, condition)
        return outputs

    def known_classes(self, batch: ClipBatch) -> Tensor:
        """Return the annotated classes, less `own_class_share` of them."""
        return decoded_classes(batch, self._terms.own_class_share)

    def best_classes(self, outputs: ClipOutputs) -> Tensor:
        """Return (B,) int64, the best class of each clip."""
        return outputs.class_scores.argmax(1)

    def class_logits(self, outputs: ClipOutputs) -> Tensor:
        """Return (B, K) log probabilities of the classes, at least float32."""
        return log_class_distribution(outputs.class_scores)

    def supervised_losses(
        self, outputs: ClipOutputs, batch: ClipBatch, view: View, progress: float | Tensor
    ) -> dict[str, Tensor]:
        """Return `cls`, `loc_bce` and `loc_dice`; see `supervised_terms`."""
        return supervised_losses(outputs, batch, view, progress, self._terms)

    @torch.no_grad()
    def pseudo_labels(self, outputs: ClipOutputs, source: View, target: View) -> PseudoMasks:
        """Return confident classes, and the confident pixels of those clips."""
        probabilities, classes = log_class_distribution(outputs.class_scores).exp().max(1)
        trusted = probabilities >= self._pseudo.class_threshold
        maps = single_precision(outputs.mask_logits).sigmoid()
        maps, validity = transfer_maps(maps, source.parameters, target.parameters)
        sure = torch.maximum(maps, 1 - maps) >= self._pseudo.pixel_threshold
        teaches = trusted if self._pseudo.masks_of == "trusted" else torch.ones_like(trusted)
        return PseudoMasks(
            class_indices=torch.where(trusted, classes, NO_CLASS),
            masks=(maps >= 0.5).to(maps.dtype),
            pixel_weights=sure * validity * teaches[:, None, None, None],
        )

    def pseudo_losses(self, outputs: ClipOutputs, pseudo: PseudoMasks) -> dict[str, Tensor]:
        """Return `pseudo_cls`, `pseudo_bce` and `pseudo_dice`, each over all B clips.

        A clip that is not trusted counts as one without loss, as in FixMatch (Sohn et al. 2020,
        eq. 4), so that few trusted clips weigh little.
        """
        log_probabilities = log_class_distribution(outputs.class_scores)
        kept = (pseudo.class_indices >= 0).to(log_probabilities.dtype)
        targets = pseudo.class_indices.clamp_min(0)[:, None]
        costs = -log_probabilities.gather(1, targets)[:, 0] * kept
        logits = single_precision(outputs.mask_logits)
        share = sum_over_ranks(pseudo.pixel_weights.mean()) / num_ranks()
        seen = logits * pseudo.pixel_weights + FAR_FROM_ACTOR * (1 - pseudo.pixel_weights)
        bce, dice = mask_losses(seen, pseudo.masks * pseudo.pixel_weights)
        return {
            "pseudo_cls": self._pseudo.cls_weight * weighted_mean(costs),
            "pseudo_bce": self._pseudo.loc_weight * bce,
            "pseudo_dice": self._pseudo.loc_weight * share * dice,
        }

    def consistency_losses(
        self, outputs: ClipOutputs, view: View, targets: ClipOutputs, target_view: View
    ) -> dict[str, Tensor]:
        """Return `cons_cls` (Jensen-Shannon divergence) and `cons_loc` (L2 of probabilities)."""
        maps = single_precision(targets.mask_logits).sigmoid()
        maps, validity = transfer_maps(maps, target_view.parameters, view.parameters)
        own = single_precision(outputs.mask_logits).sigmoid()
        attention = None
        if self._pseudo.consistency_of == "actors":
            shown = (torch.maximum(own, maps).detach() >= 0.5) & (validity > 0)
            seen = sum_over_ranks(torch.stack((validity.sum() * maps.shape[1], shown.sum())))
            attention = shown * (seen[0] / seen[1].clamp_min(1))
        return {
            "cons_cls": self._pseudo.cls_weight
            * classification_consistency_loss(
                single_precision(outputs.features),
                single_precision(targets.features),
                temperature=self._pseudo.class_temperature,
            ),
            "cons_loc": self._pseudo.loc_weight
            * localisation_consistency_loss(own, maps, attention=attention, validity=validity),
        }


FAR_FROM_ACTOR = -30.0
"""Logit that stands in where a pixel teaches nothing: its loss against 0 is below 1e-13."""
