"""How far two answers of a box network are from agreeing (CSD, Jeong et al. 2019).

Each cell is compared with the cell of the other view that shows the same place, so a mirrored view
is compared mirrored; boxes are moved along. Places count where the other answer is confident that
there is an object, as CSD leaves out background.

Legend: B clips, A anchors, K classes, gh, gw rows and columns of the grid, P = gh * gw cells.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from vadsdk.kernels.boxes_in_views import from_view_to_view, map_boxes
from vadsdk.kernels.warping import sampling_grid
from vadsdk.kernels.weighting import weighted_mean
from vadsdk.losses.classification_consistency import jensen_shannon
from vadsdk.methods.box_network import BoxTraits
from vadsdk.methods.box_settings import PseudoBoxSettings
from vadsdk.methods.pseudo_boxes import frame_probabilities
from vadsdk.methods.views import View
from vadsdk.models.outputs import BoxClipOutputs
from vadsdk.ranks import sum_over_ranks

_EDGE = 1e-6
"""Probabilities and sides are kept so far from 0 where their logarithm is taken."""


class CellAnswers(NamedTuple):
    """An answer by cell and anchor."""

    boxes_xyxy01: Tensor
    """(B, P, A, 4)."""
    objectness: Tensor
    """(B, P, A)."""
    class_scores: Tensor
    """(B, P, A, K)."""


def box_consistency_losses(
    outputs: BoxClipOutputs,
    view: View,
    targets: BoxClipOutputs,
    target_view: View,
    traits: BoxTraits,
    settings: PseudoBoxSettings,
) -> dict[str, Tensor]:
    """Return `cons_cls`, `cons_loc` and, with a frame head, `cons_frame_cls`, weighted.

    Args:
        outputs: the answer to `view`.
        view: of the clips.
        targets: the answer to `target_view`.
        target_view: of the same clips.
        traits: of the network.
        settings: the objectness that counts, and weights.
    """
    size = outputs.predictions.shape[-2], outputs.predictions.shape[-1]
    to_target = from_view_to_view(view.parameters, target_view.parameters)
    own = _by_cell(outputs, traits)
    others, is_inside = _same_places(_by_cell(targets, traits), to_target, size)
    moved = map_boxes(others.boxes_xyxy01, torch.linalg.inv_ex(to_target).inverse)
    others = others._replace(boxes_xyxy01=moved)
    counts = others.objectness.detach() > settings.objectness_threshold
    counts = counts & is_inside[..., None]  # (B, P, A)
    divergence = _divergence(own.class_scores, others.class_scores, traits)
    distance = _distance(own.boxes_xyxy01, others.boxes_xyxy01, size)
    num_counted = sum_over_ranks(counts.sum()).clamp_min(1)
    losses = {
        name: settings.box_weight * values.where(counts, 0.0).sum() / num_counted
        for name, values in (("cons_cls", divergence), ("cons_loc", distance))
    }
    if outputs.frame_logits.shape[1]:
        frames = [frame_probabilities(a.frame_logits, traits) for a in (outputs, targets)]
        divergence = _divergence(frames[0], frames[1], traits)  # (B,)
        losses["cons_frame_cls"] = settings.frame_weight * weighted_mean(divergence)
    return losses


def _by_cell(outputs: BoxClipOutputs, traits: BoxTraits) -> CellAnswers:
    num_anchors = outputs.predictions.shape[1]
    decoded = traits.decode(outputs.predictions)
    return CellAnswers(*(values.unflatten(1, (-1, num_anchors)) for values in decoded))


def _same_places(
    answers: CellAnswers, to_target: Tensor, size: tuple[int, int]
) -> tuple[CellAnswers, Tensor]:
    """Return the answers where each cell's centre lies in the target view, and if it does (B, P).

    Args:
        answers: to the target view.
        to_target: (B, 3, 3), from this view's coordinates to the target view's.
        size: (gh, gw).
    """
    height, width = size
    device = answers.objectness.device
    grid = sampling_grid(to_target, size, device=device, dtype=torch.float64).flatten(1, 2)
    sides = torch.tensor([width, height], device=device)
    cells = ((grid + 1) / 2 * sides).floor()  # (B, P, 2) column and row
    is_inside = ((cells >= 0) & (cells < sides)).all(-1)
    cells = cells.clamp_min(0).minimum(sides - 1).long()
    flat = cells[..., 1] * width + cells[..., 0]
    rows = torch.arange(len(flat), device=device)[:, None]
    return CellAnswers(*(values[rows, flat] for values in answers)), is_inside


def _divergence(scores: Tensor, others: Tensor, traits: BoxTraits) -> Tensor:
    """Return the Jensen-Shannon divergence (...) of classes (..., K); the mean over yes or no."""
    if not traits.multi_label:
        return jensen_shannon(scores.clamp_min(_EDGE).log(), others.clamp_min(_EDGE).log())
    pairs = (torch.stack((p, 1 - p), -1).clamp_min(_EDGE).log() for p in (scores, others))
    return jensen_shannon(*pairs).mean(-1)


def _distance(boxes_xyxy01: Tensor, others_xyxy01: Tensor, size: tuple[int, int]) -> Tensor:
    """Return the mean square of the gaps of centres in cells and of log sides, (...)."""
    height, width = size
    grid = boxes_xyxy01.new_tensor([width, height])
    centres, sides = [], []
    for boxes in (boxes_xyxy01, others_xyxy01):
        low, high = boxes[..., :2], boxes[..., 2:]
        centres.append((low + high) / 2 * grid)
        sides.append((high - low).clamp_min(_EDGE).log())
    gaps = torch.cat((centres[0] - centres[1], sides[0] - sides[1]), -1)
    return gaps.square().mean(-1)
