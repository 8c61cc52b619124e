from __future__ import annotations

import torch
from torch import Tensor

from vadsdk.methods.host_draws import HostDraws, drawn_on_host

CPU = torch.device("cpu")


class Stream:
    """Draws 1, 1, 1, then 2, 2, 2, and so on."""

    def __init__(self) -> None:
        self.number = 0

    def __call__(self, count: int) -> Tensor:
        self.number += 1
        return torch.full((count,), float(self.number))


def test_outside_a_step_every_call_draws() -> None:
    stream = Stream()
    assert drawn_on_host(stream, 2, CPU).tolist() == [1, 1]
    assert drawn_on_host(stream, 1, CPU).tolist() == [2]


def test_fixed_draws_are_refilled_in_their_order_and_in_place() -> None:
    first, second, draws = Stream(), Stream(), HostDraws(rows=(2, 1), is_fixed=True)

    def step() -> tuple[Tensor, Tensor, Tensor]:
        with draws.running():
            return (
                drawn_on_host(first, 3, CPU),
                drawn_on_host(second, 1, CPU),
                drawn_on_host(first, 3, CPU),
            )

    before = step()
    assert [values[0].item() for values in before] == [1, 1, 2]
    draws.refill()
    assert (first.number, second.number) == (4, 2)
    after = step()
    assert (first.number, second.number) == (4, 2)  # a run draws nothing itself
    assert [values[0].item() for values in after] == [3, 2, 4]
    assert [a.data_ptr() for a in after] == [b.data_ptr() for b in before]


def test_draws_that_are_not_fixed_are_drawn_by_every_run() -> None:
    stream, draws = Stream(), HostDraws(rows=(1, 0))
    for expected in (1, 2):
        with draws.running():
            assert drawn_on_host(stream, 1, CPU).item() == expected
