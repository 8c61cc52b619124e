"""Recognition networks as methods see them (`family.Family`).

Legend: B clips, K classes.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from vadsdk.data.batches import NO_CLASS, ClipBatch
from vadsdk.kernels.weighting import weighted_mean
from vadsdk.losses import confident_classes, logit_cross_entropy_loss, pseudo_label_loss
from vadsdk.losses.classification_consistency import jensen_shannon
from vadsdk.methods.supervised_terms import single_precision
from vadsdk.methods.views import View
from vadsdk.models.outputs import RecognitionClipOutputs


class RecognitionSettings(BaseModel):
    """How recognition networks are taught."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    cls_weight: float = Field(default=1.0, ge=0)
    """Of the cross entropy of labelled clips."""
    label_smoothing: float = Field(default=0.0, ge=0, lt=1)
    """Share of the target that all classes divide among them."""
    class_threshold: float = Field(default=0.8, ge=0, le=1)
    """Least probability of a class that is trusted as a pseudo label."""
    pseudo_weight: float = Field(default=1.0, ge=0)
    """Of the losses against pseudo labels and of consistency."""


class RecognitionFamily:
    """A `Family` of networks that answer with `RecognitionClipOutputs`.

    Args:
        settings: weights and thresholds.
    """

    def __init__(self, settings: RecognitionSettings) -> None:
        self._settings = settings

    def run(
        self, network: nn.Module, view: View, classes: Tensor | None = None
    ) -> RecognitionClipOutputs:
        """Return a network's answer to a view; it has no use for the classes."""
        outputs: RecognitionClipOutputs = network(view.clips)
        return outputs

    def known_classes(self, batch: ClipBatch) -> Tensor:
        """Return the annotated classes."""
        return batch.class_indices.where(batch.labelled, NO_CLASS)

    def best_classes(self, outputs: RecognitionClipOutputs) -> Tensor:
        """Return (B,) int64, the best class of each clip."""
        return outputs.class_logits.argmax(1)

    def class_logits(self, outputs: RecognitionClipOutputs) -> Tensor:
        """Return (B, K) logits, at least float32."""
        return single_precision(outputs.class_logits)

    def supervised_losses(
        self,
        outputs: RecognitionClipOutputs,
        batch: ClipBatch,
        view: View,
        progress: float | Tensor,
    ) -> dict[str, Tensor]:
        """Return `cls`; a labelled clip without action does not count."""
        loss = logit_cross_entropy_loss(
            self.class_logits(outputs),
            self.known_classes(batch),
            label_smoothing=self._settings.label_smoothing,
        )
        return {"cls": self._settings.cls_weight * loss}

    def pseudo_labels(self, outputs: RecognitionClipOutputs, source: View, target: View) -> Tensor:
        """Return (B,) int64 confident classes, `NO_CLASS` where there is none."""
        return confident_classes([self.class_logits(outputs)], self._settings.class_threshold)

    def pseudo_losses(self, outputs: RecognitionClipOutputs, pseudo: Tensor) -> dict[str, Tensor]:
        """Return `pseudo_cls`, over all B clips."""
        loss = pseudo_label_loss(self.class_logits(outputs), pseudo)
        return {"pseudo_cls": self._settings.pseudo_weight * loss}

    def consistency_losses(
        self,
        outputs: RecognitionClipOutputs,
        view: View,
        targets: RecognitionClipOutputs,
        target_view: View,
    ) -> dict[str, Tensor]:
        """Return `cons_cls`, the Jensen-Shannon divergence of the class distributions."""
        own, other = (self.class_logits(answer).log_softmax(1) for answer in (outputs, targets))
        divergence = weighted_mean(jensen_shannon(own, other))
        return {"cons_cls": self._settings.pseudo_weight * divergence}
