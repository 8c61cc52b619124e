from __future__ import annotations

from itertools import pairwise

import pytest

from vadsdk.data.stretches import STRETCH_FRAMES, Stretches


@pytest.mark.parametrize(
    "num_starts", [(1,), (1000,), (1001,), (5, 2500, 1, 90_000, 999, 1000, 1001), ()]
)
def test_every_place_is_in_just_one_stretch(num_starts: tuple[int, ...]) -> None:
    stretches = Stretches(num_starts)
    found = [stretches[index] for index in range(len(stretches))]
    for video, count in enumerate(num_starts):
        own = [stretch for stretch in found if stretch.video == video]
        assert (own[0].first, own[-1].stop) == (0, count)
        assert all(a.stop == b.first for a, b in pairwise(own))
        assert all(0 < s.stop - s.first <= STRETCH_FRAMES for s in own)
        assert len(own) == -(-count // 1000)
    assert sum(stretch.stop - stretch.first for stretch in found) == sum(num_starts)
