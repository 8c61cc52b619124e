"""Paper 3: learning from temporal gradients (Xiao et al. 2022, as coded; reference.md section 4).

    clip     -> weak view   -> network          -> supervised losses (a) of the labelled rows
    gradient -> the same    -> gradient network -> the same; together they give pseudo labels (b)
    clip, gradient -> strong views of unlabelled rows -> both learn the pseudo labels
    stages of the two: the network follows (c); last stages: the clip is found among others (d)

Only the network is deployed. It recognises clips in the paper; detectors learn the same way, with
their own supervised losses and their class of the clip.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from vadsdk.data.batches import NO_CLASS, ClipBatch
from vadsdk.errors import ConfigError
from vadsdk.losses import (
    confident_classes,
    cross_modal_contrast_loss,
    modality_alignment_loss,
    pseudo_label_loss,
)
from vadsdk.methods.families import family_of
from vadsdk.methods.gradient_views import strong_views, weak_views
from vadsdk.methods.method import Method
from vadsdk.methods.streams import (
    StreamAnswer,
    fresh_network,
    num_stage_channels,
    run_stream,
    stage_names_of,
)
from vadsdk.methods.supervised_terms import single_precision
from vadsdk.methods.temporal_gradient_settings import TemporalGradientSettings
from vadsdk.methods.views import View
from vadsdk.models.contrast_head import ContrastHead

NAME = "temporal_gradient"
_OWN_SEEDS = 1 << 20
"""Added to the seed, which may have made the network: a random start must not be the same one."""


class TemporalGradient(Method):
    """Learns from labelled and unlabelled rows in two modalities.

    Args:
        network: of any kind, with `stage_names`.
        settings: how it learns.
    """

    def __init__(
        self, network: nn.Module, settings: TemporalGradientSettings | None = None
    ) -> None:
        self.settings = settings = settings or TemporalGradientSettings()
        super().__init__(network, settings.seed)
        self.needs_successors = settings.gradient == "adjacent"
        self.uncompiled_reason = "its stages are watched by hooks, which a compiled one passes over"
        self._family = family_of(network, settings)
        self._stage_names = stage_names_of(network, NAME)
        if settings.pseudo_weight and getattr(network, "multi_label", False):
            raise ConfigError(
                f"method {NAME!r} gives a clip one pseudo label, but this network tells several "
                "actions at once; set method_settings.pseudo_weight=0"
            )
        is_copy = settings.gradient_start == "copy"
        channels = num_stage_channels(self._family, network, self._stage_names[-1])
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(settings.seed + _OWN_SEEDS)
            self._gradient_network = copy.deepcopy(network) if is_copy else fresh_network(network)
            self._colour_head = ContrastHead(channels, settings.embedding_width)
            self._gradient_head = ContrastHead(channels, settings.embedding_width)
        self.trained = nn.ModuleDict(
            {
                "gradient_network": self._gradient_network,
                "colour_head": self._colour_head,
                "gradient_head": self._gradient_head,
            }
        )

    def networks(self) -> tuple[nn.Module, ...]:
        """Return the network and that of the gradients."""
        return (*super().networks(), self._gradient_network)

    def losses(self, batch: ClipBatch, progress: float | Tensor) -> dict[str, Tensor]:
        """Return the losses (a) to (d) by name, weighted; see `losses_of_answers`."""
        if len(batch) < 2:
            raise ConfigError(
                f"method {NAME!r} tells the clips of a batch apart, so it needs two or more; raise "
                "train.batch_labelled or train.batch_unlabelled"
            )
        weak = weak_views(self._views, batch, self.settings)
        seen = weak
        if batch.num_labelled < len(batch):
            seen = weak.joined(strong_views(self._views, batch, self.settings))
        known = self._family.known_classes(batch)
        own = known.new_full((len(seen.colours.clips) - len(known),), NO_CLASS)
        classes = torch.cat((known, own))
        colours, gradients = (
            run_stream(self._family, network, self._stage_names, view, classes)
            for network, view in (
                (self._network, seen.colours),
                (self._gradient_network, seen.gradients),
            )
        )
        return self.losses_of_answers(colours, gradients, weak.colours, batch, progress)

    def losses_of_answers(
        self,
        colours: StreamAnswer,
        gradients: StreamAnswer,
        weak_view: View,
        batch: ClipBatch,
        progress: float | Tensor,
    ) -> dict[str, Tensor]:
        """Return what `losses` does, for answers that are given.

        Args:
            colours: the network's answer to all rows' weak views, then the unlabelled rows' strong.
            gradients: the gradient network's answer to the same rows.
            weak_view: how the clips were seen weakly.
            batch: the annotation.
            progress: in [0, 1).
        """
        settings, num_weak = self.settings, len(batch)
        embeddings = (
            single_precision(self._colour_head(colours.stages[-1])),
            single_precision(self._gradient_head(gradients.stages[-1])),
        )
        weak_colours, weak_gradients = colours.first(num_weak), gradients.first(num_weak)
        losses: dict[str, Tensor] = {}
        for prefix, answer in (("", weak_colours), ("gradient_", weak_gradients)):
            found = self._family.supervised_losses(answer.outputs, batch, weak_view, progress)
            losses |= {prefix + name: settings.supervised_weight * v for name, v in found.items()}
        losses |= self._pseudo_losses(colours, gradients, batch, progress)
        pairs = zip(weak_colours.stages, weak_gradients.stages, strict=True)
        for number, (features, targets) in enumerate(pairs, start=1):
            alignment = modality_alignment_loss(
                single_precision(features), single_precision(targets)
            )
            losses[f"align_{number}"] = settings.alignment_weight * alignment
        losses["contrast"] = settings.contrast_weight * cross_modal_contrast_loss(
            embeddings[0][:num_weak], embeddings[1][:num_weak], settings.contrast_temperature
        )
        return losses

    def _pseudo_losses(
        self,
        colours: StreamAnswer,
        gradients: StreamAnswer,
        batch: ClipBatch,
        progress: float | Tensor,
    ) -> dict[str, Tensor]:
        """Return `pseudo_cls` and `gradient_pseudo_cls`; zeros before the warm-up is over."""
        settings, num_weak = self.settings, len(batch)
        answers = {"": colours, "gradient_": gradients}
        logits = {p: self._family.class_logits(answer.outputs) for p, answer in answers.items()}
        weak = [values[batch.num_labelled : num_weak] for values in logits.values()]
        classes = confident_classes(weak, settings.pseudo_threshold)
        if isinstance(progress, Tensor):
            classes = classes.masked_fill(progress < settings.warmup_fraction, NO_CLASS)
        elif progress < settings.warmup_fraction:
            classes = torch.full_like(classes, NO_CLASS)
        return {
            f"{prefix}pseudo_cls": settings.pseudo_weight
            * pseudo_label_loss(values[num_weak:], classes)
            for prefix, values in logits.items()
        }
