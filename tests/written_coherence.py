"""Paper 1's coherence losses with every map written out, and the forms that tests go through."""

from __future__ import annotations

import os
from collections.abc import Sequence

import pytest
import torch
from torch import Tensor

from vadsdk.kernels import temporal_maps
from vadsdk.kernels.coherence_form import CoherenceForm, MapScale
from vadsdk.losses import temporal_coherence_loss

FORMS = {
    "default": CoherenceForm(),
    "paper": CoherenceForm(scaling="paper"),
    "open": CoherenceForm(cyclic=False, window=3),
    "released": CoherenceForm(scaling="released", compared="logits", variance_of="logits"),
    "gradient": CoherenceForm(attentions=("gradient",)),
    "snapped": CoherenceForm(attentions=("gradient",), snapped=True, compared="logits"),
    "paper gradient": CoherenceForm(
        attentions=("gradient",), scaling="paper", gradient_of="logits"
    ),
    "both": CoherenceForm(attentions=("variance", "gradient"), variance_of="logits"),
    "both, turned": CoherenceForm(attentions=("gradient", "variance"), window=3),
}
EACH_FORM = pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)


@pytest.fixture
def fresh() -> torch.Generator:
    """Another random stream in each run; its seed is in the report of a test that fails."""
    seed = int.from_bytes(os.urandom(4))
    print(f"seed of the random inputs: {seed}")  # noqa: T201 - pytest shows it
    return torch.Generator().manual_seed(seed)


def random_answers(shape: Sequence[int], generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Two float64 answers (B, T, H, W) that resemble each other and move."""
    first = torch.randn(tuple(shape), generator=generator, dtype=torch.float64) * 2
    change = torch.randn(tuple(shape), generator=generator, dtype=torch.float64)
    return first, first + change


def random_validity(shape: Sequence[int], generator: torch.Generator) -> Tensor:
    size = (shape[0], 1, *shape[2:])
    return (torch.rand(size, generator=generator, dtype=torch.float64) > 0.3).double()


def written_losses(
    first: Tensor,
    second: Tensor,
    form: CoherenceForm,
    weights: Sequence[float],
    validity: Tensor | None = None,
) -> Tensor:
    """What `coherence_losses` gives, map by map."""

    def on(scale: MapScale, logits: Tensor) -> Tensor:
        return logits if scale == "logits" else logits.sigmoid()

    of_first, of_second = first.detach(), second.detach()
    if validity is not None:
        of_second = torch.where(validity > 0, of_second, of_first)
    maps = on(form.compared, first), on(form.compared, second)
    losses = []
    for kind, weight in zip(form.attentions, weights, strict=True):
        if kind == "gradient":
            probabilities = on(form.gradient_of, of_first)
            if form.snapped:
                probabilities = temporal_maps.snap_confident(probabilities)
            attention = temporal_maps.gradient_map(probabilities)
        else:
            pair = on(form.variance_of, of_first), on(form.variance_of, of_second)
            attention = _variance(pair, form)
        if form.scaling == "min_max":
            attention = temporal_maps.min_max(attention)
        losses.append(temporal_coherence_loss(*maps, attention, weight, validity=validity))
    return torch.stack(losses)


def _variance(pair: tuple[Tensor, Tensor], form: CoherenceForm) -> Tensor:
    if form.scaling == "released":  # clockwise and anticlockwise are the same map
        return 2 * temporal_maps.released_variance_map(*pair, window=form.window)
    other = pair[1] if form.cyclic else None
    return temporal_maps.variance_map(pair[0], other, window=form.window)
