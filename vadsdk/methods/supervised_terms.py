"""What every method asks of the labelled rows, and the class that each row's masks are decoded for.

Legend: B clips, T frames, K classes, L labelled rows, h, w of the network's input.
"""

from __future__ import annotations

from typing import Literal, Self

import torch
from pydantic import BaseModel, ConfigDict, Field, model_validator
from torch import Tensor

from vadsdk.data.batches import NO_CLASS, ClipBatch
from vadsdk.kernels.augmentation import apply_view_to_frames, apply_view_to_masks
from vadsdk.kernels.mask_losses import mask_losses
from vadsdk.losses import (
    cross_entropy_loss,
    released_spread_loss,
    spread_loss,
    spread_margin,
)
from vadsdk.losses.spread import STEP_PROGRESS
from vadsdk.methods.host_draws import drawn_on_host
from vadsdk.methods.views import View
from vadsdk.models import ClipOutputs
from vadsdk.models.outputs import class_weights


class TermSettings(BaseModel):
    """Weights and forms of the supervised losses."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    classification: Literal["spread", "cross_entropy", "released_spread"] = "spread"
    """Spread loss with the margin of `spread_margin`; cross entropy; paper 1's released
    arithmetic."""
    margin_step: float = Field(default=STEP_PROGRESS, gt=0, le=1)
    """Of "spread" alone: share of the training after which its margin is raised."""
    cls_weight: float = Field(default=1.0, ge=0)
    """Of the classification loss."""
    bce_weight: float = Field(default=1.0, ge=0)
    """Of the masks' cross entropy."""
    dice_weight: float = Field(default=1.0, ge=0)
    """Of the masks' Dice loss."""
    label_smoothing: float = Field(default=0.0, ge=0, lt=1)
    """Of cross entropy alone: share of the target that all classes divide among them."""
    own_class_share: float = Field(default=0.0, ge=0, le=1)
    """Share of labelled clips whose masks are decoded for the network's own class, as they will be
    in use, instead of the true one (paper 1: none). Else a wrong class spoils the masks, too."""

    @model_validator(mode="after")
    def _margin_has_a_use(self) -> Self:
        if self.margin_step != STEP_PROGRESS and self.classification != "spread":
            raise ValueError("margin_step needs classification = spread")
        return self

    @model_validator(mode="after")
    def _smoothing_has_a_use(self) -> Self:
        if self.label_smoothing and self.classification != "cross_entropy":
            raise ValueError("label_smoothing needs classification = cross_entropy")
        return self


def supervised_losses(
    outputs: ClipOutputs,
    batch: ClipBatch,
    view: View,
    progress: float | Tensor,
    settings: TermSettings,
) -> dict[str, Tensor]:
    """Return the weighted losses `cls`, `loc_bce` and `loc_dice` of the labelled rows.

    Unlabelled rows are left out before anything is computed. A labelled clip without action (class
    -1) counts for the masks, which should be empty, and not for the class. Where annotation is
    sparse, only the masks of annotated frames count.

    Args:
        outputs: the network's answer to `view`.
        batch: gives masks, classes and who is labelled.
        view: gives how the masks must be moved.
        progress: in [0, 1), for the margin.
        settings: weights and forms.
    """
    labelled = batch.labelled_part()
    own = view.parameters.rows(batch.first_rows)
    logits = outputs.mask_logits[: len(labelled)]  # (L, T, h, w)
    masks = apply_view_to_masks(labelled.masks, own, (logits.shape[-2], logits.shape[-1]))
    known: Tensor | None = None
    if labelled.annotated is not None:  # a frame counts as a clip of its own, or not at all
        known = apply_view_to_frames(labelled.annotated, own).flatten()
        logits, masks = logits.flatten(0, 1)[:, None], masks.flatten(0, 1)[:, None]
    bce, dice = mask_losses(logits, masks, known)
    scores = single_precision(outputs.class_scores[: len(labelled)])
    classification = _classification_loss(scores, labelled.class_indices, progress, settings)
    return {
        "cls": settings.cls_weight * classification,
        "loc_bce": settings.bce_weight * bce,
        "loc_dice": settings.dice_weight * dice,
    }


def class_condition(
    batch: ClipBatch, num_classes: int, *, all_classes: bool | Tensor, own_class_share: float = 0.0
) -> Tensor:
    """Return (B, K) float, the class weights that the masks are decoded with (reference 2.3).

    Rows with a known class get it. Unlabelled rows get all classes early in the training
    (`all_classes`) and later zeros, which the network reads as its own best class. A labelled clip
    without action gets zeros too: its masks must come out empty under the class that would be
    asked for in use.

    Args:
        batch: gives classes and who is labelled.
        num_classes: K.
        all_classes: whether the training is in its first phase; a tensor has no dimension.
        own_class_share: see `TermSettings`; drawn from torch's CPU generator.
    """
    classes = decoded_classes(batch, own_class_share)
    condition = class_weights(classes, num_classes)
    if all_classes is False:
        return condition
    return condition + all_classes * (~batch.labelled)[:, None].float()


def decoded_classes(batch: ClipBatch, own_class_share: float) -> Tensor:
    """Return (B,) int64, the class that each row's masks are decoded for; -1 for its own best.

    Args:
        batch: gives classes and who is labelled.
        own_class_share: see `TermSettings`; drawn from torch's CPU generator.
    """
    known = batch.labelled & (batch.class_indices >= 0)
    if own_class_share:
        known = known & (drawn_on_host(torch.rand, len(known), known.device) >= own_class_share)
    return batch.class_indices.where(known, NO_CLASS)


def single_precision(values: Tensor) -> Tensor:
    """Return at least float32: losses are summed in it whatever the network computed in."""
    return values if values.dtype == torch.float64 else values.float()


def _classification_loss(
    scores: Tensor, class_indices: Tensor, progress: float | Tensor, settings: TermSettings
) -> Tensor:
    if settings.classification == "cross_entropy":
        return cross_entropy_loss(scores, class_indices, label_smoothing=settings.label_smoothing)
    if settings.classification == "released_spread":
        return released_spread_loss(scores, class_indices)
    margin = spread_margin(progress, settings.margin_step)
    return spread_loss(scores, class_indices, margin)
