"""What `E2ESettings` asks of the maps is what is computed."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from written_coherence import fresh, random_answers, written_losses

from vadsdk.kernels import temporal_maps
from vadsdk.kernels.coherence_form import CoherenceForm
from vadsdk.kernels.view_parameters import sample_view
from vadsdk.losses import temporal_coherence_loss
from vadsdk.losses.ramps import exp_rampup
from vadsdk.methods import E2ESettings
from vadsdk.methods.consistency import spatiotemporal_consistency
from vadsdk.methods.views import View

__all__ = ["fresh"]

MIDWAY = 0.5
RAMP = exp_rampup(MIDWAY, 1.0)
Answers = tuple[Tensor, Tensor]


def computed(answers: Answers, settings: E2ESettings) -> Tensor:
    view = View(clips=torch.zeros(0), parameters=sample_view(len(answers[0]), "identity"))
    first, second = answers
    return spatiotemporal_consistency((view, first), (view, second), MIDWAY, settings)


CASES: dict[str, tuple[dict[str, object], CoherenceForm, tuple[float, ...]]] = {
    "default": ({}, CoherenceForm(), (RAMP,)),
    "unblended, open": (
        {"non_attentive_l2": False, "cyclic": False, "window": 3},
        CoherenceForm(cyclic=False, window=3),
        (1.0,),
    ),
    "gradient": (
        {"localisation": "gradient", "snap_confident": True},
        CoherenceForm(attentions=("gradient",), snapped=True),
        (1.0,),
    ),
    "both, of logits": (
        {
            "localisation": "variance+gradient",
            "attention": "paper",
            "attention_on": "logits",
            "consistency_on": "logits",
        },
        CoherenceForm(
            attentions=("variance", "gradient"),
            scaling="paper",
            compared="logits",
            variance_of="logits",
        ),
        (RAMP, 1.0),
    ),
    "released": (
        {"attention": "released", "cyclic": False},
        CoherenceForm(scaling="released"),
        (RAMP,),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_the_maps_are_those_of_the_settings(name: str, fresh: torch.Generator) -> None:
    settings, form, weights = CASES[name]
    answers = random_answers((2, 8, 6, 6), fresh)
    loss = computed(answers, E2ESettings.model_validate(settings))
    torch.testing.assert_close(loss, written_losses(*answers, form, weights).mean())


@pytest.mark.parametrize("snapped", [False, True])
def test_the_released_gradient_is_shared_by_the_batch(
    snapped: bool, fresh: torch.Generator
) -> None:
    answers = random_answers((2, 8, 6, 6), fresh)
    settings = E2ESettings(
        localisation="variance+gradient", attention="released", snap_confident=snapped
    )
    probabilities = answers[0].sigmoid()
    seen = temporal_maps.snap_confident(probabilities) if snapped else probabilities
    attention = temporal_maps.released_gradient_map(seen).mean(0, keepdim=True)
    gradient = temporal_coherence_loss(probabilities, answers[1].sigmoid(), attention, 1.0)
    variance = written_losses(*answers, CoherenceForm(scaling="released"), (RAMP,))[0]
    torch.testing.assert_close(computed(answers, settings), (gradient + variance) / 2)


def test_a_stopped_original_is_a_fixed_target(fresh: torch.Generator) -> None:
    first, second = (x.requires_grad_() for x in random_answers((1, 8, 4, 4), fresh))
    computed((first, second), E2ESettings(consistency_target="stop_original")).backward()
    assert first.grad is None
    assert second.grad is not None
    assert second.grad.any()
