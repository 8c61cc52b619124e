"""What is asked of box networks on annotated key frames (paper 2, eq. 6).

Legend: B clips, M boxes of the key frame, K classes, L labelled rows whose key frame is annotated.
"""

from __future__ import annotations

import torch
from torch import Tensor

from vadsdk.data.batches import NO_CLASS, ClipBatch
from vadsdk.kernels.boxes_in_views import boxes_in_view
from vadsdk.losses import RegionLosses, logit_cross_entropy_loss, multi_label_loss, region_loss
from vadsdk.methods.box_network import BoxTraits
from vadsdk.methods.box_settings import BoxTermSettings
from vadsdk.methods.supervised_terms import single_precision
from vadsdk.methods.views import View
from vadsdk.models.outputs import BoxClipOutputs
from vadsdk.ranks import sum_over_ranks

KEY = -1
"""A box clip's key frame is its last."""


def supervised_box_losses(
    outputs: BoxClipOutputs,
    batch: ClipBatch,
    view: View,
    traits: BoxTraits,
    settings: BoxTermSettings,
) -> dict[str, Tensor]:
    """Return `box`, `objectness`, `box_cls` and, with a frame head, `frame_cls`, weighted.

    Only labelled rows count, and where annotation is sparse, of those only the ones whose key frame
    is annotated.

    Args:
        outputs: the network's answer to `view`.
        batch: the annotation.
        view: gives how the boxes must be moved.
        traits: of the network.
        settings: weights and forms.
    """
    rows = counted_rows(batch, background_frames=settings.background_frames)
    boxes, classes = key_boxes(batch, rows)
    seen, is_seen = boxes_in_view(boxes, view.parameters.rows(rows), settings.min_visible_share)
    losses = region_loss(
        outputs.predictions[rows],
        seen,
        classes.where(is_seen, NO_CLASS),
        traits.anchors,
        settings,
        multi_label=traits.multi_label,
    )
    named = named_losses(losses)
    if outputs.frame_logits.shape[1]:
        frame = _frame_loss(outputs.frame_logits[rows], batch, rows, traits, settings)
        count = sum_over_ranks(torch.ones_like(rows).sum())
        scale = count if settings.reduction == "sum" else 1
        named["frame_cls"] = settings.frame_weight * scale * frame
    return named


def named_losses(losses: RegionLosses) -> dict[str, Tensor]:
    """Return the terms of the region loss as a step's losses."""
    return {
        "box": losses.x + losses.y + losses.w + losses.h,
        "objectness": losses.confidence,
        "box_cls": losses.classification,
    }


def counted_rows(batch: ClipBatch, *, background_frames: bool = True) -> Tensor:
    """Return (L,) the labelled rows whose key frame is annotated.

    Args:
        batch: the annotation.
        background_frames: whether frames without action are among them.
    """
    counted = batch.labelled
    if batch.annotated is not None:
        counted = counted & batch.annotated[:, KEY]
    if not background_frames:
        assert batch.box_classes is not None
        counted = counted & (batch.box_classes[:, KEY] >= 0).any(1)
    return counted.nonzero()[:, 0]


def key_boxes(batch: ClipBatch, rows: Tensor) -> tuple[Tensor, Tensor]:
    """Return boxes (L, M, 4) of the stored key frame, and their classes (L, M)."""
    # A sampler that ends clips with their key frame gives boxes.
    assert batch.boxes_xyxy01 is not None
    assert batch.box_classes is not None
    return batch.boxes_xyxy01[rows, KEY], batch.box_classes[rows, KEY]


def _frame_loss(
    logits: Tensor, batch: ClipBatch, rows: Tensor, traits: BoxTraits, settings: BoxTermSettings
) -> Tensor:
    """Return eq. 5; a frame without action shows background."""
    logits = single_precision(logits)
    if traits.multi_label:
        _, classes = key_boxes(batch, rows)
        labels = torch.arange(traits.num_classes, device=classes.device)
        shown = (classes[..., None] == labels).any(1)  # (L, K)
        return multi_label_loss(logits, shown, positive_weight=settings.frame_positive_weight)
    shown = batch.class_indices[rows]
    return logit_cross_entropy_loss(logits, shown.where(shown >= 0, traits.num_classes))
