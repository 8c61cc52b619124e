"""Boxes out of a grid of anchors' logits, as YOLOv2 and YOWO state them.

Legend: B clips, A anchors, K classes, gh, gw rows and columns of the grid.
"""

from __future__ import annotations

import torch
from torch import Tensor

X, Y, W, H, CONFIDENCE = range(5)
NUM_BOX_LOGITS = 5
"""Logits of an anchor before those of its classes."""

LARGEST_LOG_SIZE = 20.0
"""Wider or higher boxes, over the anchor, are cut to this: their areas must stay finite."""


def grid_boxes(predictions: Tensor, anchors: Tensor) -> Tensor:
    """Return (B, A, gh, gw, 4): x1, y1, x2, y2 in cells, not clipped to the grid.

    Args:
        predictions: (B, A, 5 + K, gh, gw) logits: x, y, w, h, confidence, classes.
        anchors: (A, 2) width and height in cells.
    """
    height, width = predictions.shape[-2:]
    columns = torch.arange(width, device=predictions.device)
    rows = torch.arange(height, device=predictions.device)[:, None]
    x = predictions[:, :, X].sigmoid() + columns  # (B, A, gh, gw)
    y = predictions[:, :, Y].sigmoid() + rows
    wide, high = predictions[:, :, W : H + 1].clamp_max(LARGEST_LOG_SIZE).exp().unbind(2)
    half_width = wide * anchors[:, 0, None, None] / 2
    half_height = high * anchors[:, 1, None, None] / 2
    return torch.stack((x - half_width, y - half_height, x + half_width, y + half_height), -1)
