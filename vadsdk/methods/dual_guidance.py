"""Paper 2: dual guidance (Singh et al. 2024): boxes teach where the frame's class supports them.

labelled clip   -> view ----------> student -> region and frame losses (eq. 6)
unlabelled clip -> weak view -----> teacher -> frame class, boxes of the same class
                -> strong view ---> student -> learns them (eq. 9), after the burn-in
each clip, a frame later, same view -> student -> the frame's class stays (eq. 10)
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from vadsdk.data.batches import ClipBatch
from vadsdk.errors import ConfigError
from vadsdk.kernels.view_sources import joined_in_time
from vadsdk.losses.frame_coherence import frame_coherence_loss
from vadsdk.methods.box_network import BoxTraits
from vadsdk.methods.dual_guidance_settings import DualGuidanceSettings
from vadsdk.methods.families import family_of, require_kind
from vadsdk.methods.method import Method
from vadsdk.methods.pseudo_boxes import PseudoBoxes, frame_probabilities
from vadsdk.methods.pseudo_teaching import evaluated
from vadsdk.methods.settings import ViewStrength
from vadsdk.methods.supervised import labelled_part
from vadsdk.methods.teacher import Teacher
from vadsdk.methods.views import View
from vadsdk.models.outputs import BoxClipOutputs, rows_of

NAME = "dual_guidance"


class DualGuidance(Method):
    """Learns boxes from labelled and unlabelled rows.

    Args:
        network: a box network with a frame head.
        settings: how it learns.
    """

    def __init__(self, network: nn.Module, settings: DualGuidanceSettings | None = None) -> None:
        self.settings = settings = settings or DualGuidanceSettings()
        require_kind(
            network, ("box",), NAME, "it selects boxes by the class of their frame; use fixmatch"
        )
        super().__init__(network, settings.seed)
        self._traits = BoxTraits(network=network)
        if not self._traits.has_frame_head:
            raise ConfigError(
                f"method {NAME!r} selects boxes by what the frame head says, and this network has "
                "none; set model_settings.frame_head=true, or use fixmatch"
            )
        self._family = family_of(network, settings)
        self.needs_successors = settings.temporal_weight > 0
        is_average = settings.teacher == "average"
        self._teacher = Teacher(network, settings.teacher_decay) if is_average else None

    def losses(self, batch: ClipBatch, progress: float | Tensor) -> dict[str, Tensor]:
        """Return the terms of eq. 11 by name, weighted; those of L_u only after the burn-in.

        Beside the family's there are `temporal` and `unlabelled_temporal`.
        """
        labelled = labelled_part(batch)
        view, outputs, losses = self._seen(labelled, self.settings.labelled_view, "temporal")
        losses |= self._family.supervised_losses(outputs, labelled, view, progress)
        if progress < self.settings.burn_in_fraction or batch.num_labelled == len(batch):
            return losses
        return losses | self._unlabelled_losses(batch.unlabelled_part())

    def after_step(self) -> None:
        """Let the teacher follow."""
        if self._teacher is not None:
            self._teacher.update(self._network)

    def networks(self) -> tuple[nn.Module, ...]:
        """Return the network and its teacher, if it has one."""
        teachers = () if self._teacher is None else (self._teacher.network,)
        return (*super().networks(), *teachers)

    def state_dict(self) -> dict[str, Tensor]:
        """Return what `Method.state_dict` does, and the teacher."""
        teacher = {} if self._teacher is None else self._teacher.state_dict()
        return super().state_dict() | teacher

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Take up what `state_dict` returned."""
        super().load_state_dict(state)
        if self._teacher is not None:
            self._teacher.load_state_dict(state)

    def _unlabelled_losses(self, batch: ClipBatch) -> dict[str, Tensor]:
        """Return the terms of L_u and the temporal loss of unlabelled clips."""
        weak = self._views.make(batch.clips, self.settings.weak_view)
        teacher = self._network if self._teacher is None else self._teacher.network
        answer = evaluated(self._family, teacher, weak)
        strong, outputs, losses = self._seen(
            batch, self.settings.strong_view, "unlabelled_temporal"
        )
        pseudo: PseudoBoxes = self._family.pseudo_labels(answer, weak, strong)
        found = self._family.pseudo_losses(outputs, pseudo)
        weight = self.settings.unlabelled_weight
        return losses | {name: weight * value for name, value in found.items()}

    def _seen(
        self, batch: ClipBatch, strength: ViewStrength, temporal_name: str
    ) -> tuple[View, BoxClipOutputs, dict[str, Tensor]]:
        """Return a view of the clips, the student's answer, and the temporal loss if there is one.

        Clips a frame later are seen alike, in the same pass.
        """
        if not self.needs_successors:
            view = self._views.make(batch.clips, strength)
            return view, self._answer(self._network, view), {}
        assert batch.successors is not None  # asked for by `needs_successors`
        length = batch.clips.shape[1]
        both = self._views.make(joined_in_time(batch.clips, batch.successors), strength)
        view, later = (replace(both, clips=part) for part in both.clips.split(length, dim=2))
        answer = self._answer(self._network, view.joined(later))
        first = torch.arange(len(batch), device=batch.clips.device)
        outputs, others = rows_of(answer, first), rows_of(answer, first + len(batch))
        classes, later_classes = (
            frame_probabilities(a.frame_logits, self._traits) for a in (outputs, others)
        )
        coherence = frame_coherence_loss(classes, later_classes)
        return view, outputs, {temporal_name: self.settings.temporal_weight * coherence}

    def _answer(self, network: nn.Module, view: View) -> BoxClipOutputs:
        outputs: BoxClipOutputs = self._family.run(network, view)
        return outputs
