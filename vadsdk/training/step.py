"""One optimiser step: from batches to new weights, without a word to the host.

    batches -> method -> losses -> backward -> over the ranks -> clip -> optimiser -> teacher,
               each in turn, gradients summed                                         average

Nothing here waits for the device, so a GPU runs steps back to back, and the whole of it can be
captured as a graph (`static_step.py`). What a step found comes back later (`readback.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from vadsdk.data.batches import ClipBatch
from vadsdk.methods import Method
from vadsdk.ranks import sum_in_place, sum_over_ranks
from vadsdk.training.optimisation import (
    MovingAverage,
    autocast_dtype,
    build_optimiser,
    clip_gradients,
    load_optimiser,
    rate_of,
)
from vadsdk.training.settings import TrainSettings

_FIRST_SCALE = 2.0**12


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class StepOutcome:
    """What a step found, on its device."""

    terms: tuple[str, ...]
    """N losses."""
    parameters: tuple[str, ...]
    """P parameters that have a gradient."""
    values: Tensor
    """(N + P,) float32: the losses of the whole batch, weighted, then the gradients' norms."""


class TrainingStep:
    """Network, method, optimiser and moving average of a run.

    A step whose losses or gradients are not finite leaves the weights as they are.

    Args:
        network: learned, in place, on `device`.
        method: gives the losses.
        settings: how.
        device: where.
    """

    def __init__(
        self, network: nn.Module, method: Method, settings: TrainSettings, device: torch.device
    ) -> None:
        self.network = network
        self.method = method
        self.average = MovingAverage(network, settings.ema_decay)
        self.learned = nn.ModuleDict({"network": network, "method": method.trained.to(device)})
        self._settings = settings
        self._device = device
        self._optimiser = build_optimiser(self.learned, settings)
        self._num_steps = torch.zeros((), dtype=torch.int64, device=device)
        self._dtype = autocast_dtype(settings.precision, device)
        self._scaler = torch.amp.GradScaler(
            device.type, init_scale=_FIRST_SCALE, enabled=self._dtype is torch.float16
        )

    @property
    def rate(self) -> Tensor:
        """The learning rate, of no dimension; fill it before a step."""
        return rate_of(self._optimiser)

    @property
    def skips_overflow(self) -> bool:
        """Whether a step with gradients that are not finite is a matter of course (fp16)."""
        return self._scaler.is_enabled()

    def __call__(self, batches: Sequence[ClipBatch], progress: float | Tensor) -> StepOutcome:
        """Take a step.

        Args:
            batches: on the device; their losses and gradients are averaged.
            progress: see `Method.losses`.
        """
        self._optimiser.zero_grad(set_to_none=True)
        terms, losses = self._backward(batches, progress)
        losses = sum_over_ranks(losses)
        self._scaler.unscale_(self._optimiser)
        found = {n: p.grad for n, p in self.learned.named_parameters() if p.grad is not None}
        gradients = list(found.values())
        sum_in_place(gradients)
        norms = clip_gradients(gradients, self._settings.clip_norm)
        values = torch.cat((losses, norms.float()))
        self._update(values.isfinite().all())
        self.method.after_step()
        self.average.update(self.network, self._num_steps)
        self._num_steps += 1
        return StepOutcome(
            terms=terms,
            parameters=tuple(name.partition(".")[2] for name in found),
            values=values,
        )

    def state_dict(self) -> dict[str, Any]:
        """Return what an exact resume needs, as tensors and numbers."""
        return {
            "network": self.network.state_dict(),
            "average": self.average.network.state_dict(),
            "optimiser": self._optimiser.state_dict(),
            "scaler": self._scaler.state_dict(),
            "method": self.method.state_dict(),
        }

    def load_state_dict(self, state: Mapping[str, Any], num_steps: int) -> None:
        """Go on where `state_dict` was taken, after so many steps."""
        self.network.load_state_dict(state["network"])
        self.average.network.load_state_dict(state["average"])
        load_optimiser(self._optimiser, state["optimiser"])
        if state["scaler"]:  # empty if the run went on from another precision
            self._scaler.load_state_dict(state["scaler"])
        self.method.load_state_dict(state["method"])
        self._num_steps.fill_(num_steps)

    def _backward(
        self, batches: Sequence[ClipBatch], progress: float | Tensor
    ) -> tuple[tuple[str, ...], Tensor]:
        """Return the names of the losses and their means over the batches (N,)."""
        found: dict[str, Tensor] = {}
        for batch in batches:
            with torch.autocast(self._device.type, self._dtype, enabled=self._dtype is not None):
                losses = self.method.losses(batch, progress)
            parts = torch.stack([loss.float() for loss in losses.values()]) / len(batches)
            self._scaler.scale(parts.sum()).backward()
            for name, part in zip(losses, parts.detach(), strict=True):
                found[name] = found[name] + part if name in found else part
        return tuple(found), torch.stack(list(found.values()))

    def _update(self, is_finite: Tensor) -> None:
        if self._scaler.is_enabled():
            self._scaler.step(self._optimiser)
            self._scaler.update()
            return
        optimiser: Any = self._optimiser  # fused optimisers read these two, as GradScaler sets them
        optimiser.grad_scale, optimiser.found_inf = None, (~is_finite).float()
        self._optimiser.step()
