from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from vadsdk.linking.offline_paths import (
    FILLED,
    LinkedPath,
    PathBuilder,
    fill_linearly,
    fill_with_next,
    path_nms,
    path_tube,
)


def path(frames: list[int], left: list[float], score: float = 0.5) -> LinkedPath:
    """A 10 x 10 box in each frame, `left` pixels from the left; it scores `left / 100`."""
    edges = np.array(left, np.float64)
    low = np.stack([edges, np.zeros_like(edges)], axis=1)
    return LinkedPath(
        class_index=1,
        frame_indices=np.array(frames),
        rows=np.arange(len(frames)),
        boxes_xyxy=np.concatenate([low, low + 10], axis=1),
        scores=edges / 100,
        class_scores=np.stack([1 - edges / 100, edges / 100], axis=1),
        score=score,
    )


def test_a_hole_is_filled_with_what_comes_next() -> None:
    filled = fill_with_next(path([4, 5, 8], [0, 10, 40]))
    assert filled.frame_indices.tolist() == [4, 5, 6, 7, 8]
    assert filled.rows.tolist() == [0, 1, FILLED, FILLED, 2]
    assert filled.boxes_xyxy[:, 0].tolist() == [0, 10, 40, 40, 40]
    assert filled.scores.tolist() == [0.0, 0.1, 0.4, 0.4, 0.4]
    assert filled.class_scores[:, 1].tolist() == filled.scores.tolist()


def test_a_hole_is_filled_linearly() -> None:
    filled = fill_linearly(path([4, 5, 8], [0, 10, 40]))
    assert filled.frame_indices.tolist() == [4, 5, 6, 7, 8]
    assert filled.rows.tolist() == [0, 1, FILLED, FILLED, 2]
    np.testing.assert_allclose(filled.boxes_xyxy[:, 2], [10, 20, 30, 40, 50])
    np.testing.assert_allclose(filled.scores, [0, 0.1, 0.2, 0.3, 0.4])
    np.testing.assert_allclose(filled.class_scores.sum(axis=1), 1)


def test_nms_keeps_the_better_of_two_that_overlap() -> None:
    frames = [0, 1, 2, 3]
    weak, strong = path(frames, [0] * 4, score=0.3), path(frames, [2] * 4, score=0.6)
    apart = path(frames, [50] * 4, score=0.4)
    assert path_nms([weak, strong, apart], 0.3) == [1, 2]
    assert path_nms([weak, strong, apart], 0.9) == [1, 2, 0]


def test_nms_may_take_the_max_edge_for_a_boxs_last_pixel() -> None:
    pair = [path([0], [0], score=0.6), path([0], [5], score=0.5)]  # IoU 5 / 15, or 6 / 16
    assert path_nms(pair, 0.35) == [0, 1]
    assert path_nms(pair, 0.35, inclusive=True) == [0]


def test_the_order_score_is_the_mean_of_the_best() -> None:
    builder = PathBuilder(0, num_best=2)
    for frame, score in enumerate([0.5, 0.1, 0.9, 0.2]):
        builder.num_missed = 3
        builder.append(frame, 7, np.array([0.0, 0, 1, 1]), score, np.array([score]))
    assert builder.order_score == pytest.approx(0.7)
    assert (len(builder), builder.num_missed) == (4, 0)
    assert builder.build().score == pytest.approx(0.425)


def test_a_part_scores_the_mean_over_its_frames() -> None:
    part = path([4, 5, 8], [0, 10, 40]).part(slice(1, 3))
    assert part.frame_indices.tolist() == [5, 8]
    assert part.score == pytest.approx(0.25)


def test_a_tube_carries_no_scores_of_other_classes() -> None:
    tube = path_tube(replace(path([4, 5], [0, 10]), score=0.75), "wave")
    assert (tube.label, tube.score, tube.class_scores) == ("wave", 0.75, None)
    assert (tube.start_frame, tube.end_frame) == (4, 6)
    assert tube.boxes_xyxy.dtype == np.float32
