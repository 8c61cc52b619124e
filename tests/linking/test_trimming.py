from __future__ import annotations

import numpy as np
import pytest

from vadsdk.linking import LinkingSpec
from vadsdk.linking.trimming import ActionLevel, acting_range


def scores(*values: float) -> np.ndarray:
    return np.array(values, np.float32)


def test_the_average_is_plain_at_first():
    level = ActionLevel(scores(0.9, 0.0), LinkingSpec(score_half_life_frames=100))
    level.observe(scores(0.3, 0.3), 1)
    level.observe(scores(0.0, 0.9), 1)
    np.testing.assert_allclose(level.smoothed_scores, [0.4, 0.4], rtol=1e-6)


def test_the_average_forgets_with_its_half_life_over_skipped_frames_too():
    level = ActionLevel(scores(0.8), LinkingSpec(score_half_life_frames=5))
    for _ in range(50):
        level.observe(scores(0.8), 1)
    level.observe(scores(0.0), 10)  # two half-lives
    assert level.best_score == pytest.approx(0.2)


def test_the_level_is_a_peak_that_fades():
    spec = LinkingSpec(score_half_life_frames=0.01, level_half_life_frames=20)
    level = ActionLevel(scores(0.8), spec)
    level.observe(scores(0.1), 20)
    assert level.level == pytest.approx(0.4)
    level.observe(scores(0.6), 1)
    assert level.level == pytest.approx(0.6)


def test_stopping_and_resuming_have_different_thresholds():
    spec = LinkingSpec(
        score_half_life_frames=0.01, level_half_life_frames=1e9, end_ratio=0.25, start_ratio=0.5
    )
    level = ActionLevel(scores(0.8), spec)
    seen = []
    for value in (0.21, 0.19, 0.39, 0.41):
        level.observe(scores(value), 1)
        seen.append((level.has_stopped, level.has_resumed))
    assert seen == [(False, False), (True, False), (False, False), (False, True)]


def test_nobody_resumes_below_the_birth_score():
    level = ActionLevel(scores(0.1), LinkingSpec(birth_score=0.2))
    assert not level.has_resumed


@pytest.mark.parametrize(
    ("best", "expected"),
    [
        ([0.1, 0.5, 0.1, 0.6, 0.2], slice(1, 4)),
        ([0.5, 0.5], slice(0, 2)),
        ([0.1, 0.2], slice(0, 0)),
    ],
)
def test_a_tube_is_cut_to_where_it_scores(best: list[float], expected: slice):
    assert acting_range(scores(*best), 0.5) == expected


@pytest.mark.parametrize(
    "wrong",
    [
        {"iou_threshold": 1.5},
        {"max_gap_frames": -1},
        {"confirm_frames": 0},
        {"start_ratio": 0.1, "end_ratio": 0.2},
        {"score_half_life_frames": 0.0},
        {"max_tube_frames": 3},
    ],
)
def test_a_value_out_of_range_is_named(wrong: dict[str, float]):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        LinkingSpec(**wrong)  # type: ignore[arg-type]
