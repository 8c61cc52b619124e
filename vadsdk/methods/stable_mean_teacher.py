"""Stable Mean Teacher (AAAI 2025): a mean teacher whose masks are corrected before they teach.

    strong view -> student ---------> supervised losses of the labelled rows
                     | (no gradient)
                     '-> recovery --> the same mask losses: it learns what the student gets wrong
    weak view --> teacher ----------> main target of the student's masks, all rows
                     '-> recovery's teacher -> auxiliary target

Both teachers are moving averages. Facts: reference.md section 5, golden README section 10; the
paper's text was not at hand, so where only the release is known, its form is the default, less what
looks like an accident (the ramp that counts twice, statistics that nobody keeps up).
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from vadsdk.data.batches import ClipBatch
from vadsdk.errors import ModelFileError
from vadsdk.kernels.augmentation import transfer_maps
from vadsdk.losses import difference_of_pixels_loss, localisation_consistency_loss
from vadsdk.losses.ramps import exp_rampup
from vadsdk.methods.families import require_kind
from vadsdk.methods.method import Method
from vadsdk.methods.network import num_classes_of
from vadsdk.methods.stable_mean_teacher_settings import StableMeanTeacherSettings
from vadsdk.methods.supervised_terms import class_condition, single_precision, supervised_losses
from vadsdk.methods.teacher import Teacher
from vadsdk.methods.views import View
from vadsdk.models.error_recovery import ErrorRecoveryNet
from vadsdk.models.outputs import ClipOutputs, condition_or_own_class

_RECOVERY_TEACHER = "recovery_teacher."


class Answers(NamedTuple):
    """What all four networks say to a batch; maps in the student's frame."""

    student: ClipOutputs
    """With gradient."""
    recovered: Tensor
    """(B, T, h, w) logits: the student's masks corrected, gradient to the recovery alone; those of
    unlabelled rows, which have no loss, may be left as they are."""
    teacher: Tensor
    """(B, T, h, w) logits."""
    teacher_recovered: Tensor
    """(B, T, h, w) logits: the teacher's masks corrected."""
    validity: Tensor | None
    """(B, 1, h, w), 1 where both views saw the pixel; None: everywhere."""


class StableMeanTeacher(Method):
    """Learns from labelled and unlabelled rows at once.

    Args:
        network: of kind "mask".
        settings: how it learns.

    Raises:
        ConfigError: a network without masks.
        ModelFileError: `recovery_weights` do not fit.
    """

    def __init__(
        self, network: nn.Module, settings: StableMeanTeacherSettings | None = None
    ) -> None:
        self.settings = settings = settings or StableMeanTeacherSettings()
        require_kind(
            network, ("mask",), "stable_mean_teacher", "it corrects masks; use mean_teacher"
        )
        super().__init__(network, settings.seed)
        self.trained = self._recovery = _recovery_network(network, settings)
        self._teacher, self._recovery_teacher = (
            Teacher(
                student,
                settings.decay,
                settings.teacher_buffers,
                settings.warm_decay,
                settings.teacher_mode,
            )
            for student in (network, self._recovery)
        )

    def losses(self, batch: ClipBatch, progress: float | Tensor) -> dict[str, Tensor]:
        """Return the losses of two fresh views; see `losses_of_answers`."""
        settings = self.settings
        teacher_view = self._views.make(batch.clips, settings.teacher_view)
        student_view = self._views.make(
            batch.clips,
            settings.student_view,
            geometry=teacher_view.parameters if settings.shared_geometry else None,
        )
        answers = self.answers(teacher_view, student_view, batch, progress)
        return self.losses_of_answers(answers, batch, student_view, progress)

    def answers(
        self, teacher_view: View, student_view: View, batch: ClipBatch, progress: float | Tensor
    ) -> Answers:
        """Run all four networks.

        Args:
            teacher_view: of `batch.clips`.
            student_view: of `batch.clips`.
            batch: gives classes and who is labelled.
            progress: in [0, 1).
        """
        settings = self.settings
        condition = class_condition(
            batch,
            num_classes_of(self._network),
            all_classes=progress < settings.all_classes_until,
            own_class_share=settings.terms.own_class_share,
        )
        taught: ClipOutputs = self._teacher(teacher_view.clips, condition)
        if settings.shared_condition:
            chosen = condition_or_own_class(condition, taught.class_scores)
            condition = torch.where(batch.labelled[:, None], condition, chosen)
        student: ClipOutputs = self._network(student_view.clips, condition)
        corrected = self._recovery_teacher(*self._recovery_inputs(taught, teacher_view))
        teacher, validity = self._moved(taught.mask_logits, teacher_view, student_view)
        return Answers(
            student=student,
            recovered=self._recovered(student, student_view, batch),
            teacher=teacher,
            teacher_recovered=self._moved(corrected, teacher_view, student_view)[0],
            validity=validity,
        )

    def losses_of_answers(
        self, answers: Answers, batch: ClipBatch, view: View, progress: float | Tensor
    ) -> dict[str, Tensor]:
        """Return `cls`, `loc_bce`, `loc_dice`, `eor_bce`, `eor_dice`, `cons_main`, `cons_aux`.

        Args:
            answers: of all networks.
            batch: the annotation.
            view: what the student saw.
            progress: in [0, 1).
        """
        settings = self.settings
        losses = supervised_losses(answers.student, batch, view, progress, settings.terms)
        corrected = answers.student._replace(mask_logits=answers.recovered)
        corrections = supervised_losses(corrected, batch, view, progress, settings.terms)
        for name in ("bce", "dice"):
            losses[f"eor_{name}"] = settings.recovery_weight * corrections[f"loc_{name}"]
        ramp = exp_rampup(progress, settings.ramp_fraction)
        weight = settings.lambda_total * ramp
        share = ramp if settings.auxiliary == "ramped" else 1.0
        losses["cons_main"] = weight * self._consistency(answers, answers.teacher, ramp)
        losses["cons_aux"] = (
            weight * share * self._consistency(answers, answers.teacher_recovered, ramp)
        )
        return losses

    def after_step(self) -> None:
        """Let both teachers follow."""
        self._teacher.update(self._network)
        self._recovery_teacher.update(self._recovery)

    def networks(self) -> tuple[nn.Module, ...]:
        """Return the network and error recovery, and the teacher of each."""
        teachers = self._teacher.network, self._recovery_teacher.network
        return (*super().networks(), self._recovery, *teachers)

    def state_dict(self) -> dict[str, Tensor]:
        """Return views, error recovery and both teachers."""
        return {
            **super().state_dict(),
            **self._teacher.state_dict(),
            **self._recovery_teacher.state_dict(_RECOVERY_TEACHER),
        }

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Take up what `state_dict` returned."""
        super().load_state_dict(state)
        self._teacher.load_state_dict(state)
        self._recovery_teacher.load_state_dict(state, _RECOVERY_TEACHER)

    def _recovered(self, student: ClipOutputs, view: View, batch: ClipBatch) -> Tensor:
        """Return the student's masks, corrected where the batch is labelled (all, if it is not)."""
        count = batch.num_labelled or len(batch)
        probabilities, video = self._recovery_inputs(student, view)
        corrected = self._recovery(probabilities[:count], None if video is None else video[:count])
        untouched = student.mask_logits[count:].detach().to(corrected.dtype)
        return torch.cat((corrected, untouched))

    def _recovery_inputs(self, outputs: ClipOutputs, view: View) -> tuple[Tensor, Tensor | None]:
        """Return what error recovery sees of an answer, outside the answer's graph."""
        probabilities = single_precision(outputs.mask_logits.detach()).sigmoid()
        return probabilities, view.clips if self.settings.recovery_sees_video else None

    def _moved(
        self, maps: Tensor, teacher_view: View, student_view: View
    ) -> tuple[Tensor, Tensor | None]:
        """Return a teacher's maps (B, T, h, w) in the student's frame, and where it saw."""
        maps = single_precision(maps)
        if self.settings.shared_geometry:
            return maps, None
        return transfer_maps(maps, teacher_view.parameters, student_view.parameters)

    def _consistency(self, answers: Answers, target: Tensor, ramp: float | Tensor) -> Tensor:
        """Return L2 and DoP of the student's maps and a target's, blended."""
        maps = single_precision(answers.student.mask_logits), target
        if self.settings.consistency_on == "probabilities":
            maps = maps[0].sigmoid(), maps[1].sigmoid()
        l2 = localisation_consistency_loss(*maps, validity=answers.validity)
        dop = difference_of_pixels_loss(*maps, validity=answers.validity)
        weights = {
            "sum": (1.0, 1.0),
            "ramped_sum": (ramp, ramp),
            "ramped_dop": (1 - ramp, ramp),
            "ramped_l2": (ramp, 1 - ramp),
        }
        of_l2, of_dop = weights[self.settings.blend]
        return of_l2 * l2 + of_dop * dop


def _recovery_network(network: nn.Module, settings: StableMeanTeacherSettings) -> ErrorRecoveryNet:
    """Return the error-recovery network, on the network's device, of its own random stream."""
    device = next((p.device for p in network.parameters()), torch.device("cpu"))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        recovery = ErrorRecoveryNet(
            4 if settings.recovery_sees_video else 1, settings.recovery_width
        )
    if settings.recovery_weights is not None:
        from vadsdk.models.weights import load_initial_weights  # not where weights are only made

        path = Path(settings.recovery_weights)
        report = load_initial_weights(recovery, path)
        if report.skipped_shape or report.missing:
            raise ModelFileError(
                f"{path} does not fit the error-recovery network: {report}. "
                "recovery_width and recovery_sees_video must be those of the file"
            )
    return recovery.to(device)
