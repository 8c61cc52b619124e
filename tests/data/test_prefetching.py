from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
import torch

from vadsdk.data.batches import ClipBatch
from vadsdk.data.prefetching import prefetch


class CountingSource:
    """Makes batches that say their step, until one step fails."""

    def __init__(self, failing_step: int | None = None) -> None:
        self.steps: list[int] = []
        self.failing_step = failing_step

    def batch(self, step: int) -> ClipBatch:
        self.steps.append(step)
        if step == self.failing_step:
            raise OSError(f"step {step} is broken")
        return ClipBatch(
            clips=torch.zeros(1, 1, 1, 1, 3, dtype=torch.uint8),
            masks=torch.zeros(1, 1, 1, 1, dtype=torch.uint8),
            class_indices=torch.tensor([step]),
            labelled=torch.tensor([True]),
        )


def threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "prefetch"]


def test_batches_come_in_order_from_start_to_stop() -> None:
    steps = [int(batch.class_indices) for batch in prefetch(CountingSource(), 3, 9)]
    assert steps == [3, 4, 5, 6, 7, 8]
    assert not threads()


def test_an_error_is_raised_after_the_batches_before_it() -> None:
    batches = prefetch(CountingSource(failing_step=2), 0, 9)
    assert [int(next(batches).class_indices) for _ in range(2)] == [0, 1]
    with pytest.raises(OSError, match="step 2 is broken"):
        next(batches)
    assert not threads()


def test_closing_early_ends_the_thread() -> None:
    source = CountingSource()
    batches = prefetch(source, 0)
    next(batches)
    batches.close()
    assert not threads()
    assert len(source.steps) <= 5


def test_nothing_to_do_is_no_error() -> None:
    assert not list(prefetch(CountingSource(), 5, 5))


@pytest.fixture
def three_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("three_threads")
def test_torch_takes_one_core_for_what_is_made_ahead_and_all_for_the_rest() -> None:
    found: list[int] = []

    class Source(CountingSource):
        def batch(self, step: int) -> ClipBatch:
            torch.ones(2**20).exp()  # enough for several threads
            found.append(torch.get_num_threads())
            return super().batch(step)

    list(prefetch(Source(), 0, 2))
    assert found == [1, 1]
    assert torch.get_num_threads() == 3
    other = threading.Thread(target=lambda: found.append(torch.get_num_threads()))
    other.start()
    other.join()
    assert found[-1] == 3
