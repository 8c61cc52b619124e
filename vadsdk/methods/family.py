"""How one kind of network is taught, so that a method is written once for all kinds.

    mask         a class, and a map of its actors' pixels
    box          boxes of the clip's last frame, and a class of that frame
    recognition  a class

Legend: B clips.
"""

from __future__ import annotations

from typing import Protocol, TypeVar

from torch import Tensor, nn

from vadsdk.data.batches import ClipBatch
from vadsdk.methods.views import View

Outputs = TypeVar("Outputs")
Pseudo = TypeVar("Pseudo")


class Family(Protocol[Outputs, Pseudo]):
    """What methods need to know of a kind of network. All losses come weighted."""

    def run(self, network: nn.Module, view: View, classes: Tensor | None = None) -> Outputs:
        """Return a network's answer to a view.

        Args:
            network: of this kind.
            view: B clips.
            classes: (B,) int64, whose masks are decoded; -1, or None for all, is the network's own
                best class. Kinds without masks have no use for them.
        """
        ...

    def known_classes(self, batch: ClipBatch) -> Tensor:
        """Return (B,) int64, the classes to `run` with, as far as the annotation gives them."""
        ...

    def best_classes(self, outputs: Outputs) -> Tensor:
        """Return (B,) int64, the best class of each clip."""
        ...

    def class_logits(self, outputs: Outputs) -> Tensor:
        """Return (B, C) logits whose softmax is the answer's one distribution over C classes.

        C is the number of labels, or one more where the last class is background.
        """
        ...

    def supervised_losses(
        self, outputs: Outputs, batch: ClipBatch, view: View, progress: float | Tensor
    ) -> dict[str, Tensor]:
        """Return the losses of the labelled rows; zeros, connected, where there are none.

        Args:
            outputs: the network's answer to `view`, all rows.
            batch: the annotation.
            view: how the clips were seen.
            progress: in [0, 1), for schedules.
        """
        ...

    def pseudo_labels(self, outputs: Outputs, source: View, target: View) -> Pseudo:
        """Return what is trusted of an answer, as labels in the frame of another view.

        Args:
            outputs: the answer to `source`; no gradient flows into it.
            source: view that was answered.
            target: view that will be taught, of the same clips.
        """
        ...

    def pseudo_losses(self, outputs: Outputs, pseudo: Pseudo) -> dict[str, Tensor]:
        """Return the losses against pseudo labels; their names start with "pseudo_".

        Args:
            outputs: the answer to the target view.
            pseudo: of as many rows, in the same order.
        """
        ...

    def consistency_losses(
        self, outputs: Outputs, view: View, targets: Outputs, target_view: View
    ) -> dict[str, Tensor]:
        """Return how far two answers are from agreeing; their names start with "cons_".

        Args:
            outputs: the answer to `view`; gradients flow into it.
            view: of the clips.
            targets: the answer to `target_view`; gradients flow if it carries any.
            target_view: of the same clips.
        """
        ...
