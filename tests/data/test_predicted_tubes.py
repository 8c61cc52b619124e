from __future__ import annotations

import numpy as np
from tiny_data import HEIGHT, LABELS, WIDTH, box_masks, make_tube

from vadsdk.data.predicted_tubes import PredictedTubes
from vadsdk.structures import Detections, FrameResult, Tube, TubeEvent


def results(tube: Tube, num_frames: int, masks: np.ndarray | None) -> list[FrameResult]:
    """One actor, whose track has a frame more at each end than the tube that ends after it."""
    found = []
    for index in range(num_frames):
        place = np.flatnonzero(tube.frame_indices == index)
        shown = masks[place] if masks is not None else None
        detections = Detections(
            boxes_xyxy=tube.boxes_xyxy[place],
            class_scores=np.full((len(place), 2), 0.5, np.float32),
            track_ids=np.full(len(place), tube.id),
            masks=shown,
        )
        ends = (TubeEvent(kind="ended", tube_id=tube.id, tube=tube),)
        last = index == num_frames - 1
        events = ends if last else ()
        found.append(
            FrameResult(
                index=index,
                pts_seconds=index / 10,
                detections=detections,
                labels=LABELS,
                events=events,
            )
        )
    return found


def test_masks_follow_their_tube() -> None:
    tube = make_tube("jump", 2, 6, id=3)
    masks = box_masks(tube)
    found = PredictedTubes(min_score=0.2, with_masks=True)
    found.add_all(results(tube, 9, masks))
    assert (found.tubes, found.num_frames) == ([tube], 9)
    encoded = found.masks[3]
    assert (len(encoded), encoded.size) == (4, (HEIGHT, WIDTH))
    for index in range(4):
        np.testing.assert_array_equal(encoded.mask(index), masks[index])


def test_a_frame_of_a_tube_without_a_detection_has_an_empty_mask() -> None:
    tube = make_tube("jump", 2, 6)
    frames = results(tube, 9, box_masks(tube))
    frames[3] = results(make_tube("jump", 7, 8), 4, box_masks(make_tube("jump", 7, 8)))[2]
    found = PredictedTubes(min_score=0.2, with_masks=True)
    found.add_all(frames)
    assert [found.masks[0].mask(index).any() for index in range(4)] == [True, False, True, True]


def test_without_masks_there_are_tubes_alone() -> None:
    tube = make_tube("jump", 2, 6)
    for with_masks, masks in ((True, None), (False, box_masks(tube))):
        found = PredictedTubes(min_score=0.2, with_masks=with_masks)
        found.add_all(results(tube, 9, masks))
        assert (found.tubes, found.masks) == ([tube], {})


def test_masks_without_a_pixel_are_left_out() -> None:
    tube = make_tube("jump", 2, 6)
    found = PredictedTubes(min_score=0.2, with_masks=True)
    found.add_all(results(tube, 9, np.zeros((4, HEIGHT, WIDTH), np.bool_)))
    assert (found.tubes, found.masks) == ([tube], {})


def test_weak_tubes_are_forgotten() -> None:
    tube = make_tube("jump", 2, 6)
    found = PredictedTubes(min_score=1.5, with_masks=True)
    found.add_all(results(tube, 9, box_masks(tube)))
    assert (found.tubes, found.masks) == ([], {})
