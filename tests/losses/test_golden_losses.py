from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from golden_rules import Recorded, assert_recorded, blobs, gen, read_seed
from torch import Tensor

from vadsdk.losses import (
    bce_loss,
    dice_loss,
    localisation_consistency_loss,
    ramps,
    released_spread_loss,
    spread_loss,
)

pytestmark = pytest.mark.golden

VALUE_TOLERANCE = {"f64": 1e-9, "f32": 3e-6}
GRADIENT_TOLERANCE = {"f64": 1e-9, "f32": 5e-6}


@pytest.fixture(scope="module")
def recorded(golden_folder: Path) -> Recorded:
    return np.load(golden_folder / "losses.npz")


@pytest.fixture(params=["f64", "f32"])
def precision(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def tensor(values: np.ndarray, precision: str) -> Tensor:
    return torch.from_numpy(values).to(torch.float64 if precision == "f64" else torch.float32)


def check(recorded: Recorded, key: str, value: Tensor, precision: str) -> None:
    table = GRADIENT_TOLERANCE if "grad" in key else VALUE_TOLERANCE
    assert_recorded(recorded, f"{key}__{precision}", value.detach(), rel=table[precision])


def scores_and_classes(recorded: Recorded, precision: str) -> tuple[Tensor, Tensor]:
    seed = read_seed(recorded)
    scores = gen(seed, "loss/activations").uniform(0.05, 0.95, (4, 24)).astype(np.float32)
    classes = gen(seed, "loss/targets").integers(0, 24, 4)
    return tensor(scores, precision).requires_grad_(), torch.from_numpy(classes)


def mask_inputs(recorded: Recorded, precision: str) -> tuple[Tensor, Tensor, Tensor]:
    seed = read_seed(recorded)
    logits = tensor(blobs(seed, "loss/pred"), precision).requires_grad_()
    masks = tensor((blobs(seed, "loss/pred", jitter="loss/gt") > 0), precision)
    other = tensor(blobs(seed, "loss/pred", jitter="loss/other"), precision).requires_grad_()
    return logits, masks, other


def test_released_spread_loss(recorded: Recorded, precision: str) -> None:
    scores, classes = scores_and_classes(recorded, precision)
    loss = released_spread_loss(scores, classes)
    loss.backward()
    assert scores.grad is not None
    check(recorded, "spread", loss, precision)
    check(recorded, "spread_grad", scores.grad, precision)
    for rows in (1, 2):
        part = released_spread_loss(scores[:rows], classes[:rows])
        check(recorded, f"spread_b{rows}", part, precision)


def test_spread_loss_with_the_last_margin(recorded: Recorded, precision: str) -> None:
    scores, classes = scores_and_classes(recorded, precision)
    check(recorded, "spread_abs", spread_loss(scores, classes, 0.9), precision)


@pytest.mark.parametrize(("name", "loss"), [("dice", dice_loss), ("bce", bce_loss)])
def test_mask_losses(
    recorded: Recorded, precision: str, name: str, loss: Callable[[Tensor, Tensor], Tensor]
) -> None:
    logits, masks, _ = mask_inputs(recorded, precision)
    value = loss(logits, masks)
    value.backward()
    assert logits.grad is not None
    check(recorded, name, value, precision)
    check(recorded, f"{name}_grad", logits.grad, precision)


def test_weighted_square_distance(recorded: Recorded, precision: str) -> None:
    logits, _, other = mask_inputs(recorded, precision)
    drawn = gen(read_seed(recorded), "loss/weight").random(logits.shape).astype(np.float32)
    maps, others, attention = logits[:, 0], other[:, 0], tensor(drawn, precision)[:, 0]
    value = localisation_consistency_loss(maps, others, attention=attention)
    value.backward()
    assert logits.grad is not None
    assert other.grad is not None
    check(recorded, "wmse", value, precision)
    check(recorded, "wmse_grad_input", logits.grad, precision)
    check(recorded, "wmse_grad_target", other.grad, precision)
    check(recorded, "mse", localisation_consistency_loss(maps, others), precision)


RAMPS: dict[str, Callable[[float], float]] = {
    **{f"exp_rampup_{n}": lambda e, n=n: ramps.exp_rampup(e, n) for n in (1, 11, 50, 100)},
    **{f"linear_rampup_{n}": lambda e, n=n: ramps.linear_rampup(e, n) for n in (11, 100)},
    "exp_rampdown_30_100": lambda e: ramps.exp_rampdown(e, 30, 100),
    "cosine_rampdown_30_100": lambda e: ramps.cosine_rampdown(e, 30, 100),
    "pseudo_rampup_10_40": lambda e: ramps.delayed_rampup(e, 10, 40),
}


@pytest.mark.parametrize("name", RAMPS)
def test_ramps(recorded: Recorded, name: str) -> None:
    values = [RAMPS[name](epoch) for epoch in range(121)]
    assert_recorded(recorded, name, values, rel=1e-12)
