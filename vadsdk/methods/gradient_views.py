"""Views of clips and of their temporal gradients.

Legend: B clips, T frames, h, w of the network's input.
"""

from __future__ import annotations

from dataclasses import dataclass

from vadsdk.data.batches import ClipBatch
from vadsdk.kernels.view_sources import Clips, joined_in_time
from vadsdk.methods.temporal_gradient_settings import TemporalGradientSettings
from vadsdk.methods.views import View, ViewMaker


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class ModalViews:
    """The same clips in both modalities."""

    colours: View
    """As they are."""
    gradients: View
    """Their temporal gradients."""

    def joined(self, other: ModalViews) -> ModalViews:
        """Return these clips and then the other's."""
        return ModalViews(
            colours=self.colours.joined(other.colours),
            gradients=self.gradients.joined(other.gradients),
        )


def weak_views(
    maker: ViewMaker, batch: ClipBatch, settings: TemporalGradientSettings
) -> ModalViews:
    """Return weak views of all rows, the same for both modalities."""
    successors = _successors(batch, settings)
    colours, gradients = maker.make_with_gradients(batch.clips, successors, settings.weak_view)
    return ModalViews(colours=colours, gradients=gradients)


def strong_views(
    maker: ViewMaker, batch: ClipBatch, settings: TemporalGradientSettings
) -> ModalViews:
    """Return strong views of the unlabelled rows, drawn apart unless the settings share them."""
    unlabelled = batch.unlabelled_part()
    clips, successors = unlabelled.clips, _successors(unlabelled, settings)
    colours, gradients = maker.make_with_gradients(clips, successors, settings.strong_view)
    if settings.strong_gradient == "own":
        colours = maker.make(clips, settings.strong_view)
    return ModalViews(colours=colours, gradients=gradients)


def _successors(batch: ClipBatch, settings: TemporalGradientSettings) -> Clips:
    if settings.gradient == "sampled":
        return joined_in_time(batch.clips[:, 1:], batch.clips[:, -1:])
    assert batch.successors is not None  # asked for by `needs_successors`
    return batch.successors
