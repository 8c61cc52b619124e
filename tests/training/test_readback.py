from __future__ import annotations

import math

import pytest
import torch

from vadsdk.errors import TrainingError
from vadsdk.training.readback import Readback
from vadsdk.training.step import StepOutcome


def outcome(*values: float) -> StepOutcome:
    return StepOutcome(
        terms=("cls", "loc_bce"), parameters=("weight", "bias"), values=torch.tensor(values)
    )


def test_steps_come_back_in_order_with_their_losses_and_total() -> None:
    readback = Readback(skips_overflow=False)
    readback.send(1, 0.5, outcome(1.0, 2.0, 9.0, 9.0))
    readback.send(2, 0.25, outcome(3.0, 4.0, 9.0, 9.0))
    first, second = readback.received()
    assert (first.step, first.learning_rate) == (1, 0.5)
    assert first.losses == {"cls": 1.0, "loc_bce": 2.0, "total": 3.0}
    assert (second.step, second.losses["total"]) == (2, 7.0)
    assert list(readback.received(wait=True)) == []


def test_what_was_sent_is_not_changed_by_the_next_step() -> None:
    readback, found = Readback(skips_overflow=False), outcome(1.0, 2.0, 0.0, 0.0)
    readback.send(1, 0.5, found)
    found.values.fill_(7.0)
    assert next(readback.received()).losses["cls"] == 1.0


def test_a_loss_that_is_not_finite_is_named_with_its_step() -> None:
    readback = Readback(skips_overflow=False)
    readback.send(17, 0.5, outcome(1.0, 2.0, 3.0, 4.0))
    readback.send(18, 0.5, outcome(1.0, math.nan, math.nan, math.nan))
    received = readback.received()
    assert next(received).step == 17
    with pytest.raises(TrainingError, match=r"loss loc_bce is not finite at step 17$"):
        next(received)


def test_a_gradient_that_is_not_finite_is_named_with_its_parameter() -> None:
    readback = Readback(skips_overflow=False)
    readback.send(4, 0.5, outcome(1.0, 2.0, 3.0, math.inf))
    with pytest.raises(TrainingError, match="gradient of bias is not finite at step 3"):
        next(readback.received())


def test_an_overflow_of_fp16_gradients_is_no_error_but_one_of_a_loss_is() -> None:
    readback = Readback(skips_overflow=True)
    readback.send(1, 0.5, outcome(1.0, 2.0, 3.0, math.inf))
    assert next(readback.received()).losses["total"] == 3.0
    readback.send(2, 0.5, outcome(math.inf, 2.0, 3.0, 4.0))
    with pytest.raises(TrainingError, match="loss cls"):
        next(readback.received())
