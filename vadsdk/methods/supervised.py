"""The supervised baseline: the labelled rows of a batch, in one view or two."""

from __future__ import annotations

from torch import Tensor, nn

from vadsdk.data.batches import ClipBatch
from vadsdk.methods.families import FamilySettings, family_of
from vadsdk.methods.method import Method
from vadsdk.methods.settings import ViewStrength


class SupervisedSettings(FamilySettings):
    """How the baseline learns."""

    view: ViewStrength = "weak"
    """How the clips are augmented."""
    second_view: ViewStrength | None = None
    """Learn from a second view of the same clips too, as `e2e` does with `supervise_both_views`."""


class Supervised(Method):
    """Learns from the labelled rows alone; unlabelled rows are not even shown to the network.

    Args:
        network: of any kind.
        settings: how it learns.
    """

    uses_unlabelled = False

    def __init__(self, network: nn.Module, settings: SupervisedSettings | None = None) -> None:
        self.settings = settings or SupervisedSettings()
        super().__init__(network, self.settings.seed)
        self._family = family_of(network, self.settings)

    def losses(self, batch: ClipBatch, progress: float | Tensor) -> dict[str, Tensor]:
        """Return the family's supervised losses, the mean of both views' where there are two."""
        seen = labelled_part(batch)
        losses = self._losses_of_view(seen, self.settings.view, progress)
        if self.settings.second_view is None:
            return losses
        others = self._losses_of_view(seen, self.settings.second_view, progress)
        return {name: 0.5 * (loss + others[name]) for name, loss in losses.items()}

    def _losses_of_view(
        self, seen: ClipBatch, strength: ViewStrength, progress: float | Tensor
    ) -> dict[str, Tensor]:
        view = self._views.make(seen.clips, strength)
        outputs = self._family.run(self._network, view, self._family.known_classes(seen))
        return self._family.supervised_losses(outputs, seen, view, progress)


def labelled_part(batch: ClipBatch) -> ClipBatch:
    """Return the labelled rows; all rows where none is labelled, whose losses are then zeros."""
    return batch if batch.num_labelled in (0, len(batch)) else batch.labelled_part()
