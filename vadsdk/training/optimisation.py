"""Optimiser, learning-rate schedules, moving-average weights and the arithmetic of a step."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from vadsdk.errors import TrainingError
from vadsdk.training.settings import TrainSettings

_FINAL_SHARE = 0.01
_PLATEAU_FACTOR, _PLATEAU_MIN_RATE = 0.1, 1e-7  # reference code of paper 1: min_lr 1e-7
_SMOOTHING = 0.98


def build_optimiser(learned: nn.Module, settings: TrainSettings) -> torch.optim.Optimizer:
    """Return what the settings name; weight decay is for tensors of two or more dimensions."""
    trainable = [p for p in learned.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in trainable if p.ndim > 1], "weight_decay": settings.weight_decay},
        {"params": [p for p in trainable if p.ndim <= 1], "weight_decay": 0.0},
    ]
    if settings.optimiser == "sgd":
        return torch.optim.SGD(groups, lr=settings.learning_rate, momentum=settings.momentum)
    kind = torch.optim.AdamW if settings.optimiser == "adamw" else torch.optim.Adam
    return kind(groups, lr=settings.learning_rate, eps=settings.adam_epsilon)


class Schedule:
    """Learning rate of each step: warm-up, then cosine, plateau, steps or constant.

    Args:
        settings: names the schedule and its peak rate.
    """

    def __init__(self, settings: TrainSettings) -> None:
        self._settings = settings
        self._smoothed: float | None = None
        self._best = math.inf
        self._stale_steps = 0
        self._plateau_rate = settings.learning_rate

    def rate(self, step: int) -> float:
        """Return the rate for a step, counted from 0."""
        settings = self._settings
        warmup = min(1.0, (step + 1) / max(settings.warmup_steps, 1))
        if settings.schedule == "plateau":
            return warmup * self._plateau_rate
        if settings.schedule == "steps":
            num_decays = sum(step >= start for start in settings.decay_steps)
            return warmup * settings.learning_rate * settings.decay_factor**num_decays
        if settings.schedule == "constant":
            return warmup * settings.learning_rate
        cosine = 0.5 * (1 + math.cos(math.pi * step / settings.max_steps))
        return warmup * settings.learning_rate * (_FINAL_SHARE + (1 - _FINAL_SHARE) * cosine)

    def observe(self, loss: float) -> None:
        """Tell the schedule the loss of a step; only "plateau" listens."""
        if self._settings.schedule != "plateau":
            return
        previous = loss if self._smoothed is None else self._smoothed
        self._smoothed = _SMOOTHING * previous + (1 - _SMOOTHING) * loss
        if self._smoothed < self._best * (1 - 1e-4):
            self._best, self._stale_steps = self._smoothed, 0
            return
        self._stale_steps += 1
        if self._stale_steps > self._settings.plateau_patience:
            self._plateau_rate = max(self._plateau_rate * _PLATEAU_FACTOR, _PLATEAU_MIN_RATE)
            self._stale_steps = 0

    def state_dict(self) -> dict[str, Tensor]:
        """Return what a resumed run needs."""
        smoothed = math.nan if self._smoothed is None else self._smoothed
        values = [smoothed, self._best, float(self._stale_steps), self._plateau_rate]
        return {"plateau": torch.tensor(values, dtype=torch.float64)}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Go on where `state_dict` was taken."""
        smoothed, self._best, stale, self._plateau_rate = state["plateau"].tolist()
        self._smoothed = None if math.isnan(smoothed) else smoothed
        self._stale_steps = int(stale)


class MovingAverage:
    """Exponential moving average of a network's weights; buffers are copied as they are.

    Args:
        network: whose weights are averaged.
        decay: share of the old average that stays, approached from below in the first steps;
            0 keeps the raw weights.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.network = copy.deepcopy(network).requires_grad_(False).eval()
        self._decay = decay

    @torch.no_grad()
    def update(self, network: nn.Module, step: int) -> None:
        """Take in the weights after a step, counted from 0."""
        decay = min(self._decay, (1 + step) / (10 + step)) if self._decay else 0.0
        averaged: list[Tensor] = list(self.network.parameters())
        torch._foreach_lerp_(averaged, [p.detach() for p in network.parameters()], 1 - decay)
        for target, source in zip(self.network.buffers(), network.buffers(), strict=True):
            target.copy_(source)


def total_loss(losses: Mapping[str, Tensor], step: int) -> Tensor:
    """Return the sum of a step's losses.

    Raises:
        TrainingError: a term is not finite; the message names it and the step.
    """
    total = torch.stack([value.float() for value in losses.values()]).sum()
    if not torch.isfinite(total):
        broken = [name for name, value in losses.items() if not torch.isfinite(value)]
        raise TrainingError(
            f"loss {', '.join(broken) or 'total'} is not finite at step {step}; the last resume "
            "point is from before. Lower train.learning_rate or try train.precision=fp32, then "
            "use --resume"
        )
    return total


def clip_gradients(network: nn.Module, max_norm: float, step: int) -> float:
    """Scale the gradients down to a norm and return the norm they had.

    Raises:
        TrainingError: a gradient is not finite; the message names its parameter and the step.
    """
    norm = nn.utils.clip_grad_norm_(network.parameters(), max_norm)
    if not torch.isfinite(norm):
        broken = [
            name
            for name, parameter in network.named_parameters()
            if parameter.grad is not None and not torch.isfinite(parameter.grad).all()
        ]
        raise TrainingError(
            f"the gradient of {broken[0] if broken else 'some parameter'} is not finite at step "
            f"{step}; the last resume point is from before. Lower train.learning_rate or try "
            "train.precision=fp32, then use --resume"
        )
    return float(norm)


def autocast_dtype(precision: str, device: torch.device) -> torch.dtype | None:
    """Return the autocast type for a precision on a device, None for float32.

    Raises:
        TrainingError: the device cannot train in that precision.
    """
    if precision == "fp32":
        return None
    if device.type == "cuda":
        has_bf16 = torch.cuda.is_bf16_supported(including_emulation=False)
        if precision == "bf16" and not has_bf16:
            raise TrainingError(f"{device} has no bf16; use train.precision=fp16 or fp32")
        return torch.float16 if precision == "fp16" or not has_bf16 else torch.bfloat16
    if precision == "fp16":
        raise TrainingError("a CPU does not train in fp16; use train.precision=bf16 or fp32")
    native = torch.cpu._is_avx512_bf16_supported()
    return torch.bfloat16 if precision == "bf16" or native else None
