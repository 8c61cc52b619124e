from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from golden_rules import Recorded, assert_recorded, blobs, read_seed
from torch import Tensor

from vadsdk.kernels import temporal_maps
from vadsdk.kernels.coherence_form import CoherenceForm, MapScale
from vadsdk.kernels.coherence_losses import coherence_losses
from vadsdk.losses import (
    gradient_smoothness_loss,
    localisation_consistency_loss,
    temporal_coherence_loss,
)
from vadsdk.losses.ramps import exp_rampup

pytestmark = pytest.mark.golden

TOLERANCE = {"f64": 1e-9, "f32": 3e-6}
EQUATION_TOLERANCE = 1e-12


@pytest.fixture(scope="module")
def recorded(golden_folder: Path) -> Recorded:
    return np.load(golden_folder / "consistency.npz")


@pytest.fixture(scope="module")
def logits(recorded: Recorded) -> tuple[Tensor, Tensor]:
    """Original and flipped-back logits, (2, 8, 224, 224) float64."""
    seed = read_seed(recorded)
    original = torch.from_numpy(blobs(seed, "cons/output")).double()[:, 0]
    other = torch.from_numpy(blobs(seed, "cons/output", jitter="cons/flip")).double()[:, 0]
    return original, other


def readings(logits: tuple[Tensor, Tensor], kind: str) -> tuple[Tensor, Tensor]:
    original, other = logits
    return (original, other) if kind.startswith("logit") else (original.sigmoid(), other.sigmoid())


@pytest.mark.parametrize("precision", ["f64", "f32"])
@pytest.mark.parametrize("kind", ["logits", "sigmoid"])
@pytest.mark.parametrize("window", [3, 5])
def test_released_variance_map_in_both_directions(
    recorded: Recorded, logits: tuple[Tensor, Tensor], window: int, kind: str, precision: str
) -> None:
    dtype = torch.float64 if precision == "f64" else torch.float32
    first, second = readings((logits[0].to(dtype), logits[1].to(dtype)), kind)
    clockwise = temporal_maps.released_variance_map(first, second, window=window)
    backward = temporal_maps.released_variance_map(first.flip(1), second.flip(1), window=window)
    for name, attention in (("clock", clockwise), ("anticlock", backward)):
        key = f"var_n{window}_{kind}_{name}__{precision}"
        assert_recorded(recorded, key, attention[:, None], rel=TOLERANCE[precision])
    torch.testing.assert_close(clockwise, backward.flip(1), rtol=0, atol=TOLERANCE[precision])


@pytest.mark.parametrize("precision", ["f64", "f32"])
def test_released_gradient_map(
    recorded: Recorded, logits: tuple[Tensor, Tensor], precision: str
) -> None:
    dtype = torch.float64 if precision == "f64" else torch.float32
    probabilities = logits[0].to(dtype).sigmoid()
    snapped = temporal_maps.snap_confident(probabilities)
    for key, maps in (("grad_mask", probabilities), ("grad_mask_thr", snapped)):
        attention = temporal_maps.released_gradient_map(maps)
        assert_recorded(recorded, f"{key}__{precision}", attention, rel=TOLERANCE[precision])


@pytest.mark.parametrize("kind", ["prob", "logit"])
@pytest.mark.parametrize("window", [3, 5])
def test_equations_3_and_4(
    recorded: Recorded, logits: tuple[Tensor, Tensor], window: int, kind: str
) -> None:
    maps = readings(logits, kind)
    attention = temporal_maps.variance_map(*maps, window=window)
    assert_recorded(recorded, f"eq_var_{kind}_n{window}", attention, rel=EQUATION_TOLERANCE)
    attended = localisation_consistency_loss(*maps, attention=attention)
    assert_recorded(recorded, f"eq_mvar_l2_{kind}_n{window}", attended, rel=EQUATION_TOLERANCE)
    for epoch in (1, 50, 100):
        loss = temporal_coherence_loss(*maps, attention, exp_rampup(epoch, 100))
        key = f"eq3_{kind}_n{window}_e{epoch}"
        assert_recorded(recorded, key, loss, rel=EQUATION_TOLERANCE)


@pytest.mark.parametrize("kind", ["prob", "logit"])
@pytest.mark.parametrize("window", [3, 5])
def test_equations_3_and_5_without_a_map(
    recorded: Recorded, logits: tuple[Tensor, Tensor], window: int, kind: str
) -> None:
    scale: MapScale = "logits" if kind == "logit" else "probabilities"
    form = CoherenceForm(
        attentions=("variance", "gradient"),
        scaling="paper",
        window=window,
        compared=scale,
        variance_of=scale,
        gradient_of=scale,
    )
    for epoch in (1, 50, 100):
        losses = coherence_losses(*logits, form, (exp_rampup(epoch, 100), 1.0))
        key = f"eq3_{kind}_n{window}_e{epoch}"
        assert_recorded(recorded, key, losses[0], rel=EQUATION_TOLERANCE)
        assert_recorded(recorded, f"eq5_abs_{kind}", losses[1], rel=EQUATION_TOLERANCE)


@pytest.mark.parametrize("kind", ["prob", "logit"])
def test_equations_2_5_and_6(recorded: Recorded, logits: tuple[Tensor, Tensor], kind: str) -> None:
    maps = readings(logits, kind)
    signed = temporal_maps.gradient_map(maps[0], signed=True)
    size = temporal_maps.gradient_map(maps[0])
    values = {
        f"eq_l2_{kind}": localisation_consistency_loss(*maps),
        f"eq_grad_{kind}": signed,
        f"eq5_signed_{kind}": gradient_smoothness_loss(*maps, signed),
        f"eq5_abs_{kind}": gradient_smoothness_loss(*maps, size),
    }
    for key, value in values.items():
        assert_recorded(recorded, key, value, rel=EQUATION_TOLERANCE)


def test_the_released_gradient_loss_if_each_clip_had_its_own_map(
    recorded: Recorded, logits: tuple[Tensor, Tensor]
) -> None:
    attention = temporal_maps.released_gradient_map(logits[0].sigmoid())
    loss = gradient_smoothness_loss(*logits, attention)
    assert_recorded(recorded, "gv_cons_no_broadcast", loss, rel=TOLERANCE["f64"])
