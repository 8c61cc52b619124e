"""What must hold of frame and video AP in any scene, under our and the public conventions."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import numpy as np
import pytest
from boxes_and_tubes import scored_boxes, still
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from random_scenes import LABELS, VIDEOS, RandomScene, random_scene

from vadsdk.evaluation import (
    CONVENTIONS,
    FrameBoxes,
    frame_average_precisions,
    frame_map,
    tube_average_precisions,
    video_map,
)

SEEDS = st.integers(0, 100_000)
CONVENTION_NAMES = st.sampled_from(sorted(CONVENTIONS))
NOWHERE = (500, 500, 510, 510)


def averages(scene: RandomScene, convention: str, threshold: float = 0.5) -> NDArray[np.float64]:
    """Return the APs of tubes and, where the convention has them, of frames: (1 or 2, K)."""
    thresholds = (threshold,)
    found = tube_average_precisions(
        scene.truth, scene.tubes, LABELS, thresholds, convention=convention
    )
    if CONVENTIONS[convention].frames is not None:
        found += frame_average_precisions(
            scene.truth, scene.boxes, LABELS, thresholds, convention=convention
        )
    return np.array([scores.average_precisions for scores in found])


def perfect(scene: RandomScene) -> RandomScene:
    """Return the scene with its ground truth as the only predictions."""
    boxes = {}
    for name, tubes in scene.truth.items():
        rows = [
            (int(frame), box, np.eye(len(LABELS))[LABELS.index(tube.label)])
            for tube in tubes
            for frame, box in zip(tube.frame_indices, tube.boxes_xyxy, strict=True)
        ]
        if rows:
            boxes[name] = scored_boxes(*rows)
    return replace(scene, tubes=scene.truth, boxes=boxes)


@given(SEEDS, st.floats(0.01, 1.0))
def test_a_perfect_prediction_scores_one(seed, threshold) -> None:
    scene = perfect(random_scene(seed))
    for found in (
        frame_map(scene.truth, scene.boxes, LABELS, threshold),
        video_map(scene.truth, scene.tubes, LABELS, threshold),
    ):
        known = found.num_ground_truth > 0
        assert found.average_precisions[known].tolist() == [1.0] * known.sum()
        assert np.isnan(found.average_precisions[~known]).all()


def shuffled(scene: RandomScene, random: Random) -> RandomScene:
    names = random.sample(VIDEOS, len(VIDEOS))
    boxes = {}
    for name in names:
        one = scene.boxes[name]
        order = random.sample(range(len(one.frame_indices)), len(one.frame_indices))
        boxes[name] = FrameBoxes(
            frame_indices=one.frame_indices[order],
            boxes_xyxy=one.boxes_xyxy[order],
            class_scores=one.class_scores[order],
        )
    return RandomScene(
        truth={name: random.sample(scene.truth[name], len(scene.truth[name])) for name in VIDEOS},
        tubes={name: random.sample(scene.tubes[name], len(scene.tubes[name])) for name in names},
        boxes=boxes,
    )


@given(SEEDS, st.booleans(), st.randoms(use_true_random=False))
def test_the_order_of_the_input_does_not_matter(seed, ties, random) -> None:
    scene = random_scene(seed, ties=ties)
    after = averages(shuffled(scene, random), "vadsdk")
    np.testing.assert_allclose(after, averages(scene, "vadsdk"), atol=1e-12, equal_nan=True)


@given(SEEDS, CONVENTION_NAMES, st.randoms(use_true_random=False))
def test_without_equal_scores_the_order_matters_to_no_convention(seed, name, random) -> None:
    scene = random_scene(seed)
    after = averages(shuffled(scene, random), name)
    np.testing.assert_allclose(after, averages(scene, name), atol=1e-12, equal_nan=True)


@given(SEEDS, st.booleans(), CONVENTION_NAMES, st.integers(0, 4), st.sampled_from(VIDEOS))
def test_one_more_false_positive_never_raises_it(seed, ties, name, quarters, video) -> None:
    scene = random_scene(seed, ties=ties)
    scores = np.full(len(LABELS), max(quarters / 4, 0.001), np.float32)
    tube = still("wave", NOWHERE, range(3), class_scores=scores)
    boxes = scene.boxes[video]
    more = RandomScene(
        truth=scene.truth,
        tubes=scene.tubes | {video: [*scene.tubes[video], tube]},
        boxes=scene.boxes
        | {
            video: FrameBoxes(
                frame_indices=np.append(boxes.frame_indices, 2),
                boxes_xyxy=np.append(boxes.boxes_xyxy, np.float32([NOWHERE]), axis=0),
                class_scores=np.append(boxes.class_scores, scores[None], axis=0),
            )
        },
    )
    before, after = averages(scene, name), averages(more, name)
    known = np.isfinite(before)
    assert (after[known] <= before[known] + 1e-12).all()


@given(SEEDS, st.booleans(), CONVENTION_NAMES, SEEDS)
def test_a_rising_map_of_the_scores_changes_nothing(seed, ties, name, map_seed) -> None:
    scene = random_scene(seed, ties=ties)
    all_scores = [boxes.class_scores.ravel() for boxes in scene.boxes.values()]
    all_scores += [tube.class_scores for tubes in scene.tubes.values() for tube in tubes]
    known = np.unique(np.concatenate(all_scores))
    images = np.random.default_rng(map_seed).integers(1, 1000, len(known)).cumsum()

    def mapped(scores: NDArray[np.float32]) -> NDArray[np.float32]:
        return images[np.searchsorted(known, scores)].astype(np.float32)

    risen = RandomScene(
        truth=scene.truth,
        tubes={
            video: [replace(tube, class_scores=mapped(tube.class_scores)) for tube in tubes]
            for video, tubes in scene.tubes.items()
        },
        boxes={
            video: replace(boxes, class_scores=mapped(boxes.class_scores))
            for video, boxes in scene.boxes.items()
        },
    )
    np.testing.assert_array_equal(averages(risen, name), averages(scene, name))


@pytest.mark.parametrize("name", sorted(CONVENTIONS))
def test_reversing_the_scores_does_change_it(name: str) -> None:
    box = (0, 0, 100, 100)  # so large that ROAD's offset leaves it right
    truth = {"a": [still("wave", box, range(3))]}
    found = []
    for right, wrong in ((0.9, 0.5), (0.5, 0.9)):
        tubes = {
            "a": [
                still("wave", box, range(3), score=right),
                still("wave", NOWHERE, range(3), score=wrong),
            ]
        }
        boxes = {"a": scored_boxes((0, box, (right, 0)), (0, NOWHERE, (wrong, 0)))}
        found.append(averages(RandomScene(truth=truth, tubes=tubes, boxes=boxes), name)[:, 0])
    assert (found[0] > found[1] + 0.1).all()
