"""A teacher whose weights follow the student's: an exponential moving average (Mean Teacher).

student   s1   s2   s3 ...         trained by the optimiser
teacher   t0 = s0,  t = a t + (1 - a) s,  a = min(1 - 1 / (n + 1), decay) at its n-th update
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import torch
from torch import Tensor, nn

Buffers = Literal["copy", "keep"]
TeacherMode = Literal["eval", "train"]


class Teacher:
    """A copy of a network that takes a small step towards it at each `update`; has no gradient.

    A method calls `update` in `after_step` and puts `state_dict` into its own.

    Args:
        network: the student; copied as it is, on its device.
        decay: share of the old weights that stays.
        buffers: "copy" takes the student's as they are after each step: a teacher in eval mode
            normalises with running statistics, which would else stay those of untrained weights.
            "keep" leaves them to the teacher's own passes in "train" mode, as Stable Mean
            Teacher's release does (golden README, section 10: parameters only).
        warm: approach `decay` from below, `min(1 - 1 / (n + 1), decay)` at the n-th update, so that
            the random start is forgotten at once; else `decay` from the first.
        mode: how the copy runs: "eval" answers a clip alike whatever stands beside it; "train"
            (the release) has dropout and batch statistics.

    Raises:
        ValueError: `decay` is not in [0, 1], or "keep" in "eval" mode for a network with running
            statistics, which nothing would ever bring up to date.
    """

    def __init__(
        self,
        network: nn.Module,
        decay: float = 0.99,
        buffers: Buffers = "copy",
        warm: bool = True,
        mode: TeacherMode = "eval",
    ) -> None:
        if not 0.0 <= decay <= 1.0:
            raise ValueError(f"decay must lie in [0, 1], not {decay}")
        if buffers == "keep" and mode == "eval" and _has_running_statistics(network):
            raise ValueError(
                'a teacher in "eval" mode needs its student\'s running statistics; use '
                'buffers="copy", or mode="train"'
            )
        self.network = copy.deepcopy(network).requires_grad_(False).train(mode == "train")
        device = next((p.device for p in network.parameters()), torch.device("cpu"))
        self.num_updates = torch.zeros((), dtype=torch.int64, device=device)
        self._decay, self._buffers, self._warm = decay, buffers, warm

    @torch.no_grad()
    def __call__(self, *inputs: Tensor | None) -> Any:
        """Return what the teacher's network answers, without a graph."""
        return self.network(*inputs)

    @torch.no_grad()
    def update(self, student: nn.Module) -> None:
        """Follow the student; to be called once after each step of the optimiser.

        (The release calls it before the step, which is the same a step later.)

        Args:
            student: the network as it was copied, trained since.
        """
        self.num_updates += 1
        share = torch.full_like(self.num_updates, 1.0 - self._decay, dtype=torch.float64)
        if self._warm:
            share = share.maximum(1.0 / (self.num_updates + 1).double())
        follow(list(self.network.parameters()), list(student.parameters()), share)
        if self._buffers == "copy":
            take_buffers(self.network, student)

    def state_dict(self, prefix: str = "teacher.") -> dict[str, Tensor]:
        """Return weights, buffers and the number of updates, each name behind `prefix`."""
        state: dict[str, Tensor] = {
            f"{prefix}network.{name}": tensor.detach().clone()
            for name, tensor in self.network.state_dict().items()
        }
        return state | {f"{prefix}num_updates": self.num_updates.detach().clone()}

    def load_state_dict(self, state: Mapping[str, Tensor], prefix: str = "teacher.") -> None:
        """Take up what `state_dict` returned; names without `prefix` belong to others."""
        start = f"{prefix}network."
        self.network.load_state_dict(
            {
                name.removeprefix(start): tensor
                for name, tensor in state.items()
                if name.startswith(start)
            }
        )
        self.num_updates.copy_(state[f"{prefix}num_updates"])


def follow(averages: Sequence[Tensor], values: Sequence[Tensor], share: Tensor) -> None:
    """Move averages a share of the way to values, in place and without waiting for a device.

    Args:
        averages: of any shapes.
        values: of the same shapes.
        share: in [0, 1], float64 of no dimension, on their device.
    """
    shares = {dtype: share.to(dtype) for dtype in {average.dtype for average in averages}}
    weights = [shares[average.dtype] for average in averages]
    with torch.no_grad():
        torch._foreach_lerp_(list(averages), [value.detach() for value in values], weights)


def take_buffers(target: nn.Module, source: nn.Module) -> None:
    """Copy the buffers of a network into those of a copy of it, all of a type at once."""
    pairs = list(zip(target.buffers(), source.buffers(), strict=True))
    for dtype in {own.dtype for own, _ in pairs}:
        alike = [pair for pair in pairs if pair[0].dtype == dtype]
        torch._foreach_copy_([own for own, _ in alike], [other for _, other in alike])


def _has_running_statistics(network: nn.Module) -> bool:
    return any(name.endswith("running_mean") for name, _ in network.named_buffers())
