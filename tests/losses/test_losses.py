from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from vadsdk.losses import (
    bce_loss,
    classification_consistency_loss,
    cross_entropy_loss,
    dice_loss,
    localisation_consistency_loss,
    spread_loss,
    spread_margin,
)
from vadsdk.losses.classification_consistency import jensen_shannon

ClassLoss = Callable[[Tensor, Tensor, Tensor | None], Tensor]


def spread(scores: Tensor, classes: Tensor, weights: Tensor | None = None) -> Tensor:
    return spread_loss(scores, classes, 0.5, weights)


CLASS_LOSSES = pytest.mark.parametrize("loss", [spread, cross_entropy_loss])
MASK_LOSSES = pytest.mark.parametrize("loss", [bce_loss, dice_loss])

SCORES = torch.tensor([[0.9, 0.6, 0.1], [0.2, 0.3, 0.8], [0.5, 0.5, 0.5]])
CLASSES = torch.tensor([0, 1, 2])


def random_masks(seed: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn((3, 2, 4, 4), generator=generator)
    return logits, (torch.rand((3, 2, 4, 4), generator=generator) > 0.5).float()


def test_spread_loss_of_one_row_written_out() -> None:
    # target 0.9 leads 0.6 by 0.3 (short of 0.5 by 0.2) and 0.1 by 0.8 (enough)
    assert spread(SCORES[:1], CLASSES[:1]).item() == pytest.approx(0.2**2)


def test_spread_loss_is_zero_once_the_target_leads_by_the_margin() -> None:
    assert spread(torch.tensor([[0.9, 0.4, 0.0]]), torch.tensor([0])).item() == pytest.approx(0)


@pytest.mark.parametrize(
    ("progress", "margin"),
    [(0.0, 0.2), (0.049, 0.2), (0.05, 0.3), (0.349, 0.8), (0.35, 0.9), (1, 0.9)],
)
def test_the_margin_rises_by_a_tenth_every_five_of_a_hundred_epochs(
    progress: float, margin: float
) -> None:
    assert spread_margin(progress) == pytest.approx(margin)


@pytest.mark.parametrize(
    ("epoch", "margin"), [(0, 0.2), (4.9, 0.2), (5, 0.3), (34.9, 0.8), (35, 0.9), (49.9, 0.9)]
)
def test_of_fifty_epochs_it_rises_every_five_too(epoch: float, margin: float) -> None:
    assert spread_margin(epoch / 50, 0.1) == pytest.approx(margin)
    as_tensor = spread_margin(torch.tensor(epoch / 50, dtype=torch.float64), 0.1)
    assert isinstance(as_tensor, torch.Tensor)
    assert as_tensor.item() == pytest.approx(margin)


def test_smoothed_cross_entropy_is_that_of_torch_on_the_logits() -> None:
    scores = torch.rand(5, 4, generator=torch.Generator().manual_seed(3)) * 0.8 + 0.1
    classes = torch.tensor([0, 3, 1, 2, 2])
    loss = cross_entropy_loss(scores, classes, label_smoothing=0.2)
    expected = torch.nn.functional.cross_entropy(scores.logit(), classes, label_smoothing=0.2)
    torch.testing.assert_close(loss, expected)


def test_cross_entropy_of_confident_scores_is_that_of_their_odds() -> None:
    # odds 19 : 1/19 : 1/19
    loss = cross_entropy_loss(torch.tensor([[0.95, 0.05, 0.05]]), torch.tensor([0]))
    assert loss.item() == pytest.approx(math.log((19 + 2 / 19) / 19), abs=1e-6)


@CLASS_LOSSES
def test_rows_without_a_class_do_not_count(loss: ClassLoss) -> None:
    with_unknown = loss(SCORES, torch.tensor([0, -1, 2]), None)
    torch.testing.assert_close(with_unknown, loss(SCORES[[0, 2]], CLASSES[[0, 2]], None))


@CLASS_LOSSES
def test_class_loss_weights_act_like_repeated_rows(loss: ClassLoss) -> None:
    weighted = loss(SCORES, CLASSES, torch.tensor([2.0, 1.0, 0.0]))
    torch.testing.assert_close(weighted, loss(SCORES[[0, 0, 1]], CLASSES[[0, 0, 1]], None))


@CLASS_LOSSES
@pytest.mark.parametrize("rows", [0, 3])
def test_class_loss_without_known_class_is_a_connected_zero(loss: ClassLoss, rows: int) -> None:
    scores = SCORES[:rows].clone().requires_grad_()
    value = loss(scores, torch.full((rows,), -1), None)
    value.backward()
    assert value.item() == 0
    assert scores.grad is not None
    assert not scores.grad.any()


@MASK_LOSSES
def test_mask_loss_weights_act_like_left_out_rows(loss: ClassLoss) -> None:
    logits, masks = random_masks(0)
    weighted = loss(logits, masks, torch.tensor([1.0, 0.0, 1.0]))
    torch.testing.assert_close(weighted, loss(logits[[0, 2]], masks[[0, 2]], None))


@MASK_LOSSES
@pytest.mark.parametrize("rows", [0, 3])
def test_mask_loss_without_counted_row_is_a_connected_zero(loss: ClassLoss, rows: int) -> None:
    logits, masks = (part[:rows] for part in random_masks(0))
    logits = logits.clone().requires_grad_()
    value = loss(logits, masks, torch.zeros(rows))
    value.backward()
    assert value.item() == pytest.approx(0)
    assert logits.grad is not None
    assert not logits.grad.any()


def test_dice_loss_written_out() -> None:
    # both = 0.5, either = 1 + 1: 1 - (2 * 0.5 + 1) / (2 + 1)
    logits, masks = torch.zeros(1, 1, 1, 2), torch.tensor([[[[1.0, 0.0]]]])
    assert dice_loss(logits, masks).item() == pytest.approx(1 / 3)


def test_divergence_is_zero_for_equal_and_ln_2_for_disjoint_distributions() -> None:
    certain = torch.tensor([[1 - 2e-20, 1e-20, 1e-20], [1e-20, 1 - 2e-20, 1e-20]]).log()
    assert jensen_shannon(certain[0], certain[0]).item() == pytest.approx(0, abs=1e-7)
    assert jensen_shannon(certain[0], certain[1]).item() == pytest.approx(math.log(2), abs=1e-6)


@pytest.mark.parametrize("temperature", [0.1, 1.0, 5.0])
def test_classification_consistency_is_symmetric_and_bounded(temperature: float) -> None:
    generator = torch.Generator().manual_seed(3)
    for _ in range(20):
        first, second = torch.rand((2, 4, 9, 5), generator=generator)
        there = classification_consistency_loss(first, second, temperature=temperature)
        back = classification_consistency_loss(second, first, temperature=temperature)
        torch.testing.assert_close(there, back)
        assert 0 < there.item() <= math.log(2)


def test_classification_consistency_ignores_where_the_activation_lies() -> None:
    features = torch.rand((2, 9, 5), generator=torch.Generator().manual_seed(0))
    loss = classification_consistency_loss(features, features.flip(1))
    assert loss.item() == pytest.approx(0, abs=1e-7)


def test_classification_consistency_of_saturated_activations_has_a_finite_gradient() -> None:
    features = torch.tensor([[[0.0, 1.0, 0.0]]], requires_grad=True)
    loss = classification_consistency_loss(features, torch.tensor([[[1.0, 0.0, 0.0]]]))
    loss.backward()
    assert loss.item() == pytest.approx(math.log(2), abs=1e-4)
    assert features.grad is not None
    assert features.grad.isfinite().all()


def test_localisation_consistency_counts_the_valid_pixels_alone() -> None:
    maps = torch.tensor([[[[1.0, 2.0, 9.0]], [[3.0, 4.0, 9.0]]]])  # (1, 2, 1, 3)
    validity = torch.tensor([[[[1.0, 1.0, 0.0]]]])
    loss = localisation_consistency_loss(maps, torch.zeros_like(maps), validity=validity)
    assert loss.item() == pytest.approx((1 + 4 + 9 + 16) / 4)


def test_localisation_consistency_without_valid_pixel_is_a_connected_zero() -> None:
    maps = torch.ones((1, 2, 1, 3), requires_grad=True)
    loss = localisation_consistency_loss(maps, torch.zeros(1), validity=torch.zeros(1, 1, 1, 3))
    loss.backward()
    assert loss.item() == 0
    assert maps.grad is not None
