"""The supervised baseline: the labelled rows of a batch, in one view or two."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict
from torch import Tensor, nn

from vadsdk.data.batches import ClipBatch
from vadsdk.methods.network import input_size_of, num_classes_of
from vadsdk.methods.settings import ViewStrength
from vadsdk.methods.supervised_terms import TermSettings, class_condition, supervised_losses
from vadsdk.methods.views import ViewMaker
from vadsdk.models import ClipOutputs


class SupervisedSettings(BaseModel):
    """How the baseline learns."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    view: ViewStrength = "weak"
    """How the clips are augmented."""
    second_view: ViewStrength | None = None
    """Learn from a second view of the same clips too, as `e2e` does with `supervise_both_views`."""
    terms: TermSettings = TermSettings()
    """Weights and forms of the losses."""
    seed: int = 0
    """Of the views."""


class Supervised:
    """Learns from the labelled rows alone; unlabelled rows are not even shown to the network.

    Args:
        network: `(clips, condition) -> ClipOutputs`, with `num_classes` and `input_size`.
        settings: how it learns.
    """

    def __init__(self, network: nn.Module, settings: SupervisedSettings | None = None) -> None:
        self.settings = settings or SupervisedSettings()
        self._network = network
        self._views = ViewMaker(input_size_of(network), self.settings.seed)

    def losses(self, batch: ClipBatch, progress: float) -> dict[str, Tensor]:
        """Return `cls`, `loc_bce`, `loc_dice`, weighted; see `Method.losses`."""
        seen = _labelled_part(batch)
        losses = self._losses_of_view(seen, self.settings.view, progress)
        if self.settings.second_view is None:
            return losses
        others = self._losses_of_view(seen, self.settings.second_view, progress)
        return {name: 0.5 * (loss + others[name]) for name, loss in losses.items()}

    def _losses_of_view(
        self, seen: ClipBatch, strength: ViewStrength, progress: float
    ) -> dict[str, Tensor]:
        view = self._views.make(seen.clips, strength)
        condition = class_condition(
            seen,
            num_classes_of(self._network),
            all_classes=False,
            own_class_share=self.settings.terms.own_class_share,
        )
        outputs: ClipOutputs = self._network(view.clips, condition)
        return supervised_losses(outputs, seen, view, progress, self.settings.terms)

    def after_step(self) -> None:
        """Nothing follows the network."""

    def state_dict(self) -> dict[str, Tensor]:
        """Return the state of the views' random stream."""
        return self._views.state_dict()

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Take up what `state_dict` returned."""
        self._views.load_state_dict(state)


def _labelled_part(batch: ClipBatch) -> ClipBatch:
    """Return the labelled rows; all rows where none is labelled, whose losses are then zeros."""
    rows = batch.labelled.nonzero()[:, 0]
    if len(rows) in (0, len(batch)):
        return batch
    return batch.rows(rows)
