"""Mean Teacher (Tarvainen & Valpola 2017), as paper 2 extends it to video (section 4.3).

labelled clip   -> labelled view --+--> student, one pass --> supervised losses
unlabelled clip -> strong view ----+            | agree, all clips
each clip       -> weak view ---------> teacher, a moving average of the student

Masks and classes agree softly. Boxes have no soft form: the teacher's confident ones teach the
student, as in paper 2 (`pseudo_teaching`).
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field
from torch import Tensor, nn

from vadsdk.data.batches import ClipBatch
from vadsdk.losses.ramps import exp_rampup
from vadsdk.methods.families import family_of
from vadsdk.methods.method import Method
from vadsdk.methods.network import kind_of
from vadsdk.methods.pseudo_teaching import (
    PseudoTeachingSettings,
    evaluated,
    pseudo_taught_step,
    supervised_step,
)
from vadsdk.methods.teacher import Teacher


class MeanTeacherSettings(PseudoTeachingSettings):
    """Settings of `MeanTeacher`."""

    ramp_fraction: float = Field(default=0.2, ge=0, le=1)
    """Share of the training over which the unlabelled weight is ramped up exponentially."""
    decay: float = Field(default=0.99, ge=0, le=1)
    """Of the teacher's moving average; Tarvainen & Valpola ramp up with 0.99."""
    target: Literal["consistency", "pseudo"] | None = None
    """How the teacher teaches; None: boxes by pseudo labels, masks and classes by consistency."""


class MeanTeacher(Method):
    """Learns from labelled rows, and from a moving average of itself.

    Args:
        network: of any kind.
        settings: how it learns.
    """

    def __init__(self, network: nn.Module, settings: MeanTeacherSettings | None = None) -> None:
        self.settings = settings = settings or MeanTeacherSettings()
        super().__init__(network, settings.seed)
        self._family = family_of(network, settings)
        self._teacher = Teacher(network, settings.decay)
        by_kind = "pseudo" if kind_of(network) == "box" else "consistency"
        self._is_pseudo = (settings.target or by_kind) == "pseudo"

    def losses(self, batch: ClipBatch, progress: float | Tensor) -> dict[str, Tensor]:
        """Return the supervised losses, and the family's "cons_..." or "pseudo_..." losses."""
        settings = self.settings
        weight = settings.unlabelled_weight * exp_rampup(progress, settings.ramp_fraction)
        if not self._is_pseudo:
            return self._consistent_losses(batch, progress, weight)
        return pseudo_taught_step(
            self._family,
            self._network,
            self._teacher.network,
            self._views,
            batch,
            progress,
            weight,
            settings,
        )

    def after_step(self) -> None:
        """Let the teacher follow."""
        self._teacher.update(self._network)

    def networks(self) -> tuple[nn.Module, ...]:
        """Return the network and its teacher."""
        return (*super().networks(), self._teacher.network)

    def state_dict(self) -> dict[str, Tensor]:
        """Return what `Method.state_dict` does, and the teacher."""
        return super().state_dict() | self._teacher.state_dict()

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Take up what `state_dict` returned."""
        super().load_state_dict(state)
        self._teacher.load_state_dict(state)

    def _consistent_losses(
        self, batch: ClipBatch, progress: float | Tensor, weight: float | Tensor
    ) -> dict[str, Tensor]:
        settings, family = self.settings, self._family
        if batch.num_labelled == len(batch):
            return supervised_step(
                family, self._network, self._views, batch, progress, settings.labelled_view
            )
        weak = self._views.make(batch.clips, settings.weak_view)
        view = self._views.make(batch.clips[batch.num_labelled :], settings.strong_view)
        if batch.num_labelled:
            labelled = self._views.make(batch.clips[: batch.num_labelled], settings.labelled_view)
            view = labelled.joined(view)
        classes = family.known_classes(batch)
        targets = evaluated(family, self._teacher.network, weak, classes)
        classes = classes.where(classes >= 0, family.best_classes(targets))  # both decode the same
        outputs = family.run(self._network, view, classes)
        losses = family.supervised_losses(outputs, batch, view, progress)
        found = family.consistency_losses(outputs, view, targets, weak)
        return losses | {name: weight * loss for name, loss in found.items()}
