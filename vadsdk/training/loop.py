"""The training loop; it does not know the method."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from vadsdk.data.batches import ClipBatch
from vadsdk.methods import Method
from vadsdk.training.optimisation import (
    MovingAverage,
    Schedule,
    autocast_dtype,
    build_optimiser,
    clip_gradients,
    total_loss,
)
from vadsdk.training.settings import TrainSettings

_SMOOTHING = 0.95
_FIRST_SCALE = 2.0**12


@dataclass(frozen=True, kw_only=True, slots=True)
class StepReport:
    """What a step tells whoever watches."""

    step: int
    """Steps done, this one included."""
    learning_rate: float
    """Rate of this step."""
    losses: Mapping[str, float]
    """Smoothed terms, and their sum as "total"."""


class Trainer:
    """Network, method, optimiser and moving average of one run, and their state.

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
        self.settings = settings
        self.device = device
        self.average = MovingAverage(network, settings.ema_decay)
        self.step = 0
        self._learned = nn.ModuleDict({"network": network, "method": method.trained.to(device)})
        self._optimiser = build_optimiser(self._learned, settings)
        self._schedule = Schedule(settings)
        self._dtype = autocast_dtype(settings.precision, device)
        self._scaler = torch.amp.GradScaler(
            device.type, init_scale=_FIRST_SCALE, enabled=self._dtype is torch.float16
        )
        self._smoothed: dict[str, float] = {}

    def run(self, batches: Iterable[ClipBatch], watch: Callable[[StepReport], None]) -> None:
        """Take a step for each batch.

        Raises:
            TrainingError: a loss or a gradient is not finite.
        """
        self._learned.train()
        for batch in batches:
            rate = self._schedule.rate(self.step)
            with torch.autocast(self.device.type, self._dtype, enabled=self._dtype is not None):
                losses = self.method.losses(
                    batch.to(self.device), progress=self.step / self.settings.max_steps
                )
            total = total_loss(losses, self.step)
            self._optimiser_step(total, rate)
            self.method.after_step()
            self.average.update(self.network, self.step)
            self.step += 1
            watch(self._report(losses, total, rate))

    def state_dict(self) -> dict[str, Any]:
        """Return everything that an exact resume needs, as tensors and numbers."""
        return {
            "step": self.step,
            "network": self.network.state_dict(),
            "average": self.average.network.state_dict(),
            "optimiser": self._optimiser.state_dict(),
            "schedule": self._schedule.state_dict(),
            "scaler": self._scaler.state_dict(),
            "method": self.method.state_dict(),
            "smoothed": dict(self._smoothed),
            "rng": torch.get_rng_state(),
            "rng_cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where `state_dict` was taken."""
        self.step = int(state["step"])
        self.network.load_state_dict(state["network"])
        self.average.network.load_state_dict(state["average"])
        self._optimiser.load_state_dict(state["optimiser"])
        self._schedule.load_state_dict(state["schedule"])
        self._scaler.load_state_dict(state["scaler"])
        self.method.load_state_dict(state["method"])
        self._smoothed = dict(state["smoothed"])
        torch.set_rng_state(state["rng"])
        if state["rng_cuda"] and torch.cuda.is_available():
            torch.cuda.set_rng_state_all(state["rng_cuda"])

    def _optimiser_step(self, total: Tensor, rate: float) -> None:
        for group in self._optimiser.param_groups:
            group["lr"] = rate
        self._optimiser.zero_grad(set_to_none=True)
        self._scaler.scale(total).backward()
        self._scaler.unscale_(self._optimiser)
        if self._dtype is torch.float16:  # the scaler itself skips a step that overflowed
            nn.utils.clip_grad_norm_(self._learned.parameters(), self.settings.clip_norm)
        else:
            clip_gradients(self._learned, self.settings.clip_norm, self.step)
        self._scaler.step(self._optimiser)
        self._scaler.update()

    def _report(self, losses: Mapping[str, Tensor], total: Tensor, rate: float) -> StepReport:
        values = {name: float(value.detach()) for name, value in losses.items()}
        values["total"] = float(total.detach())
        self._schedule.observe(values["total"])
        for name, value in values.items():
            previous = self._smoothed.get(name, value)
            self._smoothed[name] = _SMOOTHING * previous + (1 - _SMOOTHING) * value
        return StepReport(step=self.step, learning_rate=rate, losses=dict(self._smoothed))
