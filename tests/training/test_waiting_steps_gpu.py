"""No step waits for the card, says the card itself."""

from __future__ import annotations

import pytest
from no_waiting import card_waits_for_nobody
from steps_on_card import CUDA, exact, settings, without_draws
from test_every_pair import PAIRS, batch_for, method_of, network_of

from vadsdk.training.static_step import StaticStep, StepPlan
from vadsdk.training.step import StepOutcome, TrainingStep

__all__ = ["exact"]

pytestmark = pytest.mark.gpu


class WatchedStep(StaticStep):
    """Takes its first steps of a plan freely, and allows no other to wait for the card."""

    num_watched = 0

    def _run(self, plan: StepPlan) -> StepOutcome:
        plan.num_eager += 1
        if plan.num_eager <= 2:
            return super()._run(plan)
        self.num_watched += 1
        with card_waits_for_nobody():
            return super()._run(plan)


@pytest.mark.parametrize(
    ("model", "method"), [pair for pair in PAIRS if not pair[0].startswith("yowo")]
)
def test_nothing_in_a_step_waits_for_the_card(model: str, method: str) -> None:
    network = without_draws(network_of(model))
    learner = method_of(method, network)
    step = WatchedStep(TrainingStep(network, learner, settings(), CUDA), CUDA)
    for number in range(3):
        step([batch_for(network, number)], 0.9)
    assert step.num_watched == 1
