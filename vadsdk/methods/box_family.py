"""Box networks as methods see them (`family.Family`).

Legend: B clips, K classes, C classes of the frame.
"""

from __future__ import annotations

from torch import Tensor, nn

from vadsdk.data.batches import NO_CLASS, ClipBatch
from vadsdk.errors import ConfigError
from vadsdk.losses.class_distribution import log_class_distribution
from vadsdk.methods.box_consistency import box_consistency_losses
from vadsdk.methods.box_network import BoxTraits
from vadsdk.methods.box_settings import BoxTermSettings, PseudoBoxSettings
from vadsdk.methods.box_terms import supervised_box_losses
from vadsdk.methods.pseudo_boxes import PseudoBoxes, find_pseudo_boxes, pseudo_box_losses
from vadsdk.methods.supervised_terms import single_precision
from vadsdk.methods.views import View
from vadsdk.models.outputs import BoxClipOutputs


class BoxFamily:
    """A `Family` of networks that answer with `BoxClipOutputs`.

    Args:
        network: gives anchors, decoding, classes and whether they exclude each other.
        terms: of the supervised losses.
        pseudo: what is trusted.
    """

    def __init__(
        self, network: nn.Module, terms: BoxTermSettings, pseudo: PseudoBoxSettings
    ) -> None:
        self._traits = BoxTraits(network=network)
        if self._traits.multi_label and pseudo.min_class_probability:
            raise ConfigError(
                "pseudo_boxes.min_class_probability is for networks that give a box one class; "
                "this one gives several: set pseudo_boxes.class_threshold"
            )
        self._terms = terms
        self._pseudo = pseudo

    def run(self, network: nn.Module, view: View, classes: Tensor | None = None) -> BoxClipOutputs:
        """Return a network's answer to a view; it has no use for the classes."""
        outputs: BoxClipOutputs = network(view.clips)
        return outputs

    def known_classes(self, batch: ClipBatch) -> Tensor:
        """Return the annotated classes of the key frames; of several, the first."""
        return batch.class_indices.where(batch.labelled, NO_CLASS)

    def best_classes(self, outputs: BoxClipOutputs) -> Tensor:
        """Return (B,) int64, the best action of each key frame."""
        return self.class_logits(outputs)[:, : self._traits.num_classes].argmax(1)

    def class_logits(self, outputs: BoxClipOutputs) -> Tensor:
        """Return (B, C) logits of the frame head; without one, of the best box of each class."""
        if outputs.frame_logits.shape[1]:
            return single_precision(outputs.frame_logits)
        _, objectness, scores = self._traits.decode(outputs.predictions)
        return log_class_distribution((objectness[..., None] * scores).amax(1))

    def supervised_losses(
        self, outputs: BoxClipOutputs, batch: ClipBatch, view: View, progress: float | Tensor
    ) -> dict[str, Tensor]:
        """Return `box`, `objectness`, `box_cls` and `frame_cls`; see `supervised_box_losses`."""
        return supervised_box_losses(outputs, batch, view, self._traits, self._terms)

    def pseudo_labels(self, outputs: BoxClipOutputs, source: View, target: View) -> PseudoBoxes:
        """Return confident boxes and frame classes; see `find_pseudo_boxes`."""
        return find_pseudo_boxes(
            outputs, source, target, self._traits, self._pseudo, self._terms.min_visible_share
        )

    def pseudo_losses(self, outputs: BoxClipOutputs, pseudo: PseudoBoxes) -> dict[str, Tensor]:
        """Return paper 2's eq. 8 and 7, over all B clips; see `pseudo_box_losses`."""
        return pseudo_box_losses(outputs, pseudo, self._traits, self._terms, self._pseudo)

    def consistency_losses(
        self, outputs: BoxClipOutputs, view: View, targets: BoxClipOutputs, target_view: View
    ) -> dict[str, Tensor]:
        """Return `cons_cls`, `cons_loc` and `cons_frame_cls`; see `box_consistency_losses`."""
        return box_consistency_losses(
            outputs, view, targets, target_view, self._traits, self._pseudo
        )
