"""What the kernels are measured against."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from vadsdk.kernels import temporal_maps
from vadsdk.kernels.coherence_form import CoherenceForm
from vadsdk.kernels.coherence_losses import coherence_losses
from vadsdk.methods import consistency

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def straightforward(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import straightforward_step

    return straightforward_step


@pytest.mark.parametrize("scaling", ["min_max", "paper"])
@pytest.mark.parametrize("by_loops", [False, True])
def test_losses_of_maps_that_are_made_are_those_of_no_maps(
    straightforward: Any, scaling: Any, by_loops: bool
) -> None:
    generator = torch.Generator().manual_seed(0)
    first, second = (torch.randn(2, 6, 5, 7, generator=generator) for _ in range(2))
    validity = (torch.rand(2, 1, 5, 7, generator=generator) > 0.3).float()
    make = straightforward.variance_map_by_loops if by_loops else temporal_maps.variance_map
    written = straightforward.losses_of_written_maps(make)
    form = CoherenceForm(scaling=scaling)
    given = first.requires_grad_(), second.requires_grad_()
    losses = written(*given, form, (0.3,), validity)
    expected = coherence_losses(*given, form, (0.3,), validity)
    torch.testing.assert_close(losses, expected)
    gradients, wanted = (torch.autograd.grad(x.sum(), given) for x in (losses, expected))
    torch.testing.assert_close(gradients, wanted, rtol=1e-4, atol=1e-7)


def test_plain_steps_take_them(straightforward: Any) -> None:
    import reference_kernels
    import step_forms

    ours = consistency.coherence_losses
    for name in ("plain", "plain_tf32"):
        assert reference_kernels.written_maps in step_forms.FORMS[name].contexts
    with reference_kernels.written_maps():
        assert consistency.coherence_losses is not ours
    assert consistency.coherence_losses is ours
