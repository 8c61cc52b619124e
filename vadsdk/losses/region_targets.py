"""Which cell and anchor of a box network answers for which object (YOWO; paper 2's base).

    object -> anchor of the most alike shape, in the cell of its centre; a later object takes the
    place of an earlier one there. All other cells should say that there is nothing, unless what
    they say overlaps an object well.

Legend: B clips, M boxes of the clip with most, A anchors, K classes, gh, gw rows and columns of the
    grid, N objects that have a place.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from vadsdk.kernels.grid_boxes import grid_boxes


class RegionTargets(NamedTuple):
    """What each place is asked for; nothing of it carries a gradient."""

    rows: Tensor
    """(N,) int64 clip of each object that has a place."""
    places: Tensor
    """(N,) int64 place of it in the flat (A, gh, gw) of its clip."""
    objects: Tensor
    """(N,) int64 which of the M boxes it is."""
    offsets: Tensor
    """(N, 4): x and y of the centre in its cell, in [0, 1); log of width and height over the
    anchor's."""
    overlaps: Tensor
    """(N,) IoU of the object and the box that is predicted at its place, in [0, 1]."""
    is_empty: Tensor
    """(B, A * gh * gw) bool: places that should say that there is nothing."""


@torch.no_grad()
def assign_regions(
    predictions: Tensor,
    boxes_xyxy01: Tensor,
    is_object: Tensor,
    anchors: Tensor,
    ignore_iou: float,
) -> RegionTargets:
    """Give each object its place.

    Args:
        predictions: (B, A, 5 + K, gh, gw) logits.
        boxes_xyxy01: (B, M, 4), in shares of the network's input.
        is_object: (B, M) bool; boxes without area are none either.
        anchors: (A, 2) width and height in cells.
        ignore_iou: a place whose box overlaps an object by more need not say that it is empty.
    """
    num_anchors, _, grid_height, grid_width = predictions.shape[1:]
    grid = anchors.new_tensor([grid_width, grid_height])
    low, high = (boxes_xyxy01[..., part] * grid for part in (slice(2), slice(2, 4)))
    centres, sizes = (low + high) / 2, high - low  # (B, M, 2) in cells
    is_object = is_object & (sizes > 0).all(-1)
    sizes = sizes.where(is_object[..., None], 1.0)
    anchor = _shape_iou(sizes[..., None, :], anchors).argmax(-1)  # (B, M), the first on ties
    cell = centres.floor().clamp_min(0).minimum(grid - 1)
    place = (anchor * grid_height + cell[..., 1].long()) * grid_width + cell[..., 0].long()
    num_places = num_anchors * grid_height * grid_width
    rows, objects = _last_of_each_place(place, is_object, num_places)
    predicted = predicted_boxes(predictions, anchors)  # (B, A * gh * gw, 4)
    low, high = (part.where(is_object[..., None], 0.0) for part in (low, high))
    overlaps = _iou(predicted[:, :, None], torch.cat((low, high), -1)[:, None])  # (B, places, M)
    is_empty = (overlaps <= ignore_iou).all(2)
    places = place[rows, objects]
    is_empty[rows, places] = False
    found = (sizes / anchors[anchor]).log()
    offsets = torch.cat((centres - cell, found), -1)[rows, objects]
    return RegionTargets(rows, places, objects, offsets, overlaps[rows, places, objects], is_empty)


def predicted_boxes(predictions: Tensor, anchors: Tensor) -> Tensor:
    """Return (B, A * gh * gw, 4) predicted boxes, x and y of their corners in cells.

    Args:
        predictions: (B, A, 5 + K, gh, gw) logits.
        anchors: (A, 2) width and height in cells.
    """
    return grid_boxes(predictions, anchors).flatten(1, 3)


def _last_of_each_place(place: Tensor, is_object: Tensor, num_places: int) -> tuple[Tensor, Tensor]:
    """Return clip and number (N,) of the objects that no later one of their clip displaces."""
    numbers = torch.arange(place.shape[1], device=place.device).expand_as(place)
    last = place.new_full((len(place), num_places), -1)
    last.scatter_reduce_(1, place, numbers.where(is_object, -1), "amax")
    rows, objects = (is_object & (last.gather(1, place) == numbers)).nonzero(as_tuple=True)
    return rows, objects


def _shape_iou(sizes: Tensor, others: Tensor) -> Tensor:
    """Return the IoU (...) of widths and heights (..., 2), as if the boxes were concentric."""
    both = torch.minimum(sizes, others).prod(-1)
    return both / (sizes.prod(-1) + others.prod(-1) - both)


def _iou(boxes_xyxy: Tensor, others_xyxy: Tensor) -> Tensor:
    """Return the IoU (...) of boxes (..., 4); 0 for two without area."""
    low = torch.maximum(boxes_xyxy[..., :2], others_xyxy[..., :2])
    high = torch.minimum(boxes_xyxy[..., 2:], others_xyxy[..., 2:])
    both = (high - low).clamp_min(0).prod(-1)
    areas = (boxes_xyxy[..., 2:] - boxes_xyxy[..., :2]).prod(-1)
    others = (others_xyxy[..., 2:] - others_xyxy[..., :2]).prod(-1)
    return both / (areas + others - both).clamp_min(torch.finfo(both.dtype).tiny)
