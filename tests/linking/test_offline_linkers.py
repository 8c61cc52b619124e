from __future__ import annotations

import numpy as np
import pytest

from vadsdk.errors import ConfigError
from vadsdk.linking.offline_detections import VideoDetections, VideoTubelets
from vadsdk.linking.offline_linkers import (
    OFFLINE_LINKERS,
    link_offline,
    tubelet_paths,
    tubes_of_paths,
)

LABELS = ("walk", "wave")
ACTING = slice(10, 40)


def scene(num_frames: int = 50) -> VideoDetections:
    """One actor who walks in frames 10 to 39, and one who waves from beginning to end."""
    boxes, scores = [], []
    for frame in range(num_frames):
        waving = ([100.0, 0, 120, 40], [0.05, 0.6])
        walking = ([2.0 * frame, 50, 2.0 * frame + 20, 90], [0.8, 0.02])
        found = [waving, walking] if ACTING.start <= frame < ACTING.stop else [waving]
        boxes.append(np.array([box for box, _ in found]))
        scores.append(np.array([score for _, score in found]))
    return VideoDetections.from_arrays(boxes, scores)


@pytest.mark.parametrize("linker", sorted(set(OFFLINE_LINKERS) - {"yowo"}))
def test_every_linker_finds_who_does_what_from_when_to_when(linker: str) -> None:
    tubes = link_offline(scene(), LABELS, 25.0, linker)
    scores = [tube.score for tube in tubes]
    assert scores == sorted(scores, reverse=True)
    assert [tube.id for tube in tubes] == list(range(1, len(tubes) + 1))

    walk, wave = (next(t for t in tubes if t.label == label) for label in LABELS)
    assert (walk.start_frame, walk.end_frame) == (10, 40)
    assert (walk.start_seconds, walk.end_seconds) == (0.4, 1.6)
    assert walk.score == pytest.approx(0.8)
    np.testing.assert_allclose(walk.boxes_xyxy[:, 0], 2.0 * np.arange(10, 40))
    assert (wave.start_frame, wave.end_frame) == (0, 50)
    assert wave.score == pytest.approx(0.6)


def test_yowos_tubes_span_the_video_and_those_of_all_codes_keep_weak_scores() -> None:
    tubes = link_offline(scene(), LABELS, 25.0, "yowo")
    assert {(tube.start_frame, tube.end_frame) for tube in tubes} == {(0, 50)}
    assert [tube.label for tube in tubes[:2]] == ["wave", "walk"]  # 0.6; 0.8 in 30 of 50 frames
    detections = scene()
    faint = VideoDetections.from_arrays(
        detections.boxes_xyxy, [scores / 20 for scores in detections.class_scores]
    )
    assert link_offline(faint, LABELS, 25.0, "viterbi") == []
    assert max(tube.score for tube in link_offline(faint, LABELS, 25.0, "yowo")) < 0.05


def test_the_default_is_viterbi() -> None:
    default = link_offline(scene(), LABELS, 25.0)
    named = link_offline(scene(), LABELS, 25.0, "viterbi")
    assert [tube.to_json() for tube in default] == [tube.to_json() for tube in named]


@pytest.mark.parametrize("linker", sorted(OFFLINE_LINKERS))
def test_a_video_without_boxes_has_no_tubes(linker: str) -> None:
    empty = VideoDetections.from_arrays([np.zeros((0, 4))] * 5, [np.zeros((0, 2))] * 5)
    assert link_offline(empty, LABELS, 25.0, linker) == []


def test_default_paths_are_cut_before_nms_and_both_parts_kept() -> None:
    boxes = np.array([[0.0, 0, 20, 40]])
    scores = [0.8] * 12 + [0.01] * 40 + [0.8] * 12
    detections = VideoDetections.from_arrays([boxes] * 64, [np.array([[s]]) for s in scores])
    tubes = link_offline(detections, ["walk"], 25.0)
    assert sorted((t.start_frame, t.end_frame) for t in tubes) == [(0, 12), (52, 64)]


def test_weak_tubes_are_dropped() -> None:
    paths = OFFLINE_LINKERS["road"](scene())
    assert len(tubes_of_paths(paths, LABELS, 25.0, min_score=0.7)) == 1
    assert len(tubes_of_paths(paths, LABELS, 25.0, min_score=0.9)) == 0


def test_tubelets_are_linked_for_all_classes() -> None:
    boxes = np.tile(np.array([0.0, 0, 20, 40]), (1, 3, 1))
    tubelets = VideoTubelets(boxes_xyxy=(boxes,) * 18, class_scores=(np.array([[0.7, 0.5]]),) * 18)
    tubes = tubes_of_paths(tubelet_paths(tubelets), LABELS, 10.0)
    assert [(t.label, t.start_frame, t.end_frame) for t in tubes] == [
        ("walk", 0, 20),
        ("wave", 0, 20),
    ]
    assert [tube.score for tube in tubes] == pytest.approx([0.7, 0.5])


def test_an_unknown_linker_is_named_with_its_alternatives() -> None:
    with pytest.raises(ConfigError, match=r"'viterby'\. Did you mean 'viterbi'.*greedy, moc"):
        link_offline(scene(), LABELS, 25.0, "viterby")


def test_labels_and_frame_rates_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="2 class scores for 1 labels"):
        link_offline(scene(), ["walk"], 25.0)
    for fps in (0.0, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="fps must be positive, not"):
            link_offline(scene(), LABELS, fps)
