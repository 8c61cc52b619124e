from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vadsdk.linking import LinkingSpec, OnlineLinker
from vadsdk.structures import Detections, Tube, TubeEvent

LABELS = ("pour", "wave")
FPS = 25.0


def found(*actors: Sequence[float]) -> Detections:
    """Make detections of (x1, y1, x2, y2, score of "pour", score of "wave")."""
    table = np.reshape(np.array(actors, np.float32), (-1, 6))
    return Detections(
        boxes_xyxy=table[:, :4],
        class_scores=table[:, 4:],
        track_ids=np.full(len(table), -1, np.int64),
    )


def box_at(x: float, *scores: float, y: float = 20.0) -> tuple[float, ...]:
    return (x, y, x + 30, y + 60, *(scores or (0.8, 0.1)))


class Run:
    """Feeds a linker and gathers what it says."""

    def __init__(self, spec: LinkingSpec | None = None) -> None:
        self.linker = OnlineLinker(LABELS, spec)
        self.ids: dict[int, list[int]] = {}
        self.events: list[tuple[int, TubeEvent]] = []
        self.index = -1

    def frame(self, *actors: Sequence[float], index: int | None = None) -> list[int]:
        self.index = self.index + 1 if index is None else index
        detections, events = self.linker.update(self.index, self.index / FPS, found(*actors))
        self.ids[self.index] = detections.track_ids.tolist()
        self.events += [(self.index, event) for event in events]
        return self.ids[self.index]

    def finish(self) -> dict[int, Tube | None]:
        self.events += [(self.index + 1, event) for event in self.linker.finish()]
        return self.tubes

    @property
    def tubes(self) -> dict[int, Tube | None]:
        return {e.tube_id: e.tube for _, e in self.events if e.kind == "ended"}

    def times(self, kind: str) -> list[tuple[int, int]]:
        return [(index, e.tube_id) for index, e in self.events if e.kind == kind]


def only(tubes: Mapping[int, Tube | None]) -> Tube:
    (tube,) = tubes.values()
    assert tube is not None
    return tube


def test_an_actor_keeps_his_id_and_his_tube_has_all_frames():
    run = Run()
    for t in range(20):
        run.frame(box_at(10 + 2 * t))
    tube = only(run.finish())
    assert {i for ids in run.ids.values() for i in ids} == {tube.id}
    assert tube.frame_indices.tolist() == list(range(20))
    assert tube.boxes_xyxy[7].tolist() == [24, 20, 54, 80]
    assert (tube.label, tube.score) == ("pour", pytest.approx(0.8))
    assert (tube.start_seconds, tube.end_seconds) == (0.0, pytest.approx(20 / FPS))


def test_started_comes_with_the_confirming_frame_but_the_id_from_the_first():
    run = Run(LinkingSpec(confirm_frames=3))
    ids = [run.frame(box_at(10)) for _ in range(4)]
    assert ids == [[1], [1], [1], [1]]
    assert run.times("started") == [(2, 1)]


def test_ids_survive_a_crossing():
    run = Run()
    ids = [run.frame(box_at(4 * t), box_at(160 - 4 * t, y=26.0)) for t in range(41)]
    assert ids[0] == ids[40] == [1, 2]
    assert all(frame == [1, 2] for frame in ids)


def test_ids_survive_a_crossing_in_which_one_hides_the_other():
    run = Run()
    for t in range(41):
        hidden = 16 <= t <= 24
        run.frame(box_at(4 * t), *([] if hidden else [box_at(160 - 4 * t, y=26.0)]))
    assert run.ids[0] == run.ids[40] == [1, 2]
    assert len(run.finish()) == 2


def test_class_agreement_tells_actors_apart_where_boxes_do_not():
    run = Run(LinkingSpec(class_weight=0.5))
    for _ in range(5):
        run.frame(box_at(10, 0.9, 0.0), box_at(40, 0.0, 0.9))
    # Both stand between the old places now; by overlap alone they would change names.
    assert run.frame(box_at(26, 0.9, 0.0), box_at(24, 0.0, 0.9)) == [1, 2]


def test_a_gap_is_filled_linearly_and_counts_nothing_for_the_score():
    run = Run()
    for t in range(20):
        run.frame(*([] if 8 <= t < 12 else [box_at(10 + 2 * t)]))
    tube = only(run.finish())
    assert len(tube) == 20
    np.testing.assert_allclose(tube.boxes_xyxy[:, 0], 10 + 2 * np.arange(20), rtol=1e-6)
    assert tube.score == pytest.approx(0.8 * 16 / 20)
    assert tube.class_scores is not None
    np.testing.assert_allclose(tube.class_scores, [0.64, 0.08], rtol=1e-6)


@pytest.mark.parametrize(("gap", "num_ids"), [(5, 1), (6, 2)])
def test_the_longest_gap_is_bridged_and_a_longer_one_is_not(gap: int, num_ids: int):
    run = Run(LinkingSpec(max_gap_frames=5))
    for t in range(30):
        run.frame(*([] if 10 <= t < 10 + gap else [box_at(10)]))
    assert len(run.finish()) == num_ids


@pytest.mark.parametrize(("gap", "num_ids"), [(5, 1), (6, 2)])
def test_frames_left_out_are_a_gap_too(gap: int, num_ids: int):
    run = Run(LinkingSpec(max_gap_frames=5))
    for t in [*range(10), *range(10 + gap, 30)]:
        run.frame(box_at(10), index=t)
    assert len(run.finish()) == num_ids


def test_death_is_told_when_the_gap_is_too_long_and_ends_where_he_was_seen():
    run = Run(LinkingSpec(max_gap_frames=5))
    for t in range(30):
        run.frame(*([box_at(10)] if t < 10 else []))
    assert run.times("ended") == [(15, 1)]
    tube = only(run.tubes)
    assert (tube.end_frame, tube.end_seconds) == (10, pytest.approx(10 / FPS))
    assert run.linker.num_actors == 0


def test_the_end_of_a_tube_is_the_time_of_the_next_frame_though_rates_vary():
    spec = LinkingSpec(max_gap_frames=1, min_length_frames=1, confirm_frames=1)
    linker = OnlineLinker(LABELS, spec)
    linker.update(0, 0.0, found(box_at(10)))
    linker.update(1, 0.5, found(box_at(10)))
    linker.update(2, 0.6, found())
    _, events = linker.update(3, 5.0, found())
    assert events[0].tube is not None
    assert events[0].tube.end_seconds == pytest.approx(0.6)


def test_a_short_tube_ends_without_a_tube():
    run = Run(LinkingSpec(min_length_frames=8))
    for _ in range(7):
        run.frame(box_at(10))
    assert run.finish() == {1: None}


def test_a_tube_that_was_never_confirmed_ends_without_a_tube():
    run = Run(LinkingSpec(confirm_frames=3, min_length_frames=1))
    run.frame(box_at(10))
    run.frame(box_at(10))
    assert run.finish() == {1: None}
    assert run.times("started") == []


def test_a_weak_tube_ends_without_a_tube():
    run = Run(LinkingSpec(min_tube_score=0.5))
    for _ in range(20):
        run.frame(box_at(10, 0.4, 0.1))
    assert run.finish() == {1: None}


def test_a_weak_detection_begins_no_tube_but_continues_one():
    run = Run(LinkingSpec(birth_score=0.5))
    assert run.frame(box_at(10, 0.4, 0.1)) == [-1]
    assert run.frame(box_at(10, 0.6, 0.1)) == [1]
    assert run.frame(box_at(10, 0.4, 0.1)) == [1]


def test_an_actor_who_stops_and_acts_again_has_two_tubes():
    run = Run()
    acting = [t < 40 or t >= 90 for t in range(140)]
    for t in range(140):
        run.frame(box_at(10, 0.8 if acting[t] else 0.02, 0.01))
    first, second = run.finish().values()
    assert first is not None
    assert second is not None
    assert (first.start_frame, first.end_frame) == (0, 40)
    assert abs(second.start_frame - 90) <= 5  # the time the average takes to rise
    assert second.end_frame == 140
    assert first.id != second.id
    assert run.ids[70] == [-1]
    assert {run.ids[20][0], run.ids[120][0]} == {first.id, second.id}
    ((told, _), _) = run.times("ended")
    assert 40 < told < 60  # while he is still in view


def test_waiting_before_the_action_is_cut_off():
    run = Run()
    for t in range(80):
        run.frame(box_at(10, 0.8 if t >= 40 else 0.06, 0.01))
    tube = only(run.finish())
    assert (tube.start_frame, tube.end_frame) == (40, 80)
    assert tube.score == pytest.approx(0.8)


def test_a_short_dip_does_not_cut_a_tube():
    run = Run()
    for t in range(40):
        run.frame(box_at(10, 0.1 if 18 <= t < 22 else 0.8, 0.1))
    assert len(only(run.finish())) == 40


def test_an_actor_who_goes_over_to_another_action_has_a_tube_of_each():
    run = Run()
    for t in range(200):
        run.frame(box_at(10, *((0.8, 0.05) if t < 100 else (0.05, 0.8))))
    first, second = run.finish().values()
    assert first is not None
    assert second is not None
    assert (first.label, second.label) == ("pour", "wave")
    assert first.end_frame == second.start_frame
    assert abs(second.start_frame - 100) <= 8
    assert run.ids[199] == [second.id]


def test_a_model_that_wavers_between_classes_does_not_cut_a_tube():
    run = Run()
    for t in range(40):
        run.frame(box_at(10, *((0.6, 0.1) if t % 20 < 10 else (0.1, 0.5))))
    tube = only(run.finish())
    assert (len(tube), tube.label) == (40, "pour")
    assert tube.class_scores is not None
    np.testing.assert_allclose(tube.class_scores, [0.35, 0.3], rtol=1e-5)


def test_an_endless_tube_is_continued_under_a_new_id():
    run = Run(LinkingSpec(max_tube_frames=50))
    for _ in range(120):
        run.frame(box_at(10))
    tubes = run.finish()
    spans = [(t.start_frame, t.end_frame) for t in tubes.values() if t is not None]
    assert spans == [(0, 50), (50, 100), (100, 120)]
    assert list(tubes) == [1, 2, 3]


def test_ids_go_on_after_a_finish():
    run = Run()
    for _ in range(10):
        run.frame(box_at(10))
    run.finish()
    assert run.frame(box_at(10)) == [2]


def test_frames_out_of_order_and_foreign_classes_are_refused():
    linker = OnlineLinker(LABELS)
    linker.update(3, 0.0, found())
    with pytest.raises(ValueError, match="frame 3 came after frame 3"):
        linker.update(3, 0.1, found())
    with pytest.raises(ValueError, match="5 class scores for 2 labels"):
        linker.update(4, 0.1, Detections.empty(5))


def size_of(value: object, seen: set[int]) -> int:
    """Return the bytes of an object and all it refers to."""
    if id(value) in seen or isinstance(value, type):
        return 0
    seen.add(id(value))
    parts: list[object] = []
    if isinstance(value, dict):
        parts = [*value.keys(), *value.values()]
    elif isinstance(value, list | tuple | set):
        parts = list(value)
    else:
        names = [*getattr(type(value), "__slots__", ()), *getattr(value, "__dict__", {})]
        parts = [getattr(value, name) for name in names if hasattr(value, name)]
    extra = value.nbytes if isinstance(value, np.ndarray) else 0
    return sys.getsizeof(value) + extra + sum(size_of(part, seen) for part in parts)


def test_state_is_bounded_over_5000_frames():
    spec = LinkingSpec(max_tube_frames=200)
    linker = OnlineLinker(LABELS, spec)
    rng = np.random.default_rng(5)
    sizes, counts = [], []
    for t in range(5000):
        flickers = [box_at(x, 0.3, 0.2, y=200.0) for x in rng.uniform(0, 2000, 3)]
        linker.update(t, t / FPS, found(box_at(10), *flickers))
        counts.append(linker.num_actors)
        if t % 100 == 0:
            sizes.append(size_of(linker, set()))
    assert max(counts) <= 4 * (spec.max_gap_frames + 1)
    assert max(sizes[5:]) < 1.3 * max(sizes[:5])


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), max_gap=st.integers(0, 4), max_tube=st.integers(8, 30))
def test_ids_are_unique_and_every_id_ends_once(seed: int, max_gap: int, max_tube: int):
    rng = np.random.default_rng(seed)
    spec = LinkingSpec(
        max_gap_frames=max_gap,
        max_tube_frames=max_tube,
        min_length_frames=3,
        switch_frames=4,
        score_half_life_frames=1.0,
    )
    run = Run(spec)
    homes = rng.uniform(0, 100, 3)
    for _ in range(60):
        seen = [x for x in homes if rng.random() < 0.8]
        run.frame(*(box_at(x + rng.normal(0, 4), *rng.uniform(0, 1, 2) ** 3) for x in seen))
    tubes = run.finish()

    given_ids = [i for ids in run.ids.values() for i in ids if i != -1]
    for ids in run.ids.values():
        named = [i for i in ids if i != -1]
        assert len(named) == len(set(named))
    ended = [i for _, i in run.times("ended")]
    assert sorted(ended) == sorted(set(given_ids))
    started = dict((i, t) for t, i in run.times("started"))
    assert len(started) == len(run.times("started"))
    assert all(started[i] <= t for t, i in run.times("ended") if i in started)
    for tube_id, tube in tubes.items():
        if tube is not None:
            assert tube.id == tube_id
            assert tube_id in started
            assert np.diff(tube.frame_indices).tolist() == [1] * (len(tube) - 1)
            assert 3 <= len(tube) <= max_tube
            assert tube.class_scores is not None
            assert LABELS[int(tube.class_scores.argmax())] == tube.label
