"""Boxes and frame classes that a box network's own answer is trusted in (paper 2, section 3.3).

    answer -> boxes -> NMS -> objectness > O_th --+-- same class? -> pseudo boxes -> target view
           -> frame class, probability > F_th ----+---------------> pseudo frame class

Legend: B clips, M pseudo boxes of a clip at most, K classes, C classes of the frame.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from vadsdk.data.batches import NO_CLASS
from vadsdk.kernels.batched_nms import batched_nms
from vadsdk.kernels.boxes_in_views import transfer_boxes
from vadsdk.losses import multi_label_loss, pseudo_label_loss, region_loss
from vadsdk.methods.box_network import BoxTraits
from vadsdk.methods.box_settings import BoxTermSettings, PseudoBoxSettings
from vadsdk.methods.box_terms import named_losses
from vadsdk.methods.supervised_terms import single_precision
from vadsdk.methods.views import View
from vadsdk.models.outputs import BoxClipOutputs
from vadsdk.ranks import num_ranks


class PseudoBoxes(NamedTuple):
    """What a box network's answer is trusted in."""

    boxes_xyxy01: Tensor
    """(B, M, 4) in the view that will be taught."""
    is_class: Tensor
    """(B, M, K) bool; all False where there is no box."""
    is_shown: Tensor
    """(B, C) bool: what the frame shows."""
    is_known: Tensor
    """(B, C) bool: where `is_shown` is trusted."""
    is_empty: Tensor
    """(B,) bool: clips whose boxes should find nothing."""


@torch.no_grad()
def find_pseudo_boxes(
    outputs: BoxClipOutputs,
    source: View,
    target: View,
    traits: BoxTraits,
    settings: PseudoBoxSettings,
    min_visible_share: float,
) -> PseudoBoxes:
    """Return what is trusted of an answer, moved into another view.

    Args:
        outputs: the answer to `source`.
        source: view that was answered.
        target: view that will be taught.
        traits: of the network.
        settings: thresholds.
        min_visible_share: see `BoxTermSettings`.
    """
    boxes, objectness, scores = traits.decode(outputs.predictions)
    chosen, is_box = batched_nms(
        boxes,
        objectness,
        settings.nms_iou_threshold,
        min_score=settings.objectness_threshold,
        max_kept=settings.max_boxes,
    )
    boxes, scores = (
        values.gather(1, chosen[..., None].expand(-1, -1, values.shape[2]))
        for values in (boxes, scores)
    )
    if traits.multi_label:
        is_class = scores > settings.class_threshold
    else:
        is_class = F.one_hot(scores.argmax(2), scores.shape[2]).bool()
        is_sure = (scores.amax(2) > settings.min_class_probability) | ~is_box
        is_class = is_class & is_sure.all(1)[:, None, None]
    is_shown, is_known = _trusted_frames(outputs.frame_logits, traits, settings)
    if settings.class_agreement:
        is_class = is_class & (is_shown & is_known)[:, None, : traits.num_classes]
    boxes, is_seen = transfer_boxes(boxes, source.parameters, target.parameters, min_visible_share)
    background = _is_background(is_shown, is_known, traits)
    return PseudoBoxes(
        boxes_xyxy01=boxes,
        is_class=is_class & (is_box & is_seen)[..., None],
        is_shown=is_shown,
        is_known=is_known
        if settings.negative_frames != "none"
        else is_known & ~background[:, None],
        is_empty=background & (settings.negative_frames == "frame+boxes"),
    )


def pseudo_box_losses(
    outputs: BoxClipOutputs,
    pseudo: PseudoBoxes,
    traits: BoxTraits,
    terms: BoxTermSettings,
    settings: PseudoBoxSettings,
) -> dict[str, Tensor]:
    """Return `pseudo_box`, `pseudo_objectness`, `pseudo_box_cls` (eq. 8), `pseudo_frame_cls` (7).

    Clips without any pseudo box get no loss of boxes, unless they are trusted to be empty; they
    count as clips without loss, so that few trusted clips weigh little.

    Args:
        outputs: the answer to the target view.
        pseudo: what it should be.
        traits: of the network.
        terms: forms of the losses.
        settings: weights.
    """
    # A frame trusted to show nothing has no confident box, or none that counts.
    is_class = pseudo.is_class & ~pseudo.is_empty[:, None, None]
    losses = region_loss(
        outputs.predictions,
        pseudo.boxes_xyxy01,
        is_class,
        traits.anchors,
        terms,
        sample_weights=is_class.any(-1).any(-1) | pseudo.is_empty,
        multi_label=traits.multi_label,
    )
    named = {f"pseudo_{n}": settings.box_weight * v for n, v in named_losses(losses).items()}
    if outputs.frame_logits.shape[1]:
        scale = len(outputs.predictions) * num_ranks() if terms.reduction == "sum" else 1
        frame = _pseudo_frame_loss(outputs.frame_logits, pseudo, traits, terms)
        named["pseudo_frame_cls"] = settings.frame_weight * scale * frame
    return named


def frame_probabilities(frame_logits: Tensor, traits: BoxTraits) -> Tensor:
    """Return (B, C): one distribution, or the probability of each action in a multi-label one."""
    logits = single_precision(frame_logits)
    return logits.sigmoid() if traits.multi_label else logits.softmax(1)


def _trusted_frames(
    frame_logits: Tensor, traits: BoxTraits, settings: PseudoBoxSettings
) -> tuple[Tensor, Tensor]:
    """Return what frames show and what of it is trusted, each (B, C) bool."""
    probabilities = frame_probabilities(frame_logits, traits)
    threshold = settings.frame_threshold
    if traits.multi_label:
        is_shown = probabilities > 0.5
        return is_shown, torch.maximum(probabilities, 1 - probabilities) > threshold
    if not probabilities.shape[1]:
        return probabilities.bool(), probabilities.bool()
    best, classes = probabilities.max(1)
    is_shown = F.one_hot(classes, probabilities.shape[1]).bool()
    return is_shown, (best > threshold)[:, None].expand_as(is_shown)


def _is_background(is_shown: Tensor, is_known: Tensor, traits: BoxTraits) -> Tensor:
    """Return (B,) bool: frames that are trusted to show no action."""
    if not is_shown.shape[1]:
        return torch.zeros(len(is_shown), dtype=torch.bool, device=is_shown.device)
    if traits.multi_label:
        return (is_known & ~is_shown).all(1)
    return (is_shown & is_known)[:, traits.num_classes]


def _pseudo_frame_loss(
    frame_logits: Tensor, pseudo: PseudoBoxes, traits: BoxTraits, terms: BoxTermSettings
) -> Tensor:
    logits = single_precision(frame_logits)
    if traits.multi_label:
        weight = terms.frame_positive_weight
        return multi_label_loss(logits, pseudo.is_shown, pseudo.is_known, positive_weight=weight)
    classes = pseudo.is_shown.int().argmax(1).where(pseudo.is_known.all(1), NO_CLASS)
    return pseudo_label_loss(logits, classes)
