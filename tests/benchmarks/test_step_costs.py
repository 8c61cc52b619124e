"""What the benchmark says that a step calculates and moves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def step_costs(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import step_costs

    return step_costs


class TwoLayers(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv3d(3, 5, 3, padding=1, bias=False)
        self.second = nn.Linear(5, 2, bias=False)

    def forward(self, clips: Tensor, condition: None) -> Tensor:
        features = self.first(clips).relu()
        answer: Tensor = self.second(features.mean((2, 3, 4)))
        return answer


def test_layers_count_their_products_and_what_goes_in_and_out(step_costs: Any) -> None:
    costs = step_costs.forward_costs(TwoLayers(), torch.zeros(1, 3, 2, 4, 4))
    weights = 5 * 3 * 27 + 2 * 5
    assert costs.flops == 2 * (5 * 3 * 27 * 32 + 2 * 5)
    assert costs.activations == (3 + 5) * 32 + 5 + 2
    assert costs.weights == costs.parameters == weights
    step = step_costs.step_costs(costs, num_clips=4, number_bytes=2)
    assert step.flops == 3 * 2 * 4 * costs.flops
    assert step.num_bytes == 3 * 2 * 2 * (4 * costs.activations + weights) + 40 * weights


def test_routing_counts_as_nothing(step_costs: Any) -> None:
    from vadsdk.models.capsules import ClassCapsules

    class Routed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.capsules = ClassCapsules(4, 3, "em")

        def forward(self, clips: Tensor, condition: None) -> Tensor:
            return self.capsules(clips.reshape(1, 2, 2, 4 * 17))

    costs = step_costs.forward_costs(Routed(), torch.rand(1, 3 * 0 + 1, 2, 2, 4 * 17))
    assert (costs.flops, costs.activations, costs.weights) == (0, 0, 0)
    assert costs.parameters == 4 * 3 * 16 + 3 * 16 + 3
