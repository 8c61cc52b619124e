"""FixMatch (Sohn et al. 2020), as paper 2 extends it to video (section 4.3).

The network labels weak views of unlabelled clips itself; what it is confident of teaches it the
strong views. See `pseudo_teaching`.
"""

from __future__ import annotations

from torch import Tensor, nn

from vadsdk.data.batches import ClipBatch
from vadsdk.losses.ramps import exp_rampup
from vadsdk.methods.families import family_of
from vadsdk.methods.method import Method
from vadsdk.methods.pseudo_teaching import PseudoTeachingSettings, pseudo_taught_step


class FixMatchSettings(PseudoTeachingSettings):
    """Settings of `FixMatch`; thresholds are in the part of the network's kind."""


class FixMatch(Method):
    """Learns from labelled rows, and from its own confident labels of the others.

    Args:
        network: of any kind.
        settings: how it learns.
    """

    def __init__(self, network: nn.Module, settings: FixMatchSettings | None = None) -> None:
        self.settings = settings or FixMatchSettings()
        super().__init__(network, self.settings.seed)
        self._family = family_of(network, self.settings)

    def losses(self, batch: ClipBatch, progress: float | Tensor) -> dict[str, Tensor]:
        """Return the supervised losses and the family's "pseudo_..." losses, weighted."""
        settings = self.settings
        weight = settings.unlabelled_weight * exp_rampup(progress, settings.ramp_fraction)
        return pseudo_taught_step(
            self._family,
            self._network,
            self._network,
            self._views,
            batch,
            progress,
            weight,
            settings,
        )
