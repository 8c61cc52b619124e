from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vadsdk.video.presentation import PresentationClock


@pytest.mark.parametrize(
    ("stamps", "expected"),
    [
        ([0.0, 0.04, 0.5], [0.0, 0.04, 0.5]),
        ([3.0, 3.1], [3.0, 3.1]),
        ([None, None, None], [0.0, 0.1, 0.2]),
        ([0.0, None, 0.2, None], [0.0, 0.1, 0.2, 0.3]),
        # A stray time stamp is held, and does no harm to those after it.
        ([0.0, 0.1, 0.3, 0.2, 0.4], [0.0, 0.1, 0.3, 0.3, 0.4]),
        # A clock that is set back goes on from where it was.
        ([5.0, 5.1, 1.0, 1.1, 1.3], [5.0, 5.1, 5.2, 5.3, 5.5]),
        ([5.0, 5.1, 1.0, 0.0, 0.1], [5.0, 5.1, 5.2, 5.3, 5.4]),
    ],
)
def test_times_are_exact_where_told_and_filled_where_not(stamps, expected):
    clock = PresentationClock(0.1)
    assert [clock.present(stamp) for stamp in stamps] == pytest.approx(expected)


@settings(deadline=None)  # a busy machine is no defect
@given(st.lists(st.none() | st.floats(-1e6, 1e6), min_size=1))
def test_times_never_decrease(stamps):
    clock = PresentationClock(0.04)
    assert (np.diff([clock.present(stamp) for stamp in stamps]) >= 0).all()
