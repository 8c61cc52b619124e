"""The training loop; it does not know the method."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

import torch
from torch import Tensor, nn

from vadsdk.data.batches import ClipBatch
from vadsdk.methods import Method
from vadsdk.methods.host_draws import HostDraws
from vadsdk.ranks import num_ranks, rank, rows_of_all_ranks
from vadsdk.training.optimisation import Schedule
from vadsdk.training.readback import Readback, StepNumbers
from vadsdk.training.settings import TrainSettings
from vadsdk.training.speed import channels_last, compiles, graphs
from vadsdk.training.static_step import GraphedStep
from vadsdk.training.step import StepOutcome, TrainingStep

_SMOOTHING = 0.95


@dataclass(frozen=True, kw_only=True, slots=True)
class StepReport:
    """What a step tells whoever watches."""

    step: int
    """Steps done, this one included."""
    learning_rate: float
    """Rate of this step."""
    losses: Mapping[str, float]
    """Smoothed terms, and their sum as "total"."""


Watch = Callable[[StepReport], None]


class Trainer:
    """A run's step, its schedule, and what has become known of the steps so far.

    Args:
        network: learned, in place, on `device`.
        method: gives the losses.
        settings: how.
        device: where.
        note: told what was asked for as "auto" and is not done, and why; and what takes long.

    Raises:
        ConfigError: a graph is asked for where none can be captured.
    """

    def __init__(
        self,
        network: nn.Module,
        method: Method,
        settings: TrainSettings,
        device: torch.device,
        note: Callable[[str], None] | None = None,
    ) -> None:
        self.network = network
        self.method = method
        self.settings = settings
        self.step = 0
        self.is_whole = True
        """False from the first change that a step makes to the last one."""
        self._device = device
        if settings.precision != "fp32" or device.type == "cuda":
            channels_last(method)  # before the optimiser and the average take the weights up
        self._step = TrainingStep(network, method, settings, device)
        self.average = self._step.average
        self._take = self._take_eagerly
        if graphs(settings, method, device, note or _unheard):
            self._take = GraphedStep(self._step, device)
        if compiles(settings, method, device, note or _unheard):
            method.compile()
            (note or _unheard)("torch compiles the networks in the first steps: minutes, once")
        self._schedule = Schedule(settings)
        self._readback = Readback(skips_overflow=self._step.skips_overflow)
        self._smoothed: dict[str, float] = {}

    def run(self, batches: Iterable[ClipBatch], watch: Watch) -> None:
        """Take all the steps that there are batches for; see `steps`."""
        for _ in self.steps(batches, watch):
            pass
        self.settle(watch)

    def steps(self, batches: Iterable[ClipBatch], watch: Watch) -> Iterator[int]:
        """Take a step for each `accumulate` batches and yield how many were taken so far.

        On a GPU, steps are watched some steps later; `settle` catches up.

        Raises:
            NotFiniteError: a loss or a gradient is not finite.
        """
        self._step.learned.train()
        source = iter(batches)
        while group := list(islice(source, self.settings.accumulate)):
            self.is_whole = False  # and it stays so if anything is raised
            rate = self._schedule.rate(self.step)
            self._step.rate.fill_(rate)
            outcome = self._take(group, self.step / self.settings.max_steps)
            self.step += 1
            self._readback.send(self.step, rate, outcome)
            self.is_whole = True
            self._tell(watch, wait=False)
            yield self.step

    def settle(self, watch: Watch) -> None:
        """Wait for the device, so that all steps have been watched and the weights are theirs.

        Raises:
            NotFiniteError: a loss or a gradient is not finite.
        """
        self._tell(watch, wait=True)

    def state_dict(self) -> dict[str, Any]:
        """Return everything that an exact resume needs, as tensors and numbers.

        To be called when whole and settled, and on all ranks, as it holds what all of them would
        draw next.
        """
        return {
            "step": self.step,
            **self._step.state_dict(),
            "schedule": self._schedule.state_dict(),
            "smoothed": dict(self._smoothed),
            "rng": _of_all_ranks(torch.get_rng_state(), self._device),
            "rng_cuda": [_of_all_ranks(torch.cuda.get_rng_state(self._device), self._device)]
            if self._device.type == "cuda"
            else [],
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where `state_dict` was taken; of as many ranks, or draws differ from then on."""
        self.step = int(state["step"])
        self._step.load_state_dict(state, self.step)
        self._schedule.load_state_dict(state["schedule"])
        self._smoothed = dict(state["smoothed"])
        torch.set_rng_state(_of_this_rank(state["rng"]))
        if state["rng_cuda"] and self._device.type == "cuda":
            torch.cuda.set_rng_state(_of_this_rank(state["rng_cuda"][0]), self._device)

    def _take_eagerly(self, batches: list[ClipBatch], progress: float) -> StepOutcome:
        first = batches[0]
        draws = HostDraws(rows=(first.num_labelled, len(first) - first.num_labelled))
        self.method.begin_step(progress)
        with draws.running():
            return self._step([batch.to(self._device) for batch in batches], progress)

    def _tell(self, watch: Watch, *, wait: bool) -> None:
        for numbers in self._readback.received(wait=wait):
            watch(self._report(numbers))

    def _report(self, numbers: StepNumbers) -> StepReport:
        self._schedule.observe(numbers.losses["total"])
        for name, value in numbers.losses.items():
            previous = self._smoothed.get(name, value)
            self._smoothed[name] = _SMOOTHING * previous + (1 - _SMOOTHING) * value
        return StepReport(
            step=numbers.step, learning_rate=numbers.learning_rate, losses=dict(self._smoothed)
        )


def _unheard(text: str) -> None:
    """Take a note that nobody asked for."""


def _of_all_ranks(state: Tensor, device: torch.device) -> Tensor:
    """Return the states of a generator (N,) bytes on all ranks, (R, N); (N,) for one process."""
    if num_ranks() == 1:
        return state
    return rows_of_all_ranks(state[None].to(device)).cpu()


def _of_this_rank(states: Tensor) -> Tensor:
    if states.ndim == 1:
        return states
    return states[rank() % len(states)].clone()  # a generator takes no part of a tensor
