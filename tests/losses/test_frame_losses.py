from __future__ import annotations

import math

import pytest
import torch

from vadsdk.losses import multi_label_loss
from vadsdk.losses.frame_coherence import frame_coherence_loss

LN2 = math.log(2)


def test_actions_are_yes_or_no_each() -> None:
    logits = torch.tensor([[0.0, math.log(3)]])  # probabilities 1/2 and 3/4
    loss = multi_label_loss(logits, torch.tensor([[True, False]]))
    assert loss.item() == pytest.approx((LN2 + math.log(4)) / 2)


def test_shown_actions_may_weigh_more_and_unknown_ones_nothing() -> None:
    logits, shown = torch.zeros(2, 2), torch.tensor([[True, False], [True, True]])
    known = torch.tensor([[True, True], [False, False]])
    loss = multi_label_loss(logits, shown, known, positive_weight=3.0)
    assert loss.item() == pytest.approx((3 * LN2 + LN2) / 4)


def test_no_clip_is_a_connected_zero() -> None:
    logits = torch.zeros(0, 2, requires_grad=True)
    shown = torch.zeros(0, 2, dtype=torch.bool)
    (multi_label_loss(logits, shown) + frame_coherence_loss(logits, logits)).backward()
    assert logits.grad is not None


def test_coherence_is_the_distance_of_what_neighbouring_frames_show() -> None:
    frames = torch.tensor([[0.5, 0.25, 0.25], [1.0, 0.0, 0.0]])
    later = torch.tensor([[0.25, 0.5, 0.25], [1.0, 0.0, 0.0]])
    assert frame_coherence_loss(frames, later).item() == pytest.approx(0.5 / 2)
