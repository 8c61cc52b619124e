"""A step in which somebody's labels of the unlabelled clips teach the student.

labelled clip   -> labelled view --+--> student, one pass --> supervised losses
unlabelled clip -> strong view ----+                     --> losses against pseudo labels
                -> weak view ---------> labeller ------------^  moved into the strong view

Legend: B clips.
"""

from __future__ import annotations

from typing import Any

import torch
from pydantic import Field
from torch import Tensor, nn

from vadsdk.data.batches import ClipBatch
from vadsdk.methods.families import FamilySettings
from vadsdk.methods.family import Family
from vadsdk.methods.settings import ViewStrength
from vadsdk.methods.supervised import labelled_part
from vadsdk.methods.views import View, ViewMaker
from vadsdk.models.outputs import rows_of


class PseudoTeachingSettings(FamilySettings):
    """Settings that methods with pseudo labels share."""

    labelled_view: ViewStrength = "weak"
    """Of labelled clips."""
    weak_view: ViewStrength = "weak"
    """What the labeller sees of unlabelled clips."""
    strong_view: ViewStrength = "strong"
    """What the student sees of unlabelled clips."""
    unlabelled_weight: float = Field(default=1.0, ge=0)
    """Of the losses of unlabelled clips."""
    ramp_fraction: float = Field(default=0.0, ge=0, le=1)
    """Share of the training over which that weight is ramped up exponentially."""


def evaluated(
    family: Family[Any, Any], network: nn.Module, view: View, classes: Tensor | None = None
) -> Any:
    """Return a network's answer as it will be in use: in eval mode and without a graph.

    Args:
        family: of the network.
        network: left in the mode it was in.
        view: of the clips.
        classes: see `Family.run`.
    """
    was_training = network.training
    try:
        with torch.no_grad():
            return family.run(network.eval(), view, classes)
    finally:
        network.train(was_training)


def supervised_step(
    family: Family[Any, Any],
    student: nn.Module,
    views: ViewMaker,
    batch: ClipBatch,
    progress: float | Tensor,
    strength: ViewStrength,
) -> dict[str, Tensor]:
    """Return the supervised losses of the labelled rows alone.

    Args:
        family: of the networks.
        student: the network that learns.
        views: draws the view.
        batch: the unlabelled rows are left out.
        progress: in [0, 1).
        strength: of the view.
    """
    batch = labelled_part(batch)
    view = views.make(batch.clips, strength)
    outputs = family.run(student, view, family.known_classes(batch))
    return family.supervised_losses(outputs, batch, view, progress)


def pseudo_taught_step(
    family: Family[Any, Any],
    student: nn.Module,
    labeller: nn.Module,
    views: ViewMaker,
    batch: ClipBatch,
    progress: float | Tensor,
    weight: float | Tensor,
    settings: PseudoTeachingSettings,
) -> dict[str, Tensor]:
    """Return the supervised losses, and the weighted losses against the labeller's labels.

    Args:
        family: of the networks.
        student: the network that learns.
        labeller: answers in eval mode; may be the student itself.
        views: draws the views.
        batch: labelled rows before unlabelled ones, as always.
        progress: in [0, 1).
        weight: of the losses against pseudo labels.
        settings: gives the views.
    """
    unlabelled = batch.unlabelled_part()
    if not len(unlabelled) or (not isinstance(weight, Tensor) and not weight):
        return supervised_step(family, student, views, batch, progress, settings.labelled_view)
    weak = views.make(unlabelled.clips, settings.weak_view)
    strong = views.make(unlabelled.clips, settings.strong_view)
    answer = evaluated(family, labeller, weak)
    pseudo = family.pseudo_labels(answer, weak, strong)
    known, guessed = family.known_classes(batch), family.best_classes(answer)
    classes = torch.cat((known[: batch.num_labelled], guessed))
    view = strong
    if batch.num_labelled:
        labelled = batch.clips[: batch.num_labelled]
        view = views.make(labelled, settings.labelled_view).joined(strong)
    outputs = family.run(student, view, classes)
    losses = family.supervised_losses(outputs, batch, view, progress)
    found = family.pseudo_losses(rows_of(outputs, batch.last_rows), pseudo)
    return losses | {name: weight * loss for name, loss in found.items()}
