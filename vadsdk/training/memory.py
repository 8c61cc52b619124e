"""What to say where a step does not fit into memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from vadsdk.training.settings import TrainSettings


class StepMemoryError(Exception):
    """Memory ran out in a step, not in what is done between steps."""


@contextmanager
def memory_of_a_step() -> Iterator[None]:
    """Do what a step does; a StepMemoryError with the first line of the reason if that is short."""
    try:
        yield
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        reason = str(error) or type(error).__name__  # Python's own may have no text
        raise StepMemoryError(reason.splitlines()[0]) from error


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an error says that memory is short: numpy's, torch's of a GPU or of a CPU."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and "can't allocate memory" in str(error)


def smaller_steps(settings: TrainSettings) -> str:
    """Return which settings make a step take less memory."""
    counts = f"{settings.batch_labelled} and {settings.batch_unlabelled}"
    return (
        f"a step of train.batch_labelled and train.batch_unlabelled ({counts} clips) does not fit "
        "into memory; give smaller ones, which train.accumulate can make up for, or a smaller "
        "network"
    )
