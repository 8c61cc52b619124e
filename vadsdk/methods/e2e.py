"""Paper 1: end-to-end semi-supervised learning by consistency of two views (Kumar & Rawat 2022).

batch -> view 1 -> network -> supervised losses of the labelled rows (eq. 7)
      -> view 2 -> network -> classes and masks should agree with view 1's, all rows (eq. 8)
"""

from __future__ import annotations

from torch import Tensor, nn

from vadsdk.data.batches import ClipBatch
from vadsdk.kernels import coherence_loop
from vadsdk.losses.ramps import exp_rampup
from vadsdk.methods.consistency import (
    LossesOfAnswers,
    classification_consistency,
    spatiotemporal_consistency,
)
from vadsdk.methods.e2e_settings import E2ESettings
from vadsdk.methods.families import require_kind
from vadsdk.methods.method import Method
from vadsdk.methods.network import num_classes_of
from vadsdk.methods.supervised_terms import class_condition, supervised_losses
from vadsdk.methods.views import View
from vadsdk.models.outputs import ClipOutputs, condition_or_own_class


class E2E(Method):
    """Learns from labelled and unlabelled rows at once.

    Args:
        network: `(clips, condition) -> ClipOutputs`, with `num_classes` and `input_size`.
        settings: how it learns.
    """

    def __init__(self, network: nn.Module, settings: E2ESettings | None = None) -> None:
        self.settings = settings or E2ESettings()
        require_kind(
            network, ("mask",), "e2e", "its consistencies compare maps of two views; use fixmatch"
        )
        super().__init__(network, self.settings.seed)
        self._losses_of_answers: LossesOfAnswers | None = None

    def compile(self) -> None:
        """Have torch compile the network and, on a CPU, temporal coherence."""
        super().compile()
        self._losses_of_answers = coherence_loop.coherence_losses

    def losses(self, batch: ClipBatch, progress: float | Tensor) -> dict[str, Tensor]:
        """Return `cls`, `loc_bce`, `loc_dice`, `cons_cls`, `cons_loc`, weighted.

        A consistency that is switched off has no entry; for the rest see `Method.losses`.
        """
        original = self._views.make(batch.clips, self.settings.original_view)
        augmented = self._views.make(batch.clips, self.settings.augmented_view)
        return self.losses_of_views(original, augmented, batch, progress)

    def losses_of_views(
        self, original: View, augmented: View, batch: ClipBatch, progress: float | Tensor
    ) -> dict[str, Tensor]:
        """Return what `losses` does, for two views that are given.

        Args:
            original: view 1 of `batch.clips`.
            augmented: view 2 of `batch.clips`.
            batch: gives masks, classes and who is labelled.
            progress: in [0, 1).
        """
        settings = self.settings
        condition = class_condition(
            batch,
            num_classes_of(self._network),
            all_classes=progress < settings.all_classes_until,
            own_class_share=settings.terms.own_class_share,
        )
        first: ClipOutputs = self._network(original.clips, condition)
        losses = supervised_losses(first, batch, original, progress, settings.terms)
        if not (self._consistent() or settings.supervise_both_views):
            return losses
        if settings.shared_condition:
            condition = condition_or_own_class(condition, first.class_scores)
        second: ClipOutputs = self._network(augmented.clips, condition)
        if settings.supervise_both_views:
            others = supervised_losses(second, batch, augmented, progress, settings.terms)
            losses = {name: 0.5 * (loss + others[name]) for name, loss in losses.items()}
        return losses | self._consistency((original, first), (augmented, second), progress)

    def _consistent(self) -> bool:
        settings = self.settings
        return settings.classification_consistency or settings.localisation != "none"

    def _consistency(
        self,
        original: tuple[View, ClipOutputs],
        augmented: tuple[View, ClipOutputs],
        progress: float | Tensor,
    ) -> dict[str, Tensor]:
        """Return eq. 8 times lambda, by name."""
        settings = self.settings
        weight = settings.lambda_total * exp_rampup(progress, settings.lambda_ramp_fraction)
        losses: dict[str, Tensor] = {}
        if settings.classification_consistency:
            divergence = classification_consistency(original[1], augmented[1], settings)
            losses["cons_cls"] = weight * settings.lambda_cls * divergence
        if settings.localisation != "none":
            distance = spatiotemporal_consistency(
                (original[0], original[1].mask_logits),
                (augmented[0], augmented[1].mask_logits),
                progress,
                settings,
                self._losses_of_answers,
            )
            losses["cons_loc"] = weight * settings.lambda_loc * distance
        return losses
