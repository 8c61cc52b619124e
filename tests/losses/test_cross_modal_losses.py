"""The losses of paper 3, written out by hand; recorded values are in the golden tests."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from vadsdk.losses import (
    confident_classes,
    cross_modal_contrast_loss,
    modality_alignment_loss,
    one_way_contrast_loss,
    pseudo_label_loss,
)


def test_alignment_is_one_less_the_mean_cosine_at_each_place() -> None:
    features = torch.tensor([[[1.0, 0.0, 2.0], [0.0, 3.0, 2.0]]])  # (1, 2 channels, 3 places)
    targets = torch.tensor([[[5.0, 0.0, 1.0], [0.0, -1.0, 0.0]]])
    cosines = (1.0, -1.0, math.sqrt(0.5))
    loss = modality_alignment_loss(features, targets)
    assert loss.item() == pytest.approx(1 - sum(cosines) / 3)


def test_only_the_follower_learns_from_the_alignment() -> None:
    torch.manual_seed(0)
    features = torch.randn(2, 4, 3, requires_grad=True)
    targets = torch.randn(2, 4, 3, requires_grad=True)
    modality_alignment_loss(features, targets).backward()
    assert features.grad is not None
    assert features.grad.any()
    assert targets.grad is None


def test_contrast_of_two_clips_written_out() -> None:
    first = torch.tensor([[2.0, 0.0], [0.0, 1.0]])
    second = torch.tensor([[3.0, 0.0], [1.0, 1.0]])
    half = math.sqrt(0.5)

    def cost(own: float, other: float) -> float:
        return math.log1p(math.exp((other - own) / 0.5))

    forth = (cost(1, half) + cost(half, 0)) / 2
    back = (cost(1, 0) + cost(half, half)) / 2
    assert one_way_contrast_loss(first, second, 0.5).item() == pytest.approx(forth)
    both = cross_modal_contrast_loss(first, second, 0.5)
    assert both.item() == pytest.approx((forth + back) / 2)


LOGITS: list[Tensor] = [
    torch.tensor([[2.0, 0.0], [0.0, 0.1]]),
    torch.tensor([[0.0, 1.0], [3.0, 0]]),
]
# mean logits: 1.0 against 0.5, 1.5 against 0.05


@pytest.mark.parametrize(
    ("threshold", "expected"), [(0.3, [0, 0]), (0.7, [-1, 0]), (0.9, [-1, -1])]
)
def test_modalities_judge_together_and_unsure_rows_have_no_class(
    threshold: float, expected: list[int]
) -> None:
    # softmax of the mean logits: 1 / (1 + e^-0.5) = 0.622 and 1 / (1 + e^-1.45) = 0.810
    assert confident_classes(LOGITS, threshold).tolist() == expected


def test_kept_rows_are_summed_and_divided_by_all_rows() -> None:
    logits = torch.tensor([[1.0, 0.0], [4.0, 0.0], [0.0, 0.0]], requires_grad=True)
    loss = pseudo_label_loss(logits, torch.tensor([0, -1, 1]))
    assert loss.item() == pytest.approx((math.log1p(math.exp(-1)) + math.log(2)) / 3)
    loss.backward()
    assert logits.grad is not None
    assert not logits.grad[1].any()


def test_no_kept_row_is_a_zero_that_stays_in_the_graph() -> None:
    logits = torch.zeros(2, 3, requires_grad=True)
    loss = pseudo_label_loss(logits, torch.tensor([-1, -1]))
    loss.backward()
    assert loss.item() == 0
    assert logits.grad is not None
