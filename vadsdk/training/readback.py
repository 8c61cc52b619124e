"""What steps found, brought to the host while the device goes on."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from vadsdk.errors import TrainingError
from vadsdk.training.step import StepOutcome

MAX_STEPS_BEHIND = 8
"""Steps that a GPU may be ahead of what is known of them."""


class NotFiniteError(TrainingError):
    """A loss or a gradient is not finite; the weights are those of the step before."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class StepNumbers:
    """What a step found, on the host."""

    step: int
    """Steps done, this one included."""
    learning_rate: float
    """Rate of this step."""
    losses: Mapping[str, float]
    """Terms, not smoothed, and their sum as "total"."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Message:
    step: int
    learning_rate: float
    outcome: StepOutcome
    values: Tensor
    """On the host, or on its way there."""
    arrived: torch.cuda.Event | None


class Readback:
    """Steps that were taken, whose numbers are still on their way.

    Args:
        skips_overflow: whether gradients that are not finite are a matter of course (fp16).
    """

    def __init__(self, *, skips_overflow: bool) -> None:
        self._skips_overflow = skips_overflow
        self._messages: deque[_Message] = deque()

    def send(self, step: int, learning_rate: float, outcome: StepOutcome) -> None:
        """Send for the numbers of a step; the outcome's memory may be used again at once.

        Args:
            step: steps done, this one included.
            learning_rate: of this step.
            outcome: what it found.
        """
        arrived = None
        if outcome.values.is_cuda:
            values = torch.empty_like(outcome.values, device="cpu", pin_memory=True)
            values.copy_(outcome.values, non_blocking=True)
            arrived = torch.cuda.Event()
            arrived.record()
        else:
            values = outcome.values.clone()
        self._messages.append(
            _Message(
                step=step,
                learning_rate=learning_rate,
                outcome=outcome,
                values=values,
                arrived=arrived,
            )
        )

    def received(self, *, wait: bool = False) -> Iterator[StepNumbers]:
        """Yield the numbers that have arrived, in the order of the steps.

        Args:
            wait: for all of them.

        Raises:
            NotFiniteError: a loss or a gradient is not finite; the message names it and the step.
        """
        while self._messages:
            first = self._messages[0]
            if first.arrived is not None and not first.arrived.query():
                if not wait and len(self._messages) <= MAX_STEPS_BEHIND:
                    return
                first.arrived.synchronize()
            self._messages.popleft()
            self._check(first)
            terms = first.outcome.terms
            losses = dict(zip(terms, first.values[: len(terms)].tolist(), strict=True))
            losses["total"] = float(first.values[: len(terms)].sum())
            yield StepNumbers(step=first.step, learning_rate=first.learning_rate, losses=losses)

    def _check(self, message: _Message) -> None:
        outcome, is_finite = message.outcome, message.values.isfinite()
        if is_finite.all():
            return
        names = (*outcome.terms, *outcome.parameters)
        broken = [name for name, good in zip(names, is_finite.tolist(), strict=True) if not good]
        broken_terms = [name for name in broken if name in outcome.terms]
        if broken_terms:
            what = f"loss {', '.join(broken_terms)}"
        elif self._skips_overflow:
            return
        else:
            what = f"the gradient of {broken[0]}"
        raise NotFiniteError(f"{what} is not finite at step {message.step - 1}")
