"""MixMatch (Berthelot et al. 2019), extended to video as paper 1's baseline (section 4).

unlabelled clip -> weak and strong view -> network -> sharpened mean = guessed label of both
labelled and unlabelled views, all shuffled -> MixUp of clips, classes and masks -> network
    rows that began labelled -> cross entropy;  the others -> L2 of the probabilities

Legend: B clips, K classes.
"""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Tensor, nn

from vadsdk.data.batches import ClipBatch
from vadsdk.kernels.mask_losses import mask_losses
from vadsdk.kernels.weighting import weighted_mean
from vadsdk.losses.ramps import linear_rampup
from vadsdk.methods.families import family_of, require_kind
from vadsdk.methods.host_draws import drawn_on_host
from vadsdk.methods.method import Method
from vadsdk.methods.mixing import SoftTargets, annotated_targets, guessed_targets, mixed
from vadsdk.methods.network import kind_of, num_classes_of
from vadsdk.methods.pseudo_teaching import PseudoTeachingSettings, evaluated
from vadsdk.methods.supervised import labelled_part
from vadsdk.methods.supervised_terms import single_precision
from vadsdk.methods.views import View
from vadsdk.models.outputs import ClipOutputs, RecognitionClipOutputs

Answer = ClipOutputs | RecognitionClipOutputs


class MixMatchSettings(PseudoTeachingSettings):
    """Settings of `MixMatch`; of `terms`, only the weights count."""

    unlabelled_weight: float = Field(default=75.0, ge=0)
    """lambda_U (section 4.2 of Berthelot et al.: 75 on CIFAR-10)."""
    ramp_fraction: float = Field(default=0.25, ge=0, le=1)
    """Share of the training over which that weight rises linearly; they take their first 16,000
    steps."""
    temperature: float = Field(default=0.5, gt=0, le=1)
    """T of the sharpening."""
    beta: float = Field(default=0.75, gt=0)
    """alpha of the Beta distribution that mixing shares are drawn from."""


class MixMatch(Method):
    """Learns from labelled rows and guessed labels of the others, all mixed with each other.

    Args:
        network: of kind "mask" or "recognition".
        settings: how it learns.
    """

    def __init__(self, network: nn.Module, settings: MixMatchSettings | None = None) -> None:
        self.settings = settings = settings or MixMatchSettings()
        require_kind(
            network,
            ("mask", "recognition"),
            "mixmatch",
            "two boxes cannot be mixed into one; use fixmatch or dual_guidance",
        )
        super().__init__(network, settings.seed)
        self._family = family_of(network, settings)
        self._has_masks = kind_of(network) == "mask"
        self._draws = torch.Generator().manual_seed(settings.seed + 1)

    def losses(self, batch: ClipBatch, progress: float | Tensor) -> dict[str, Tensor]:
        """Return `cls`, `loc_bce`, `loc_dice`, `guess_cls` and `guess_loc`, weighted."""
        settings = self.settings
        labelled = labelled_part(batch)
        view = self._views.make(labelled.clips, settings.labelled_view)
        targets = annotated_targets(
            labelled, view, num_classes_of(self._network), with_masks=self._has_masks
        )
        blocks = [len(labelled)]
        if batch.num_labelled < len(batch):
            clips = batch.clips[batch.num_labelled :]
            views = [self._views.make(clips, s) for s in (settings.weak_view, settings.strong_view)]
            guesses = guessed_targets(self._answers(views), settings.temperature)
            for other in views:
                view = view.joined(other)
                blocks.append(len(clips))
            targets = targets.joined(*guesses)
        seen, targets = mixed(view.clips, targets, *self._partners(tuple(blocks)), blocks)
        answer = self._run(seen, targets.classes)
        weight = settings.unlabelled_weight * linear_rampup(progress, settings.ramp_fraction)
        return self._losses_of(answer, targets, len(labelled), weight)

    def state_dict(self) -> dict[str, Tensor]:
        """Return what `Method.state_dict` does, and the state of the mixing's random stream."""
        return super().state_dict() | {"mixing_generator": self._draws.get_state()}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Take up what `state_dict` returned."""
        super().load_state_dict(state)
        self._draws.set_state(state["mixing_generator"].cpu())

    def _answers(self, views: list[View]) -> list[tuple[View, Tensor, Tensor | None]]:
        """Return each view with its class distribution and maps, all of the first's best class."""
        answers: list[tuple[View, Tensor, Tensor | None]] = []
        classes: Tensor | None = None
        for view in views:
            answer = evaluated(self._family, self._network, view, classes)
            if classes is None:  # the mean of maps of different classes would be a map of none
                classes = self._family.best_classes(answer)
            maps = single_precision(answer.mask_logits).sigmoid() if self._has_masks else None
            answers.append((view, self._family.class_logits(answer).softmax(1), maps))
        return answers

    def _partners(self, blocks: tuple[int, ...]) -> tuple[Tensor, Tensor]:
        """Return whom of all ranks' rows each is mixed with, and its share max(l, 1 - l)."""
        device = next(self._network.parameters()).device

        def draw(num_rows: int) -> Tensor:
            partners = torch.randperm(num_rows, generator=self._draws)
            # Beta(a, a) as a share of two gamma draws, which take a generator
            gammas = torch._standard_gamma(
                torch.full((num_rows, 2), self.settings.beta), generator=self._draws
            )
            shares = gammas[:, 0] / gammas.sum(1).clamp_min(1e-30)
            return torch.stack((partners.float(), torch.maximum(shares, 1 - shares)), 1)

        partners, shares = drawn_on_host(draw, sum(blocks), device, blocks).unbind(1)
        return partners.long(), shares

    def _run(self, clips: Tensor, classes: Tensor) -> Answer:
        """Return the answer; masks are decoded for the mixture of classes."""
        answer: Answer = self._network(clips, classes) if self._has_masks else self._network(clips)
        return answer

    def _losses_of(
        self, answer: Answer, targets: SoftTargets, num_labelled: int, weight: float | Tensor
    ) -> dict[str, Tensor]:
        terms = self.settings.terms
        log_probabilities = self._family.class_logits(answer).log_softmax(1)
        own, known = slice(num_labelled), targets.class_weights
        costs = -(targets.classes * log_probabilities).sum(1)
        squares = (log_probabilities.exp() - targets.classes).square().mean(1)
        cls_weight = terms.cls_weight if self._has_masks else self.settings.recognition.cls_weight
        rest = slice(num_labelled, None)
        losses = {
            "cls": cls_weight * weighted_mean(costs[own], known[own]),
            "guess_cls": weight * weighted_mean(squares[rest], known[rest]),
        }
        if not isinstance(answer, ClipOutputs) or targets.masks is None:
            return losses
        logits = single_precision(answer.mask_logits)
        frames = (targets.frame_weights[own] > 0).flatten()
        shown, wanted = logits[own].flatten(0, 1), targets.masks[own].flatten(0, 1)
        bce, dice = mask_losses(shown[:, None], wanted[:, None], frames)
        distances = (logits[rest].sigmoid() - targets.masks[rest]).square().mean((2, 3))
        return losses | {
            "loc_bce": terms.bce_weight * bce,
            "loc_dice": terms.dice_weight * dice,
            "guess_loc": weight
            * weighted_mean(distances.flatten(), targets.frame_weights[rest].flatten()),
        }
