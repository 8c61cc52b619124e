"""Make the next batches while the current one is learned from."""

from __future__ import annotations

import threading
from collections.abc import Generator
from itertools import count
from queue import Full, Queue
from typing import Protocol, TypeVar

import torch

from vadsdk.data.batches import ClipBatch

QUEUE_LENGTH = 2
_POLL_SECONDS = 0.05


Batch = TypeVar("Batch", covariant=True)


class BatchSource(Protocol[Batch]):
    """Whatever gives the batch of a step, such as a `ClipSampler`."""

    def batch(self, step: int) -> Batch:
        """Return the batch of a step."""
        ...


class PinnedBatches:
    """Batches in page-locked memory, from which a GPU copies while it and the host go on.

    Args:
        source: makes the batches.
    """

    def __init__(self, source: BatchSource[ClipBatch]) -> None:
        self._source = source

    def batch(self, step: int) -> ClipBatch:
        """Return the batch of a step."""
        return self._source.batch(step).pinned()


def prefetch(
    source: BatchSource[Batch], start: int, stop: int | None = None
) -> Generator[Batch, None, None]:
    """Yield the batches of the steps start, start + 1, ..., stop - 1, made ahead in one thread.

    An error of the thread is raised here, in its turn. Closing the generator ends the thread. Torch
    calculates with one core in it: after each operation of several, OpenMP's threads wait in a
    loop for the next one, on the cores that learn.

    Args:
        source: makes the batches; only the thread calls it.
        start: the first step.
        stop: one past the last step; None never ends.
    """
    ready: Queue[Batch | Exception | None] = Queue(QUEUE_LENGTH)
    closed = threading.Event()
    alone = threading.Event()

    def hand_over(item: Batch | Exception | None) -> bool:
        while not closed.is_set():
            try:
                ready.put(item, timeout=_POLL_SECONDS)
            except Full:
                continue
            return True
        return False

    def work() -> None:
        torch.get_num_threads()  # which fetches the number of all threads, once in each
        torch.set_num_threads(1)
        alone.set()
        try:
            for step in count(start) if stop is None else range(start, stop):
                if not hand_over(source.batch(step)):
                    return
        except Exception as error:
            hand_over(error)
        else:
            hand_over(None)

    thread = threading.Thread(target=work, name="prefetch", daemon=True)
    num_threads = torch.get_num_threads()
    thread.start()
    alone.wait()
    torch.set_num_threads(num_threads)  # of threads to come: torch takes the last one's word for it
    try:
        while (item := ready.get()) is not None:
            if isinstance(item, Exception):
                raise item
            yield item
    finally:
        closed.set()
        thread.join()
