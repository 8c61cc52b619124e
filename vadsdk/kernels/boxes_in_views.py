"""Boxes of the stored frame as views show them, and boxes of one view in the frame of another.

    store frame  --boxes_in_view-->  view           what was annotated
    view a       --transfer_boxes--> view b         what a network said of view a

Boxes stay upright: of one that a view turns, it is the box around its corners.

Legend: B clips, M boxes a clip. Boxes are x0, y0, x1, y1 in [0, 1] of their frame, max edge
    exclusive.
"""

from __future__ import annotations

import torch
from torch import Tensor

from vadsdk.errors import ConfigError
from vadsdk.kernels.view_parameters import ViewParameters


def boxes_in_view(
    boxes_xyxy01: Tensor, parameters: ViewParameters, min_visible_share: float
) -> tuple[Tensor, Tensor]:
    """Return boxes as a view shows them (B, M, 4), cut to it, and whether enough is seen (B, M).

    Args:
        boxes_xyxy01: (B, M, 4) of the stored frame.
        parameters: B views.
        min_visible_share: least share of a box's area that must lie in the view.

    Raises:
        ConfigError: a view is reversed in time.
    """
    require_time_order(parameters)
    return _seen(boxes_xyxy01, parameters.inverse_matrices(), min_visible_share)


def transfer_boxes(
    boxes_xyxy01: Tensor, source: ViewParameters, target: ViewParameters, min_visible_share: float
) -> tuple[Tensor, Tensor]:
    """Return boxes of one view in another's frame, as `boxes_in_view` does.

    Args:
        boxes_xyxy01: (B, M, 4) of the `source` views.
        source: the views that the boxes belong to.
        target: the views whose frame they are wanted in.
        min_visible_share: least share of a box's area that must lie in the target view.
    """
    return _seen(boxes_xyxy01, from_view_to_view(source, target), min_visible_share)


def from_view_to_view(source: ViewParameters, target: ViewParameters) -> Tensor:
    """Return (B, 3, 3): coordinates of the `source` view to those of the `target` view.

    Raises:
        ConfigError: a view is reversed in time.
    """
    require_time_order(source)
    require_time_order(target)
    to_target: Tensor = target.inverse_matrices() @ source.matrices()
    return to_target


def map_boxes(boxes_xyxy01: Tensor, matrices: Tensor) -> Tensor:
    """Return the upright boxes (..., 4) around moved ones, not cut; gradients flow through.

    Args:
        boxes_xyxy01: (B, ..., 4).
        matrices: (B, 3, 3), from the boxes' coordinates to those wanted, as in `warping.py`.
    """
    edges = 2 * boxes_xyxy01.to(torch.float64) - 1
    shape = (len(edges), *[1] * (edges.ndim - 2))
    first, second = matrices[:, :2].to(edges.device).view(*shape, 2, 3).unbind(-2)  # (B, ..., 3)
    x, y = edges[..., [0, 2, 0, 2]], edges[..., [1, 1, 3, 3]]  # (B, ..., 4) corners
    moved_x, moved_y = (
        row[..., 0:1] * x + row[..., 1:2] * y + row[..., 2:3] for row in (first, second)
    )
    sides = (moved_x.amin(-1), moved_y.amin(-1), moved_x.amax(-1), moved_y.amax(-1))
    return ((torch.stack(sides, -1) + 1) / 2).to(boxes_xyxy01.dtype)


def require_time_order(parameters: ViewParameters) -> None:
    """Refuse clips that are seen backwards: their last frame, whose boxes are meant, is another.

    Raises:
        ConfigError: a view is reversed in time. On a card, which nobody waits for, the assertion
            fails there.
    """
    reason = (
        "boxes are those of a clip's last frame, so a view must not reverse the time; set its "
        "time_reversal_probability to 0"
    )
    if parameters.time_reversed.is_cuda:
        torch._assert_async(~parameters.time_reversed.any(), reason)
    elif bool(parameters.time_reversed.any()):
        raise ConfigError(reason)


def _seen(
    boxes_xyxy01: Tensor, matrices: Tensor, min_visible_share: float
) -> tuple[Tensor, Tensor]:
    moved = map_boxes(boxes_xyxy01, matrices)
    cut = moved.clamp(0, 1)
    area, seen = ((box[..., 2:] - box[..., :2]).clamp_min(0).prod(-1) for box in (moved, cut))
    return cut, (seen > 0) & (seen >= min_visible_share * area)
