"""Compiled and captured steps on a card, as runs take them there of themselves."""

from __future__ import annotations

import pytest
import torch
from steps_on_card import exact, losses_of, trainer_of

from vadsdk.kernels import routing_triton

__all__ = ["exact"]

pytestmark = pytest.mark.gpu


@pytest.mark.parametrize("model", ["videocapsnet-n", "videocapsnet"])
def test_compiled_and_captured_steps_in_bf16_learn_as_plain_ones(model: str) -> None:
    """As `vadsdk train --device cuda` takes them of itself; "auto" is on for all three there."""
    found = []
    for is_fast in (False, True):
        trainer = trainer_of(model, "e2e", precision="bf16", compile=is_fast, cuda_graph=is_fast)
        found.append(losses_of(trainer))
    for ours, theirs in zip(*found, strict=True):
        assert ours == pytest.approx(theirs, rel=0.05, abs=0.02)  # smoothed; fused ones round less
    assert found[1][-1]["total"] < found[1][0]["total"]


def test_a_compiled_network_routes_by_the_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    kernel = routing_triton.em_routing

    @torch.compiler.disable
    def counted(*tensors, **settings):
        calls.append(1)
        return kernel(*tensors, **settings)

    monkeypatch.setattr(routing_triton, "em_routing", counted)
    trainer = trainer_of("videocapsnet-n", "e2e", compile=True, cuda_graph=False)
    losses_of(trainer, 0, 2)
    assert len(calls) == 4  # two views a step
