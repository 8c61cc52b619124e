from __future__ import annotations

import pytest
import torch

from vadsdk.losses import difference_of_pixels_loss


def test_a_hand_example() -> None:
    first = torch.tensor([[[[0.0]], [[1.0]], [[3.0]]]])  # one pixel of three frames: +1, +2
    second = torch.tensor([[[[5.0]], [[5.0]], [[8.0]]]])  # +0, +3
    assert difference_of_pixels_loss(first, second).item() == pytest.approx((1 + 1) / 2)


def test_what_stands_still_in_both_costs_nothing() -> None:
    first, second = torch.zeros(2, 4, 3, 3), torch.full((2, 4, 3, 3), 7.0)
    assert difference_of_pixels_loss(first, second).item() == 0


def test_only_valid_pixels_count() -> None:
    first, second = torch.zeros(1, 3, 1, 2), torch.zeros(1, 3, 1, 2)
    second[0, 1, 0] = torch.tensor([1.0, 50.0])
    validity = torch.tensor([[[[1.0, 0.0]]]])
    assert difference_of_pixels_loss(first, second, validity=validity).item() == 1.0


def test_a_single_frame_has_no_difference_and_stays_connected() -> None:
    maps = torch.ones(1, 1, 2, 2, requires_grad=True)
    loss = difference_of_pixels_loss(maps, maps.detach() + 1)
    loss.backward()
    assert loss.item() == 0
