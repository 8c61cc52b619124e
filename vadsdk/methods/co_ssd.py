"""Co-SSD: a clip and its mirror image agree (CSD, Jeong et al. 2019; paper 1's Co-SSD (CC)).

labelled and unlabelled clip -> view ----> network -> supervised losses of the labelled rows
                             -> mirrored-> network -> same classes, same places, background aside

Paper 1 (section 4, Baselines) names the class part; CSD has both, and so has the default. The
class part alone: `pseudo_masks.loc_weight=0`.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field
from torch import Tensor, nn

from vadsdk.data.batches import ClipBatch
from vadsdk.losses.ramps import exp_rampup, gaussian_rampdown
from vadsdk.methods.families import FamilySettings, family_of, require_kind
from vadsdk.methods.mask_family import PseudoMaskSettings
from vadsdk.methods.method import Method
from vadsdk.methods.settings import ViewStrength


class CoSSDMaskSettings(PseudoMaskSettings):
    """What agreement of a mask network's answers is worth; thresholds have no use here."""

    consistency_of: Literal["all", "actors"] = "actors"
    """CSD eliminates background; see `PseudoMaskSettings`."""


class CoSSDSettings(FamilySettings):
    """Settings of `CoSSD`."""

    view: ViewStrength = "weak"
    """Of each clip, before it is mirrored; CSD mirrors the picture as it is."""
    pseudo_masks: CoSSDMaskSettings = CoSSDMaskSettings()
    """Mask networks: weights, and background elimination."""
    consistency_weight: float = Field(default=1.0, ge=0)
    """Of both consistencies."""
    ramp_up_fraction: float = Field(default=0.25, ge=0, le=1)
    """Share of the training over which that weight rises exponentially."""
    ramp_down_start: float = Field(default=0.75, ge=0, le=1)
    """Progress from which on it falls again (CSD, section 3.4); 1: never."""


class CoSSD(Method):
    """Learns from labelled rows, and from how all rows look mirrored.

    Args:
        network: of kind "mask" or "box".
        settings: how it learns.
    """

    def __init__(self, network: nn.Module, settings: CoSSDSettings | None = None) -> None:
        self.settings = settings = settings or CoSSDSettings()
        require_kind(
            network, ("mask", "box"), "co_ssd", "it compares places; use mean_teacher or fixmatch"
        )
        super().__init__(network, settings.seed)
        self._family = family_of(network, settings)

    def losses(self, batch: ClipBatch, progress: float | Tensor) -> dict[str, Tensor]:
        """Return the supervised losses and the family's "cons_..." losses, weighted."""
        settings, family = self.settings, self._family
        view = self._views.make(batch.clips, settings.view)
        classes = family.known_classes(batch)
        outputs = family.run(self._network, view, classes)
        losses = family.supervised_losses(outputs, batch, view, progress)
        mirrored = view.mirrored()
        classes = classes.where(classes >= 0, family.best_classes(outputs))
        others = family.run(self._network, mirrored, classes)
        found = family.consistency_losses(others, mirrored, outputs, view)
        weight = settings.consistency_weight * exp_rampup(progress, settings.ramp_up_fraction)
        weight *= gaussian_rampdown(progress, settings.ramp_down_start)
        return losses | {name: weight * loss for name, loss in found.items()}
