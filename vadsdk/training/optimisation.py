"""Optimiser, learning-rate schedules, moving-average weights and the arithmetic of a step."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from vadsdk.errors import TrainingError
from vadsdk.methods.teacher import follow, take_buffers
from vadsdk.training.settings import TrainSettings

_FINAL_SHARE = 0.01
_PLATEAU_FACTOR, _PLATEAU_MIN_RATE = 0.1, 1e-7  # reference code of paper 1: min_lr 1e-7
_SMOOTHING = 0.98


def build_optimiser(learned: nn.Module, settings: TrainSettings) -> torch.optim.Optimizer:
    """Return what the settings name; weight decay is for tensors of two or more dimensions.

    It updates all parameters at once, does nothing in a step whose `found_inf` is 1, and reads its
    rate from a tensor, so that a captured step takes up another rate; see `rate_of`.
    """
    trainable = [p for p in learned.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in trainable if p.ndim > 1], "weight_decay": settings.weight_decay},
        {"params": [p for p in trainable if p.ndim <= 1], "weight_decay": 0.0},
    ]
    on_cuda = trainable[0].is_cuda
    # The kernels of a GPU read a float32, those of a CPU the number itself.
    rate = torch.tensor(
        settings.learning_rate,
        dtype=torch.float32 if on_cuda else torch.float64,
        device=trainable[0].device,
    )
    if settings.optimiser == "sgd":
        return torch.optim.SGD(groups, lr=rate, momentum=settings.momentum, fused=True)
    kind = torch.optim.AdamW if settings.optimiser == "adamw" else torch.optim.Adam
    optimiser = kind(groups, lr=rate, eps=settings.adam_epsilon, fused=True, capturable=on_cuda)
    # Nor is it told of steps that are not captured, of which there are some in every run.
    optimiser._warned_capturable_if_run_uncaptured = True
    return optimiser


def rate_of(optimiser: torch.optim.Optimizer) -> Tensor:
    """Return the one tensor that all groups read their rate from."""
    rate: Tensor = optimiser.param_groups[0]["lr"]
    return rate


def load_optimiser(optimiser: torch.optim.Optimizer, state: Mapping[str, Any]) -> None:
    """Take up an optimiser's state, its rate in the tensor that it had.

    The moments take the layout of their weights, which may be another one than when they were
    saved: a fused optimiser walks through the memory of both side by side.
    """
    rate = rate_of(optimiser)
    optimiser.load_state_dict(dict(state))
    rate.fill_(float(rate_of(optimiser)))
    for group in optimiser.param_groups:
        group["lr"] = rate
        if "fused" in group:  # points of earlier versions say otherwise
            group["fused"], group["foreach"] = True, None
        if "capturable" in group:
            group["capturable"] = rate.is_cuda
    for parameter, moments in optimiser.state.items():
        for name, moment in moments.items():
            if isinstance(moment, Tensor) and moment.shape == parameter.shape:
                moments[name] = torch.empty_like(parameter, dtype=moment.dtype).copy_(moment)


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
        self._plateau_factor = 1.0

    def rate(self, step: int) -> float:
        """Return the rate for a step, counted from 0."""
        settings = self._settings
        warmup = min(1.0, (step + 1) / max(settings.warmup_steps, 1))
        if settings.schedule == "plateau":
            rate = settings.learning_rate
            return warmup * max(rate * self._plateau_factor, min(rate, _PLATEAU_MIN_RATE))
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
            self._plateau_factor *= _PLATEAU_FACTOR
            self._stale_steps = 0

    def state_dict(self) -> dict[str, Tensor]:
        """Return what a resumed run needs."""
        smoothed = math.nan if self._smoothed is None else self._smoothed
        values = [smoothed, self._best, float(self._stale_steps), self._plateau_factor]
        return {"plateau_and_factor": torch.tensor(values, dtype=torch.float64)}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Go on where `state_dict` was taken; the peak rate is that of the settings now."""
        if "plateau" in state:  # points of earlier versions have the rate instead of its factor
            smoothed, self._best, stale, rate = state["plateau"].tolist()
            self._plateau_factor = rate / self._settings.learning_rate
        else:
            smoothed, self._best, stale, self._plateau_factor = state["plateau_and_factor"].tolist()
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
    def update(self, network: nn.Module, step: Tensor) -> None:
        """Take in the weights after a step.

        Args:
            network: as it was copied, trained since.
            step: counted from 0; int64 of no dimension, on the network's device.
        """
        decay = ((1 + step).double() / (10 + step)).clamp_max(self._decay)
        follow(list(self.network.parameters()), list(network.parameters()), 1 - decay)
        take_buffers(self.network, network)


def clip_gradients(gradients: Sequence[Tensor], max_norm: float | None) -> Tensor:
    """Scale gradients down to a norm of all together, in place; waits for no device.

    Args:
        gradients: P tensors of one device.
        max_norm: above 0; None leaves them as they are.

    Returns:
        (P,) the norms that they had; not finite where a gradient is not.
    """
    norms = torch.stack(torch._foreach_norm(list(gradients)))
    if max_norm is None:
        return norms
    share = (max_norm / (norms.norm() + 1e-6)).clamp_max(1.0)
    torch._foreach_mul_(list(gradients), share)
    return norms


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
