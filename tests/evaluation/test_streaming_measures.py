from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pytest
from boxes_and_tubes import still

from vadsdk.errors import ConfigError, DatasetError
from vadsdk.evaluation.streaming_measures import (
    StreamingMeasures,
    measure_stream,
    measure_tubes,
    summarise_streams,
)
from vadsdk.structures import Detections, FrameResult, Tube
from vadsdk.structures.detections import NO_TRACK

LABELS = ("jump", "wave")
A, B, FAR = (0, 0, 10, 10), (20, 0, 30, 10), (80, 80, 90, 90)
Shown = Sequence[tuple[int, Sequence[float], str]]


def a_frame(index: int, shown: Shown, pts_seconds: float | None = None) -> FrameResult:
    """Return a frame with detections written as (track id, box, label)."""
    scores = [[float(label == other) for other in LABELS] for _, _, label in shown]
    return FrameResult(
        index=index,
        pts_seconds=index / 10 if pts_seconds is None else pts_seconds,
        detections=Detections(
            boxes_xyxy=np.array([box for _, box, _ in shown], np.float32).reshape(-1, 4),
            class_scores=np.array(scores, np.float32).reshape(-1, len(LABELS)),
            track_ids=np.array([track for track, _, _ in shown], np.int64),
        ),
        labels=LABELS,
    )


def a_stream(shown: Mapping[int, Shown], num_frames: int = 10) -> list[FrameResult]:
    return [a_frame(index, shown.get(index, ())) for index in range(num_frames)]


def covered_by(pattern: str) -> list[FrameResult]:
    """Return a stream in which track 1, 2, ... stands on A in the frames that say so."""
    tracks = {index: int(letter) for index, letter in enumerate(pattern) if letter != "."}
    return a_stream({index: [(track, A, "jump")] for index, track in tracks.items()}, len(pattern))


def measured(pattern: str) -> StreamingMeasures:
    return measure_stream([still("jump", A, range(len(pattern)))], covered_by(pattern))


@pytest.mark.parametrize(
    ("pattern", "delay", "switches", "fragmentations", "coverage"),
    [
        ("1111111111", 0, 0, 0, 1.0),
        ("..111..222", 2, 1, 1, 0.6),  # the picture at the top of the module
        ("..111..111", 2, 0, 1, 0.6),
        ("1112222222", 0, 1, 0, 1.0),
        ("1122112211", 0, 4, 0, 1.0),
        (".1.1.1....", 1, 0, 2, 0.3),
        (".........1", 9, 0, 0, 0.1),
    ],
)
def test_a_tube_is_followed_as_drawn(
    pattern: str, delay: int, switches: int, fragmentations: int, coverage: float
) -> None:
    found = measured(pattern)
    assert found.delay_frames.tolist() == [delay]
    assert found.delay_seconds == pytest.approx([delay / 10])
    assert found.num_switches.tolist() == [switches]
    assert found.num_fragmentations.tolist() == [fragmentations]
    assert found.coverages.tolist() == [coverage]
    assert found.labels == ("jump",)


def test_a_tube_that_is_never_covered_has_no_delay() -> None:
    found = measured("....")
    assert np.isnan([found.delay_frames[0], found.delay_seconds[0]]).all()
    assert (found.num_covered[0], found.num_switches[0], found.num_fragmentations[0]) == (0, 0, 0)
    nothing = measure_stream([still("jump", A, range(4))], [])
    assert nothing.coverages.tolist() == [0]


def test_the_delay_counts_from_the_start_of_the_action() -> None:
    truth = [still("jump", A, range(4, 10))]
    found = measure_stream(truth, covered_by("1111..1111"))
    assert found.delay_frames.tolist() == [2]
    assert found.delay_seconds == pytest.approx([0.2])
    assert found.num_fragmentations.tolist() == [0]


def test_seconds_are_those_of_the_frames() -> None:
    times = [0.0, 0.1, 0.5, 0.6]
    frames = [
        a_frame(index, [(1, A, "jump")] if index == 2 else (), time)
        for index, time in enumerate(times)
    ]
    found = measure_stream([still("jump", A, range(1, 4))], frames)
    assert found.delay_seconds == pytest.approx([0.4])


def test_a_frame_that_never_came_is_not_covered_and_its_time_lies_between_the_others() -> None:
    frames = [frame for frame in covered_by("1111111111") if frame.index not in (4, 5)]
    found = measure_stream([still("jump", A, range(5, 10))], frames)
    assert found.num_covered.tolist() == [4]
    assert found.delay_frames.tolist() == [1]
    assert found.delay_seconds == pytest.approx([0.1])


def test_a_detection_without_a_track_covers_nothing() -> None:
    frames = a_stream({0: [(NO_TRACK, A, "jump")], 1: [(NO_TRACK, A, "jump"), (3, A, "jump")]})
    found = measure_stream([still("jump", A, range(2))], frames)
    assert found.num_covered.tolist() == [1]


def test_the_box_must_overlap_enough() -> None:
    frames = a_stream({0: [(1, (0, 0, 10, 20), "jump")]})  # IoU exactly 0.5
    truth = [still("jump", A, range(1))]
    assert measure_stream(truth, frames).num_covered.tolist() == [1]
    assert measure_stream(truth, frames, iou_threshold=0.51).num_covered.tolist() == [0]


def test_the_label_must_be_right_unless_only_places_count() -> None:
    frames = a_stream({0: [(1, A, "wave")]})
    truth = [still("jump", A, range(1))]
    assert measure_stream(truth, frames).num_covered.tolist() == [0]
    assert measure_stream(truth, frames, match_labels=False).num_covered.tolist() == [1]


def test_what_was_matched_stays_matched_though_another_overlaps_more() -> None:
    worse = (0, 0, 10, 13)
    shown = {0: [(1, A, "jump")], 1: [(1, worse, "jump"), (2, A, "jump")]}
    found = measure_stream([still("jump", A, range(2))], a_stream(shown))
    assert found.num_switches.tolist() == [0]


def test_a_track_that_no_longer_overlaps_is_let_go() -> None:
    shown = {0: [(1, A, "jump")], 1: [(1, FAR, "jump"), (2, A, "jump")]}
    found = measure_stream([still("jump", A, range(2))], a_stream(shown))
    assert found.num_switches.tolist() == [1]


def test_new_matches_are_best_for_all_together() -> None:
    first, second = (0, 0, 10, 10), (4, 0, 14, 10)
    middle = (3, 0, 13, 10)  # overlaps both, the second more
    right = (5, 0, 15, 10)  # overlaps the second alone
    truth = [still("jump", first, range(1)), still("jump", second, range(1))]
    frames = a_stream({0: [(1, middle, "jump"), (2, right, "jump")]})
    assert measure_stream(truth, frames).num_covered.tolist() == [1, 1]


def test_a_crossing_of_two_actors_swaps_nothing_where_the_tracks_follow() -> None:
    truth = [still("jump", A, range(4)), still("jump", B, range(4))]
    steady = {index: [(1, A, "jump"), (2, B, "jump")] for index in range(4)}
    swapped = steady | {index: [(2, A, "jump"), (1, B, "jump")] for index in (2, 3)}
    assert measure_stream(truth, a_stream(steady)).num_switches.tolist() == [0, 0]
    assert measure_stream(truth, a_stream(swapped)).num_switches.tolist() == [1, 1]


def test_a_track_that_two_tubes_remember_stays_with_the_one_it_covered_last() -> None:
    near = (3, 0, 13, 10)
    truth = [still("jump", A, range(4)), still("jump", near, range(1, 4))]
    between = (1.5, 0, 11.5, 10)  # overlaps both enough
    shown = {
        0: [(1, A, "jump")],
        1: [(2, A, "jump"), (1, (5, 0, 15, 10), "jump")],  # track 1 moves on to the second
        3: [(1, between, "jump")],
    }
    found = measure_stream(truth, a_stream(shown))
    assert found.num_covered.tolist() == [2, 2]
    assert found.num_switches.tolist() == [1, 0]


def test_finished_tubes_are_measured_as_a_stream_that_showed_them() -> None:
    truth = [still("jump", A, range(2, 10)), still("wave", B, range(10))]
    tubes = [
        still("jump", A, range(4, 6)),
        still("jump", A, range(7, 12)),
        still("wave", B, range(3)),
    ]
    shown = {
        index: [
            (number, tube.boxes_xyxy[0].tolist(), tube.label)
            for number, tube in enumerate(tubes)
            if index in tube.frame_indices
        ]
        for index in range(12)
    }
    found = measure_tubes(truth, tubes, 10.0)
    expected = measure_stream(truth, a_stream(shown, 12))
    assert found.delay_frames.tolist() == expected.delay_frames.tolist() == [2, 0]
    assert found.delay_seconds == pytest.approx(expected.delay_seconds)
    assert found.num_switches.tolist() == expected.num_switches.tolist() == [1, 0]
    assert found.num_fragmentations.tolist() == expected.num_fragmentations.tolist() == [1, 0]
    assert found.num_covered.tolist() == expected.num_covered.tolist() == [5, 3]


def test_without_tubes_there_is_nothing_to_follow() -> None:
    assert len(measure_stream([], covered_by("11")).num_frames) == 0
    assert measure_tubes([still("jump", A, range(3))], [], 25).num_covered.tolist() == [0]


def test_the_summary_counts_every_tube_alike_and_frames_for_the_coverage() -> None:
    found = summarise_streams([measured("...1"), measured("."), measured("1.21.1")])
    assert (found.num_tubes, found.num_detected) == (3, 2)
    assert (found.mean_delay_frames, found.median_delay_frames) == (1.5, 1.5)
    assert found.mean_delay_seconds == pytest.approx(0.15)
    assert found.median_delay_seconds == pytest.approx(0.15)
    assert (found.num_switches, found.num_fragmentations) == (2, 2)
    assert found.coverage == pytest.approx(5 / 11)


def test_the_median_withstands_one_late_tube() -> None:
    late = measured("." * 50 + "1")
    found = summarise_streams([measured("1"), measured(".1"), late])
    assert found.median_delay_frames == 1
    assert found.median_delay_seconds == pytest.approx(0.1)
    assert found.mean_delay_frames == 17


def test_a_summary_of_nothing_knows_nothing() -> None:
    found = summarise_streams([])
    assert (found.num_tubes, found.num_switches) == (0, 0)
    unknown = (found.mean_delay_frames, found.median_delay_seconds, found.coverage)
    assert np.isnan(unknown).all()


def of_three_classes(frame: FrameResult) -> FrameResult:
    return replace(frame, labels=("jump", "run", "wave"))


@pytest.mark.parametrize(
    ("frames", "text"),
    [
        (covered_by("111")[::-1], "frame 1 came after frame 2"),
        ([a_frame(0, ()), a_frame(0, ())], "frame 0 came after frame 0"),
        ([a_frame(3, [(1, A, "jump"), (1, B, "jump")])], r"frame 3 has a track id twice.*\[1, 1\]"),
        ([of_three_classes(a_frame(2, [(1, A, "jump")]))], "frame 2 has 2 class scores.*3 labels"),
    ],
)
def test_streams_that_cannot_be_are_refused(frames: list[FrameResult], text: str) -> None:
    with pytest.raises(DatasetError, match=text):
        measure_stream([still("jump", A, range(3))], frames)


def test_settings_out_of_range_are_refused() -> None:
    truth: list[Tube] = [still("jump", A, range(3))]
    with pytest.raises(ConfigError, match=r"iou_threshold must lie in \(0, 1\], not 0.0"):
        measure_stream(truth, [], iou_threshold=0.0)
    with pytest.raises(ConfigError, match="frames_per_second must be above 0, not 0"):
        measure_tubes(truth, [], 0)
