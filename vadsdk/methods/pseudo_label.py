"""Pseudo-Label (Lee 2013), iterated: paper 1's baseline of several rounds (section 4, Baselines).

progress   0 ....... start ......... 2/3 ......... 1       R = 3, start = 1/3
round      0         1               2
learns     labelled  labelled clips, and the others by the labels of a copy of the network,
           clips     frozen as it was when the round began

The copy labels a clip when the clip is drawn, which gives the labels that labelling all clips at
the round's start would.
"""

from __future__ import annotations

from pydantic import Field
from torch import Tensor, nn

from vadsdk.data.batches import ClipBatch
from vadsdk.losses.ramps import exp_rampup
from vadsdk.methods.families import family_of
from vadsdk.methods.method import Method
from vadsdk.methods.pseudo_teaching import PseudoTeachingSettings, pseudo_taught_step
from vadsdk.methods.teacher import Teacher


class PseudoLabelSettings(PseudoTeachingSettings):
    """Settings of `PseudoLabel`."""

    num_rounds: int = Field(default=3, ge=2)
    """R; the first learns from labelled clips alone."""
    start: float = Field(default=1 / 3, ge=0, lt=1)
    """Progress at which it is over; the others share what remains in equal parts."""


class PseudoLabel(Method):
    """Learns from labelled rows, and from the labels that an earlier self gave the others.

    Args:
        network: of any kind.
        settings: how it learns.
    """

    def __init__(self, network: nn.Module, settings: PseudoLabelSettings | None = None) -> None:
        self.settings = settings or PseudoLabelSettings()
        super().__init__(network, self.settings.seed)
        self._family = family_of(network, self.settings)
        self._labeller = Teacher(network, decay=0.0, warm=False)  # each update is a fresh copy
        self._labelled_round = 0

    def losses(self, batch: ClipBatch, progress: float | Tensor) -> dict[str, Tensor]:
        """Return the supervised losses and, from round 1 on, the family's "pseudo_..." losses."""
        if not isinstance(progress, Tensor):
            self.begin_step(progress)
        settings = self.settings
        ramp = exp_rampup(progress, settings.ramp_fraction)
        return pseudo_taught_step(
            self._family,
            self._network,
            self._labeller.network,
            self._views,
            batch,
            progress,
            settings.unlabelled_weight * ramp if self._phase else 0.0,
            settings,
        )

    def begin_step(self, progress: float) -> None:
        """Take a new labeller when a round begins."""
        super().begin_step(progress)
        current = self.phase(progress)
        if current > self._labelled_round:
            self._labeller.update(self._network)
            self._labeller.num_updates.fill_(current)
            self._labelled_round = current

    def phase(self, progress: float) -> int:
        """Return the round, from 0."""
        num_rounds, start = self.settings.num_rounds, self.settings.start
        if progress < start:
            return 0
        return 1 + int((progress - start) / (1 - start) * (num_rounds - 1))

    def networks(self) -> tuple[nn.Module, ...]:
        """Return the network and its labeller."""
        return (*super().networks(), self._labeller.network)

    def state_dict(self) -> dict[str, Tensor]:
        """Return what `Method.state_dict` does, and the labeller."""
        return super().state_dict() | self._labeller.state_dict("labeller.")

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Take up what `state_dict` returned."""
        super().load_state_dict(state)
        self._labeller.load_state_dict(state, "labeller.")
        self._labelled_round = int(self._labeller.num_updates)
