"""Grids of anchors: what `yowo` and `yowo-n` share, from their settings to boxes.

Legend: B clips, A anchors, K classes, gh, gw rows and columns of the grid, N = gh * gw * A boxes.
"""

from __future__ import annotations

from typing import Literal, Self

import torch
from pydantic import BaseModel, ConfigDict, model_validator
from torch import Tensor

from vadsdk.kernels.grid_boxes import CONFIDENCE, NUM_BOX_LOGITS, grid_boxes
from vadsdk.structures.ava import num_poses

Size = tuple[float, float]
AnchorName = Literal["ucf101-24", "jhmdb21"]

_YOWO_GRID = 7
ANCHORS: dict[AnchorName, tuple[Size, ...]] = {
    "ucf101-24": (
        (0.70458, 1.18803),
        (1.26654, 2.55121),
        (1.59382, 4.08321),
        (2.30548, 4.94180),
        (3.52332, 5.91979),
    ),
    "jhmdb21": (
        (0.95878, 3.10197),
        (1.67204, 4.0040),
        (1.75482, 5.64937),
        (3.09299, 5.80857),
        (4.91803, 6.25225),
    ),
}
"""Width and height in cells of YOWO's 7 x 7 grid (its release); other grids have them scaled."""


class BoxNetworkSettings(BaseModel):
    """Options of every box network."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    anchors: AnchorName | tuple[Size, ...] = "ucf101-24"
    """YOWO's for a data set, by name; or width and height of your own in shares of the frame."""
    multi_label: bool = False
    """Whether a box may show several classes at once (AVA): scores are then sigmoids instead of one
    softmax; among AVA's 60 or 80 classes the poses, which come first, keep a softmax."""
    frame_head: bool = True
    """Whether there is paper 2's classifier of whole frames; exported files are without it."""

    @model_validator(mode="after")
    def _anchors_are_sizes(self) -> Self:
        if isinstance(self.anchors, tuple):
            sizes = [side for anchor in self.anchors for side in anchor]
            if not sizes or not all(0 < side <= 1 for side in sizes):
                raise ValueError(
                    "anchors of your own are one or more (width, height) in shares of the frame, "
                    f"each in (0, 1], not {self.anchors}"
                )
        return self

    def anchors_in_cells(self, grid: int) -> Tensor:
        """Return (A, 2) width and height of the anchors in cells.

        Args:
            grid: rows and columns of it.
        """
        if isinstance(self.anchors, tuple):
            return torch.tensor(self.anchors) * grid
        return torch.tensor(ANCHORS[self.anchors]) * (grid / _YOWO_GRID)


def decode_grid(
    predictions: Tensor, anchors: Tensor, *, multi_label: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """Return boxes (B, N, 4), objectness (B, N) and class scores (B, N, K) of every anchor.

    Boxes are x1, y1, x2, y2 in shares of the input, not clipped to it; the rest lies in [0, 1].
    N runs over rows, columns and anchors, the anchor innermost (YOWO's release). No branch depends
    on values, so that it exports.

    Args:
        predictions: (B, A, 5 + K, gh, gw) logits: x, y, w, h, confidence, classes.
        anchors: (A, 2) width and height in cells.
        multi_label: see `class_scores`.
    """
    height, width = predictions.shape[-2:]
    cells = predictions.new_tensor([width, height, width, height])
    boxes = grid_boxes(predictions, anchors).permute(0, 2, 3, 1, 4) / cells  # (B, gh, gw, A, 4)
    logits = predictions.permute(0, 3, 4, 1, 2)  # (B, gh, gw, A, 5 + K)
    scores = class_scores(logits[..., NUM_BOX_LOGITS:], multi_label=multi_label)
    objectness = logits[..., CONFIDENCE].sigmoid()
    return boxes.flatten(1, 3), objectness.flatten(1, 3), scores.flatten(1, 3)


def class_scores(logits: Tensor, *, multi_label: bool) -> Tensor:
    """Return scores (..., K) in [0, 1] of class logits (..., K).

    Args:
        logits: before any softmax or sigmoid.
        multi_label: several classes a box: a sigmoid each. AVA's 60 or 80 classes begin with poses,
            of which a person has one: a softmax over those (YOWO's release).
    """
    if not multi_label:
        return logits.softmax(-1)
    poses = num_poses(logits.shape[-1])
    if not poses:
        return logits.sigmoid()
    return torch.cat([logits[..., :poses].softmax(-1), logits[..., poses:].sigmoid()], -1)
