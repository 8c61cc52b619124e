from __future__ import annotations

import numpy as np
import pytest
from boxes_and_tubes import still

from vadsdk.evaluation import video_maps
from vadsdk.evaluation.comparison import compare_tubes, judge_tubes
from vadsdk.evaluation.resampled_precision import resampled_map
from vadsdk.structures import Tube

LABELS = ("jump", "wave")
THRESHOLDS = (0.2, 0.5)
HERE, THERE = (0, 0, 10, 10), (50, 50, 60, 60)
TRUTH = {f"v{i}": (still(LABELS[i % 2], HERE, range(10)),) for i in range(12)}


def answers(num_right: int) -> dict[str, tuple[Tube, ...]]:
    """The first videos are answered rightly, the others at the wrong place."""
    return {
        name: (still(tubes[0].label, HERE if i < num_right else THERE, range(10), score=0.5),)
        for i, (name, tubes) in enumerate(TRUTH.items())
    }


def test_each_video_once_gives_the_plain_map() -> None:
    said = answers(8)
    found = resampled_map(judge_tubes(TRUTH, said, LABELS, THRESHOLDS), np.ones((1, 12), int))[0]
    expected = [scores.mean for scores in video_maps(TRUTH, said, LABELS, THRESHOLDS)]
    assert found.tolist() == pytest.approx(expected)


def test_a_video_without_an_answer_is_missed_and_counted() -> None:
    said = answers(12)
    del said["v0"], said["v1"]
    judged = judge_tubes(TRUTH, said, LABELS, (0.5,))
    assert resampled_map(judged, np.ones((1, 12), int))[0, 0] == pytest.approx(10 / 12)


def test_the_difference_has_its_sign_and_an_interval_around_it() -> None:
    judged = [judge_tubes(TRUTH, answers(count), LABELS, THRESHOLDS) for count in (4, 10)]
    for row in compare_tubes(*judged, num_resamples=300):
        assert row.difference.low < row.difference.estimate < row.difference.high
        assert row.difference.low > 0
        assert row.share_b_better > 0.99
    for row in compare_tubes(*judged[::-1], num_resamples=300):
        assert row.difference.high < 0
        assert row.share_b_better < 0.01


def test_a_detector_does_not_differ_from_itself() -> None:
    judged = judge_tubes(TRUTH, answers(5), LABELS, THRESHOLDS)
    for row in compare_tubes(judged, judged, num_resamples=100):
        assert (row.difference.low, row.difference.estimate, row.difference.high) == (0, 0, 0)


def test_where_nothing_can_be_scored_nothing_is_better() -> None:
    nothing = judge_tubes({"a": (), "b": ()}, {}, LABELS, (0.5,))
    (row,) = compare_tubes(nothing, nothing, num_resamples=100)
    assert np.isnan([row.difference.estimate, row.difference.low, row.share_b_better]).all()


def test_answers_to_other_videos_cannot_be_compared() -> None:
    judged = judge_tubes(TRUTH, answers(5), LABELS, (0.5,))
    fewer = dict(list(TRUTH.items())[:4])
    with pytest.raises(ValueError, match="same videos"):
        compare_tubes(judged, judge_tubes(fewer, {}, LABELS, (0.5,)))
