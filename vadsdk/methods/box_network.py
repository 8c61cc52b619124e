"""What the teaching of box networks reads off them.

Legend: B clips, A anchors, K classes, C classes of the frame, N = gh * gw * A boxes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

from torch import Tensor, nn

from vadsdk.methods.network import num_classes_of
from vadsdk.methods.supervised_terms import single_precision


@dataclass(frozen=True, kw_only=True, slots=True)
class BoxTraits:
    """A box network, as its losses see it."""

    network: nn.Module
    """As `models` makes them."""

    @property
    def num_classes(self) -> int:
        """K."""
        return num_classes_of(self.network)

    @property
    def anchors(self) -> Tensor:
        """(A, 2) width and height in cells."""
        return cast("Tensor", self.network.anchors)

    @property
    def multi_label(self) -> bool:
        """Whether boxes and frames may show several classes."""
        return bool(self.network.multi_label)

    @property
    def has_frame_head(self) -> bool:
        """Whether it says what the frame shows as a whole; else C is 0."""
        return bool(self.network.has_frame_head)

    def decode(self, predictions: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return boxes (B, N, 4) in [0, 1] units, objectness (B, N) and class scores (B, N, K).

        In the order row, column, anchor, at least float32.
        """
        network = cast("Any", self.network)
        boxes, objectness, class_scores = network.decode(single_precision(predictions))
        return boxes, objectness, class_scores
