"""A step that always works in the same memory, so that it can be captured once and replayed.

    batch on the host or a bank -> the plan's buffers --+
    random numbers of the views -> the plan's buffers --+--> step -> outcome, always in one place
    progress, learning rate -----> tensors -------------+

Steps of another phase of the method, or with a batch of other shapes, have a plan of their own.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import torch

from vadsdk.data.batches import ClipBatch
from vadsdk.methods.host_draws import HostDraws
from vadsdk.training.step import StepOutcome, TrainingStep

_NUM_EAGER = 3
"""Steps of a plan before it is captured: they make what libraries make at first use."""


@dataclass(kw_only=True, eq=False)
class StepPlan:
    """The memory that the steps of one kind work in."""

    batches: list[ClipBatch]
    draws: HostDraws
    num_eager: int = 0
    graph: torch.cuda.CUDAGraph | None = None
    outcome: StepOutcome | None = None
    """Of the graph."""


class StaticStep:
    """Takes steps in fixed memory, without capturing them.

    Args:
        step: what is taken.
        device: where.
    """

    def __init__(self, step: TrainingStep, device: torch.device) -> None:
        self._step = step
        self._device = device
        self._progress = torch.zeros((), dtype=torch.float64, device=device)
        self._plans: dict[Hashable, StepPlan] = {}

    def __call__(self, batches: Sequence[ClipBatch], progress: float) -> StepOutcome:
        """Take a step; its outcome may be overwritten by the next.

        Args:
            batches: on any device, which may be used again once the device has come so far.
            progress: see `Method.losses`.
        """
        method = self._step.method
        method.begin_step(progress)
        key = (method.phase(progress), tuple(_shapes(batch) for batch in batches))
        plan = self._plans.get(key)
        if plan is None:
            plan = self._plans[key] = self._new_plan(batches)
        else:
            for buffers, batch in zip(plan.batches, batches, strict=True):
                _fill(buffers, batch)
            plan.draws.refill()
        self._progress.fill_(progress)
        return self._run(plan)

    def _run(self, plan: StepPlan) -> StepOutcome:
        """Take the step that the plan's memory is filled for."""
        with plan.draws.running():
            return self._step(plan.batches, self._progress)

    def _new_plan(self, batches: Sequence[ClipBatch]) -> StepPlan:
        rows = (batches[0].num_labelled, len(batches[0]) - batches[0].num_labelled)
        return StepPlan(
            batches=[batch.copied_to(self._device) for batch in batches],
            draws=HostDraws(rows=rows, is_fixed=True),
        )


class GraphedStep(StaticStep):
    """Takes the first steps of each plan eagerly, then captures one and replays it ever after."""

    def __init__(self, step: TrainingStep, device: torch.device) -> None:
        super().__init__(step, device)
        self._pool = torch.cuda.graph_pool_handle()  # of all graphs, of which one runs at a time
        self._stream = torch.cuda.Stream(device)

    def _run(self, plan: StepPlan) -> StepOutcome:
        if plan.num_eager < _NUM_EAGER:
            plan.num_eager += 1
            return self._run_aside(plan)
        if plan.graph is None:
            graph = torch.cuda.CUDAGraph()
            # Other threads may go on pinning memory for the next batches meanwhile.
            with torch.cuda.graph(
                graph,
                pool=self._pool,
                stream=self._stream,  # of this card, and the one that eager steps made things on
                capture_error_mode="thread_local",
            ):
                plan.outcome = super()._run(plan)
            plan.graph = graph  # once it is whole
        plan.graph.replay()
        assert plan.outcome is not None
        return plan.outcome

    def _run_aside(self, plan: StepPlan) -> StepOutcome:
        """Take the step eagerly on a stream of its own, as what will be captured must be."""
        current = torch.cuda.current_stream(self._device)
        self._stream.wait_stream(current)
        with torch.cuda.stream(self._stream):
            outcome = super()._run(plan)
        current.wait_stream(self._stream)
        outcome.values.record_stream(current)
        return outcome


def _shapes(batch: ClipBatch) -> Hashable:
    shapes = [(name, tuple(value.shape)) for name, value in batch.tensors().items()]
    bank = batch.bank()
    where = None if bank is None else bank.data_ptr()  # which a captured step goes on reading
    return (batch.num_labelled, where, *shapes)


def _fill(buffers: ClipBatch, batch: ClipBatch) -> None:
    sources = batch.tensors()
    for name, buffer in buffers.tensors().items():
        buffer.copy_(sources[name], non_blocking=True)
