from __future__ import annotations

import numpy as np

from vadsdk.linking.tube_builder import Observation, TubeBuilder


def observe(index: int, *scores: float) -> Observation:
    return Observation(
        index=index,
        pts_seconds=index / 25,
        box_xyxy=np.array([0, 0, 4, 4], np.float32),
        class_scores=np.array(scores, np.float32),
    )


def test_a_split_leaves_each_part_its_own_frames_and_action():
    tube = TubeBuilder(1, [observe(0, 0.9, 0.1)])
    tube.add(observe(1, 0.8, 0.1))
    for index in (4, 5, 6, 7):
        tube.add(observe(index, 0.1, 0.9))
    assert tube.best_class == 1

    later = tube.split(3, 2)
    assert (len(tube), tube.first.index, tube.best_class) == (2, 0, 0)
    assert (len(later), later.first.index, later.best_class) == (4, 4, 1)
    assert (tube.tube_id, later.tube_id) == (1, 2)
