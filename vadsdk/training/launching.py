"""Joining the other processes of a run that `torchrun` started.

    torchrun --nproc-per-node 8 -m vadsdk train ... --device cuda

Gradients are added up after the backward pass by the step itself (`step.py`), not by torch's
DistributedDataParallel: methods call the network two or three times a step and add networks of
their own, while its reducer follows one forward pass of one module; and a loss that divides by what
all ranks hold needs sums of its own in any case (`vadsdk.ranks`).

Processes that share each batch take the steps that one process would take with the whole batch, on
the same views of the same clips, but for what networks draw on their device: dropout, and which
clips are seen without colours. Each rank draws those for its own rows, so a run on two cards learns
other weights than the same run on one, as another seed would. Without such draws (`dropout` and
`colour_dropout` of the `model_settings` at 0) only the order of sums differs.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.distributed_c10d import PrefixStore
from torch.distributed.rendezvous import rendezvous

from vadsdk.errors import ConfigError
from vadsdk.models.rank_batch_norm import with_statistics_of_all_ranks
from vadsdk.ranks import num_ranks, rank
from vadsdk.training import run_folder
from vadsdk.training.settings import TrainSettings

_TIMEOUT = timedelta(minutes=30)
"""For what one rank does while the others wait, such as making a clip bank."""


@contextmanager
def joined_ranks(device: str) -> Iterator[str]:
    """Join the processes that `torchrun` started, if it did, and leave them at the end.

    Args:
        device: as asked for; "cuda" becomes the card of this process.

    Yields:
        The device of this process.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield device
        return
    if device == "cuda":
        device = f"cuda:{os.environ['LOCAL_RANK']}"
    on_gpu = device.startswith("cuda")
    if on_gpu:
        torch.cuda.set_device(device)
    store, own_rank, size = next(rendezvous("env://", timeout=_TIMEOUT))
    # torchrun keeps one store for all attempts, with the addresses of processes that are gone.
    attempt = PrefixStore(f"attempt {num_restarts()}", store)
    backend = "cpu:gloo,cuda:nccl" if on_gpu else "gloo"
    dist.init_process_group(
        backend, store=attempt, rank=own_rank, world_size=size, timeout=_TIMEOUT
    )
    try:
        yield device
    finally:
        dist.destroy_process_group()


def num_restarts() -> int:
    """Return how often `torchrun` has started the run's processes anew."""
    return int(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0"))


def was_restarted(folder: Path) -> bool:
    """Return whether `torchrun` started this process anew after one of the run's had ended.

    Args:
        folder: of the run; without a config in it there is nothing to go on with.
    """
    return num_restarts() > 0 and (folder / run_folder.CONFIG).is_file()


def wait_for_ranks() -> None:
    """Return when all ranks have come so far."""
    if num_ranks() > 1:
        dist.barrier()


@contextmanager
def first_rank_first() -> Iterator[None]:
    """Let the first rank go through a block before the others."""
    if rank():
        wait_for_ranks()
    yield
    if not rank():
        wait_for_ranks()


def require_equal_parts(settings: TrainSettings) -> None:
    """Raise a ConfigError unless the ranks can share each batch equally."""
    for name in ("batch_labelled", "batch_unlabelled"):
        count = getattr(settings, name)
        if count % num_ranks():
            raise ConfigError(
                f"train.{name}={count} clips cannot be shared equally by {num_ranks()} processes; "
                f"give a multiple of {num_ranks()}"
            )


def for_all_ranks(network: nn.Module) -> nn.Module:
    """Return a network that takes batch statistics over all ranks; itself, if there is one rank."""
    return with_statistics_of_all_ranks(network) if num_ranks() > 1 else network


def seed_of_rank(seed: int) -> None:
    """Let the ranks draw different dropout; networks were made from one seed."""
    if rank():
        torch.manual_seed(seed + rank() * 1_000_003)
