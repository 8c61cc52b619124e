from __future__ import annotations

import numpy as np
import pytest
from bright_square import BrightSquareModel, make_spec, square_frame

from vadsdk.linking import LinkingSpec
from vadsdk.streaming import StreamingDetector, detect_stream, detect_video
from vadsdk.streaming.key_frames import interpolate_detections
from vadsdk.structures import Detections, FrameResult
from vadsdk.structures.detections import NO_TRACK

SPEC = make_spec(4, 2, height=240, width=320, kind="box")


def found(*boxes: tuple[float, ...], scores: list[float] | None = None) -> Detections:
    first = np.full(len(boxes), 0.5) if scores is None else np.array(scores)
    return Detections(
        boxes_xyxy=np.array(boxes, np.float32).reshape(-1, 4),
        class_scores=np.stack([first, 1 - first], axis=1).astype(np.float32),
        track_ids=np.full(len(boxes), NO_TRACK, np.int64),
    )


A, A_LATER, B, C = (0, 0, 40, 40), (8, 4, 48, 44), (100, 0, 140, 40), (200, 0, 240, 40)


def test_matched_actors_move_linearly_and_so_do_their_scores():
    between = interpolate_detections(
        found(A, scores=[0.2]), found(A_LATER, scores=[0.6]), 4, LinkingSpec()
    )
    boxes = [d.boxes_xyxy[0].tolist() for d in between]
    assert boxes == [[2, 1, 42, 41], [4, 2, 44, 42], [6, 3, 46, 43]]
    np.testing.assert_allclose([d.class_scores[0, 0] for d in between], [0.3, 0.4, 0.5], rtol=1e-6)


@pytest.mark.parametrize(
    ("num_steps", "b", "c"), [(4, [1, 2], [3]), (5, [1, 2], [3, 4]), (1, [], [])]
)
def test_an_actor_without_a_match_lasts_to_the_middle(num_steps: int, b: list, c: list):
    between = interpolate_detections(found(A, B), found(C, A_LATER), num_steps, LinkingSpec())
    assert [len(d) for d in between] == [2] * (num_steps - 1)
    seen = [d.boxes_xyxy[1].tolist() for d in between]
    assert [step for step, box in enumerate(seen, 1) if box == list(B)] == b
    assert [step for step, box in enumerate(seen, 1) if box == list(C)] == c


def test_who_is_who_is_the_linking_s_to_say():
    strict = LinkingSpec(iou_threshold=0.9)
    between = interpolate_detections(found(A), found(A_LATER), 2, strict)
    assert between[0].boxes_xyxy.tolist() == [list(A)]


def test_nobody_becomes_somebody_at_the_middle():
    between = interpolate_detections(found(), found(A), 4, LinkingSpec())
    assert [len(d) for d in between] == [0, 0, 1]
    between = interpolate_detections(found(A), found(), 4, LinkingSpec())
    assert [len(d) for d in between] == [1, 1, 0]


def boxes_of(results: list[FrameResult]) -> np.ndarray:
    return np.stack([result.detections.boxes_xyxy[0] for result in results])


@pytest.mark.parametrize("hop", [1, 3, 8])
def test_boxes_follow_a_square_exactly_at_any_hop(hop: int):
    frames = [square_frame(i, 10 + 3 * i, 40 + 2 * i) for i in range(30)]
    results = list(detect_stream(BrightSquareModel(SPEC), frames, hop=hop))
    left, top = 10 + 3 * np.arange(30), 40 + 2 * np.arange(30)
    expected = np.stack([left, top, left + 60, top + 60], axis=1)
    np.testing.assert_allclose(boxes_of(results), expected, atol=1e-3)


def test_of_itself_every_frame_is_a_key_frame():
    model = BrightSquareModel(SPEC)
    detector = StreamingDetector(model)
    assert (detector.hop, detector.delay_frames) == (1, 1)
    for i in range(12):
        detector.push(square_frame(i, 10, 10))
    assert len(model.clips) == 12


def test_the_square_is_one_tube_without_masks():
    frames = [square_frame(i, 10 + 3 * i, 40) for i in range(45)]
    result = detect_video(BrightSquareModel(SPEC), frames, hop=4)
    (tube,) = result.tubes
    assert tube.frame_indices.tolist() == list(range(45))
    assert all(frame.detections.masks is None for frame in result.frames)


def test_actors_that_cross_keep_their_own_paths_between_key_frames():
    frames = [square_frame(i, 10, 10, side=40) for i in range(25)]
    for i, frame in enumerate(frames):
        frame.image[150:190, 200 - 2 * i : 240 - 2 * i, 1] = 255
    results = list(detect_stream(BrightSquareModel(SPEC), frames, hop=6))
    for i, result in enumerate(results):
        boxes = sorted(result.detections.boxes_xyxy.tolist())
        np.testing.assert_allclose(boxes[0], [10, 10, 50, 50], atol=1e-3)
        np.testing.assert_allclose(boxes[1], [200 - 2 * i, 150, 240 - 2 * i, 190], atol=1e-3)
