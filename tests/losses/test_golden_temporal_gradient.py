"""The losses of paper 3 against recorded values; how they are put together, its method's tests."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from golden_rules import Recorded, assert_recorded, gen, read_seed
from torch import Tensor

from vadsdk.losses import (
    cross_modal_contrast_loss,
    modality_alignment_loss,
    one_way_contrast_loss,
)

pytestmark = pytest.mark.golden

STAGE_SHAPES = ((64, 4, 14, 14), (128, 2, 7, 7), (256, 1, 4, 4), (512, 1, 2, 2))
VALUE, GRADIENT = {"f64": 1e-9, "f32": 3e-6}, {"f64": 1e-9, "f32": 5e-6}


@pytest.fixture(scope="module")
def recorded(golden_folder: Path) -> Recorded:
    return np.load(golden_folder / "tg_losses.npz")


@pytest.fixture(params=["f64", "f32"])
def precision(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def mixed(
    recorded: Recorded, tags: tuple[str, str], shape: tuple[int, ...], shares: tuple[float, float]
) -> tuple[np.ndarray, np.ndarray]:
    """A float32 draw, and one that has a share of it: scaled in float32, summed in float64."""
    seed = read_seed(recorded)
    first = gen(seed, tags[0]).standard_normal(shape).astype(np.float32)
    second = np.float32(shares[0]) * first + shares[1] * gen(seed, tags[1]).standard_normal(shape)
    return first, second.astype(np.float32)


def tensors(arrays: tuple[np.ndarray, ...], precision: str) -> list[Tensor]:
    kind = torch.float64 if precision == "f64" else torch.float32
    return [torch.from_numpy(values).to(kind).requires_grad_() for values in arrays]


@pytest.mark.parametrize("stage", range(4))
def test_alignment(recorded: Recorded, precision: str, stage: int) -> None:
    shape = (13, *STAGE_SHAPES[stage])
    arrays = mixed(recorded, (f"tg/feat_rgb{stage}", f"tg/feat_tg{stage}"), shape, (0.6, 0.8))
    features, targets = tensors(arrays, precision)
    loss = modality_alignment_loss(features, targets)
    loss.backward()
    name = f"align_full_res{stage + 2}"
    assert_recorded(recorded, f"{name}__{precision}", loss.detach(), rel=VALUE[precision])
    assert targets.grad is None
    assert features.grad is not None
    if stage == 3:
        key = f"{name}_grad_rgb__{precision}"
        assert_recorded(recorded, key, features.grad, rel=GRADIENT[precision])


def test_contrast(recorded: Recorded, precision: str) -> None:
    arrays = mixed(recorded, ("tg/embed1", "tg/embed2"), (6, 512), (0.5, 1.0))
    first, second = tensors(arrays, precision)
    for temperature, name in ((0.5, "T5"), (0.1, "T1")):
        one_way = one_way_contrast_loss(first, second, temperature)
        both = cross_modal_contrast_loss(first, second, temperature)
        for key, loss in (("simclr_one_way", one_way), ("simclr_sym_half", both)):
            came = loss.detach()
            assert_recorded(recorded, f"{key}_{name}__{precision}", came, rel=VALUE[precision])
    cross_modal_contrast_loss(first, second, 0.5).backward()
    for key, values in (("rgb", first), ("tg", second)):
        assert values.grad is not None
        assert_recorded(
            recorded, f"simclr_grad_{key}__{precision}", values.grad, rel=GRADIENT[precision]
        )
