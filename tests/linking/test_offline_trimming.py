from __future__ import annotations

import numpy as np
import pytest

from vadsdk.linking.offline_paths import FILLED, LinkedPath
from vadsdk.linking.offline_trimming import ActionTrimming, trim_to_action


def path(scores: list[float | None], left: list[float] | None = None) -> LinkedPath:
    """A 10 x 10 box in each frame; None where nothing was found and the box was borrowed."""
    values = np.array([0.9 if score is None else score for score in scores])
    edges = np.zeros(len(scores)) if left is None else np.array(left, np.float64)
    return LinkedPath(
        class_index=0,
        frame_indices=np.arange(len(scores)),
        rows=np.array([FILLED if score is None else 0 for score in scores]),
        boxes_xyxy=np.stack([edges, 0 * edges, edges + 10, 0 * edges + 10], axis=1),
        scores=values,
        class_scores=values[:, None],
        score=float(values.mean()),
    )


def spans(paths: list[LinkedPath]) -> list[tuple[int, int]]:
    return [(int(p.frame_indices[0]), int(p.frame_indices[-1])) for p in paths]


def test_a_path_is_cut_to_where_its_action_scores() -> None:
    weak, strong = [0.02] * 20, [0.8] * 12
    assert spans(trim_to_action(path(weak + strong + weak))) == [(20, 31)]
    assert spans(trim_to_action(path(strong + weak + strong))) == [(0, 11), (32, 43)]


def test_how_confident_the_model_is_does_not_matter() -> None:
    scores = np.array([0.02] * 20 + [0.8] * 12 + [0.02] * 20)
    assert spans(trim_to_action(path((scores / 50).tolist()))) == [(20, 31)]


def test_borrowed_boxes_are_no_evidence_and_a_tube_ends_where_it_was_found() -> None:
    missed: list[float | None] = [None] * 5
    assert spans(trim_to_action(path([*missed, *[0.8] * 10, *missed]))) == [(5, 14)]


@pytest.mark.parametrize(("gap", "expected"), [(15, [(0, 34)]), (16, [(0, 9), (26, 35)])])
def test_a_gap_is_bridged_up_to_its_limit(gap: int, expected: list[tuple[int, int]]) -> None:
    found: list[float | None] = [0.8] * 10
    assert spans(trim_to_action(path([*found, *[None] * gap, *found]))) == expected


def test_a_gap_is_interpolated_and_counts_nothing() -> None:
    left = [0.0] * 5 + [99.0, 99.0, 99.0] + [4.0] * 5
    scores: list[float | None] = [0.8] * 5 + [None] * 3 + [0.8] * 5
    (part,) = trim_to_action(path(scores, left))
    np.testing.assert_allclose(part.boxes_xyxy[4:9, 0], [0, 1, 2, 3, 4])
    assert part.rows[4:9].tolist() == [0, FILLED, FILLED, FILLED, 0]
    assert part.scores[4:9].tolist() == [0.8, 0, 0, 0, 0.8]
    assert part.score == pytest.approx(0.8 * 10 / 13)


def test_a_path_that_jumps_to_another_actor_is_split_there() -> None:
    jumping = path([0.8] * 20, [0.0] * 10 + [50.0] * 10)
    assert spans(trim_to_action(jumping)) == [(0, 9), (10, 19)]
    assert spans(trim_to_action(jumping, ActionTrimming(jump_iou=0.0))) == [(0, 19)]


def test_a_single_frame_does_not_set_the_level() -> None:
    assert spans(trim_to_action(path([0.1] * 10 + [1.0] + [0.1] * 10))) == [(0, 20)]


@pytest.mark.parametrize("scores", [[0.8] * 7, [0.0] * 20, [None] * 20])
def test_what_is_too_short_or_was_never_found_makes_no_tube(scores: list[float | None]) -> None:
    assert trim_to_action(path(scores)) == []


def test_the_least_length_may_be_one_frame() -> None:
    assert spans(trim_to_action(path([0.8]), ActionTrimming(min_length=1))) == [(0, 0)]


@pytest.mark.parametrize(
    "wrong",
    [
        {"jump_iou": 2.0},
        {"median_width": 4},
        {"end_ratio": 0.0},
        {"max_gap_frames": -1},
        {"min_length": 0},
    ],
)
def test_a_value_out_of_range_is_named(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        ActionTrimming(**wrong)  # type: ignore[arg-type]
