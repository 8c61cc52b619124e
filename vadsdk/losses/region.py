"""The region loss of box networks (YOWO; paper 2, eq. 1 to 4).

Legend: B clips, M boxes of the clip with most, A anchors, K classes, gh, gw rows and columns of the
    grid, N objects that have a place in it.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from vadsdk.kernels.grid_boxes import CONFIDENCE, NUM_BOX_LOGITS, W
from vadsdk.losses.region_targets import RegionTargets, assign_regions
from vadsdk.ranks import sum_over_ranks
from vadsdk.structures.ava import num_poses

_EDGE = 1e-6
"""A probability is kept so far from 1 where the logarithm of what is left of it is taken."""

_SMALLEST = 1e-12
"""Of what is raised to gamma: below 1, the power's slope at 0 is infinite."""


class RegionSettings(BaseModel):
    """Forms and weights of the region loss."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    alpha: float = Field(default=0.5, ge=0)
    """Of box and confidence against class losses (eq. 4)."""
    eta: float = Field(default=0.5, ge=0, le=1)
    """Factor of the square where coordinates are off by less than 1 (eq. 1)."""
    gamma: float | None = Field(default=None, ge=0)
    """How much confident classes count less (eq. 3); None: 2, or 0.5 with several classes a box, as
    section 4.2 has it."""
    focal: Literal["paper", "released"] = "paper"
    """Of one class a box: eq. 3 over all classes; or YOWO's, the true class's term alone."""
    object_weight: float = Field(default=5.0, ge=0)
    """Of the confidence where an object is; the release's, the paper gives none."""
    ignore_iou: float = Field(default=0.6, ge=0, le=1)
    """A place whose box overlaps an object by more need not say that it is empty (release)."""
    reduction: Literal["mean", "sum"] = "mean"
    """Over the clips of a batch. The paper and the release sum; eq. 6 adds a frame loss that is
    summed as well, so the mean of both has the same ratio, and steps as large for any batch."""


class RegionLosses(NamedTuple):
    """The terms of eq. 4, weighted."""

    x: Tensor
    """Centre, column."""
    y: Tensor
    """Centre, row."""
    w: Tensor
    """Width."""
    h: Tensor
    """Height."""
    confidence: Tensor
    """Whether there is an object, and how well the box fits it."""
    classification: Tensor
    """What it does."""


def region_loss(
    predictions: Tensor,
    boxes_xyxy01: Tensor,
    classes: Tensor,
    anchors: Tensor,
    settings: RegionSettings,
    *,
    sample_weights: Tensor | None = None,
    multi_label: bool = False,
) -> RegionLosses:
    """Return the terms of eq. 4, over B clips; a clip of weight 0 counts as one without loss.

    The confidence should be the IoU of the object and the box that is predicted for it.

    Args:
        predictions: (B, A, 5 + K, gh, gw) logits: x, y, w, h, confidence, classes.
        boxes_xyxy01: (B, M, 4), in shares of the network's input.
        classes: (B, M) int64, -1 where there is no box; or (B, M, K) bool, all False there.
        anchors: (A, 2) width and height in cells.
        settings: forms and weights.
        sample_weights: (B,) or None.
        multi_label: a box may have several classes: equal boxes of a clip share theirs.
    """
    if predictions.dtype != torch.float64:
        predictions = predictions.float()
    anchors, boxes = anchors.to(predictions.dtype), boxes_xyxy01.to(predictions.dtype)
    is_class = _classes_of_boxes(boxes, classes, predictions.shape[2] - NUM_BOX_LOGITS)
    if multi_label:
        is_same = (boxes[:, :, None] == boxes[:, None]).all(-1)  # (B, M, M)
        is_class = (is_same[..., None] & is_class[:, None]).any(2)
    targets = assign_regions(predictions, boxes, is_class.any(-1), anchors, settings.ignore_iou)
    weights = predictions.new_ones(len(predictions))
    if sample_weights is not None:
        weights = sample_weights.to(weights.dtype)
    if settings.reduction == "mean":
        weights = weights / sum_over_ranks(torch.ones_like(weights).sum()).clamp_min(1)
    answers = predictions.movedim(2, -1).flatten(1, 3)  # (B, A * gh * gw, 5 + K)
    x, y, w, h = _coordinate_losses(answers, targets, weights, settings)
    gamma = settings.gamma if settings.gamma is not None else 0.5 if multi_label else 2.0
    costs = _class_costs(
        answers[targets.rows, targets.places, NUM_BOX_LOGITS:],
        is_class[targets.rows, targets.objects].to(weights.dtype),
        gamma,
        "multi_label" if multi_label else settings.focal,
    )
    return RegionLosses(
        x=x,
        y=y,
        w=w,
        h=h,
        confidence=_confidence_loss(answers[..., CONFIDENCE], targets, weights, settings),
        classification=(costs * weights[targets.rows]).sum(),
    )


def _classes_of_boxes(boxes: Tensor, classes: Tensor, num_classes: int) -> Tensor:
    """Return (B, M, K) bool."""
    if classes.ndim == boxes.ndim:
        return classes
    return classes[..., None] == torch.arange(num_classes, device=classes.device)


def _coordinate_losses(
    answers: Tensor, targets: RegionTargets, weights: Tensor, settings: RegionSettings
) -> tuple[Tensor, ...]:
    """Return x, y, w, h of eq. 1 times alpha."""
    found = answers[targets.rows, targets.places, :CONFIDENCE]  # (N, 4)
    found = torch.cat((found[:, :W].sigmoid(), found[:, W:]), 1)
    gaps = (found - targets.offsets).abs()
    costs = torch.where(gaps < 1, settings.eta * gaps.square(), gaps - settings.eta)
    losses = settings.alpha * (costs * weights[targets.rows, None]).sum(0)
    return losses.unbind()


def _confidence_loss(
    logits: Tensor, targets: RegionTargets, weights: Tensor, settings: RegionSettings
) -> Tensor:
    """Return eq. 2 times alpha for logits (B, A * gh * gw)."""
    confidence = logits.sigmoid()
    wanted, counts = torch.zeros_like(confidence), targets.is_empty.to(confidence.dtype)
    place = (targets.rows, targets.places)
    wanted = wanted.index_put(place, targets.overlaps)
    counts = counts.index_put(place, torch.full_like(targets.overlaps, settings.object_weight))
    costs = (counts * (confidence - wanted).square()).sum(1)
    return settings.alpha * (costs * weights).sum()


def _class_costs(
    logits: Tensor, targets: Tensor, gamma: float, form: Literal["paper", "released", "multi_label"]
) -> Tensor:
    """Return (N,) eq. 3, which weighs a term by how wrong it is, for logits and targets (N, K)."""
    if form == "multi_label":
        count = num_poses(logits.shape[1])
        poses, others = logits[:, :count].log_softmax(1), logits[:, count:]
        log_yes = torch.cat((poses, F.logsigmoid(others)), 1)
        log_no = torch.cat((_log_rest(poses), F.logsigmoid(-others)), 1)
    else:
        log_yes = logits.log_softmax(1)
        log_no = _log_rest(log_yes)
    yes = log_yes.exp()
    present = targets * (1 - yes).clamp_min(_SMALLEST).pow(gamma) * log_yes
    if form == "released":
        return -present.sum(1)
    absent = (1 - targets) * yes.clamp_min(_SMALLEST).pow(gamma) * log_no
    return -(present + absent).sum(1)


def _log_rest(log_probabilities: Tensor) -> Tensor:
    """Return log(1 - p)."""
    return torch.log1p(-log_probabilities.exp().clamp_max(1 - _EDGE))
