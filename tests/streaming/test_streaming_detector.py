from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from typing import get_args

import numpy as np
import pytest
from bright_square import BrightSquareModel, make_spec, numbered_frame, square_frame
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit

from vadsdk.errors import ConfigError, ModelFileError, VideoError
from vadsdk.linking import LinkingSpec
from vadsdk.streaming import StreamingDetector, detect_stream, detect_video
from vadsdk.structures import Frame, FrameResult, MaskOutputs, RawOutputs, RecognitionOutputs
from vadsdk.structures.model_spec import ModelKind

BRIGHT = float(expit((255 - 128) / 16))
NUM_BOUNDED = 3000
KINDS = get_args(ModelKind)
SHAPES = st.tuples(st.integers(1, 5), st.integers(1, 4), st.integers(0, 45), st.data())


def numbered(num_frames: int) -> list[Frame]:
    numbers = np.random.default_rng(num_frames).integers(0, 256, num_frames)
    return [numbered_frame(i, int(number)) for i, number in enumerate(numbers)]


def expected_scores(frames: list[Frame], clip_length: int, stride: int, hop: int) -> list[float]:
    """Say how blue each frame must be, from the definition: which windows speak for it."""
    count, span, reach = len(frames), clip_length * stride, (clip_length - 1) * stride
    blue = [float(frame.image[0, 0, 2]) / 255 for frame in frames]
    # (first frame, first frame it speaks for) of the regular windows, whose last clip frame exists
    starts = [(s, s) for s in range(0, count, hop) if s + reach < count]
    if not starts or starts[-1][0] + span < count:
        starts.append((max(0, count - span), starts[-1][0] + hop if starts else 0))
    scores = []
    for f in range(count):
        said = [
            np.mean([blue[min(start + t * stride, count - 1)] for t in range(clip_length)])
            for start, first in starts
            if first <= f < start + span
        ]
        scores.append(float(np.mean(said)) * BRIGHT)
    return scores


def blue_scores(results: list[FrameResult]) -> list[float]:
    return [float(result.detections.class_scores[0, 0]) for result in results]


@settings(max_examples=80, deadline=None)
@given(shape=SHAPES, batch_size=st.integers(1, 3))
def test_every_frame_comes_out_once_in_order_and_with_the_mean_of_its_windows(
    shape: tuple[int, int, int, st.DataObject], batch_size: int
):
    clip_length, stride, num_frames, data = shape
    hop = data.draw(st.integers(1, clip_length * stride))
    frames = numbered(num_frames)
    model = BrightSquareModel(make_spec(clip_length, stride))
    results = list(detect_stream(model, frames, hop=hop, batch_size=batch_size))

    assert [result.index for result in results] == list(range(num_frames))
    assert [result.pts_seconds for result in results] == [f.pts_seconds for f in frames]
    expected = expected_scores(frames, clip_length, stride, hop)
    np.testing.assert_allclose(blue_scores(results), expected, atol=1e-6)
    assert max(model.batch_sizes, default=0) <= batch_size


@settings(max_examples=60, deadline=None)
@given(shape=SHAPES, batch_size=st.integers(1, 3), kind=st.sampled_from(KINDS))
def test_no_result_is_later_than_the_stated_delay_and_one_is_as_late(
    shape: tuple[int, int, int, st.DataObject], batch_size: int, kind: ModelKind
):
    clip_length, stride, _, data = shape
    hop = data.draw(st.integers(1, clip_length * stride))
    model = BrightSquareModel(make_spec(clip_length, stride, kind=kind))
    detector = StreamingDetector(model, hop=hop, batch_size=batch_size)
    delays = [
        frame.index - result.index for frame in numbered(80) for result in detector.push(frame)
    ]
    assert max(delays) == detector.delay_frames


@settings(max_examples=60, deadline=None)
@given(shape=SHAPES, batch_size=st.integers(1, 3))
def test_scores_of_key_frames_come_as_they_are_and_those_between_linear_in_time(
    shape: tuple[int, int, int, st.DataObject], batch_size: int
):
    clip_length, stride, num_frames, data = shape
    hop = data.draw(st.integers(1, clip_length * stride))
    frames = numbered(num_frames)
    model = BrightSquareModel(make_spec(clip_length, stride, kind="box"))
    results = list(detect_stream(model, frames, hop=hop, batch_size=batch_size))

    assert [result.index for result in results] == list(range(num_frames))
    assert max(model.batch_sizes, default=0) <= batch_size
    if not frames:
        return
    blue = [float(frame.image[0, 0, 2]) / 255 for frame in frames]
    keys = sorted({*range(0, num_frames, hop), num_frames - 1})
    known = [np.mean([blue[max(key - t * stride, 0)] for t in range(clip_length)]) for key in keys]
    expected = np.interp(range(num_frames), keys, known)
    np.testing.assert_allclose(blue_scores(results), expected, atol=1e-6)


@settings(max_examples=40, deadline=None)
@given(shape=SHAPES, batch_size=st.integers(1, 3))
def test_recognition_scores_are_the_mean_of_the_windows_on_the_whole_frame(
    shape: tuple[int, int, int, st.DataObject], batch_size: int
):
    clip_length, stride, num_frames, data = shape
    hop = data.draw(st.integers(1, clip_length * stride))
    frames = numbered(num_frames)
    model = BrightSquareModel(make_spec(clip_length, stride, kind="recognition"))
    results = list(detect_stream(model, frames, hop=hop, batch_size=batch_size))
    assert [result.index for result in results] == list(range(num_frames))
    expected = np.array(expected_scores(frames, clip_length, stride, hop)) / BRIGHT
    np.testing.assert_allclose(blue_scores(results), expected, atol=1e-6)
    assert all(r.detections.boxes_xyxy.tolist() == [[0, 0, 32, 24]] for r in results)
    assert all(r.detections.masks is None for r in results)


def test_masks_and_boxes_follow_a_moving_square():
    spec = make_spec(4, 2, height=120, width=160)
    frames = [square_frame(i, 10 + 3 * i, 40 + 2 * i) for i in range(45)]
    for result, frame in zip(
        detect_stream(BrightSquareModel(spec), frames, hop=3), frames, strict=True
    ):
        masks = result.detections.masks
        assert masks is not None
        truth = frame.image[..., 0] > 0
        # Between two clip frames, a frame is a step of (3, 2) pixels from either: 57 * 58 shared.
        assert (masks[0] & truth).sum() / (masks[0] | truth).sum() > 0.8


def test_the_moving_square_is_one_tube_as_long_as_the_video():
    frames = [square_frame(i, 10 + 3 * i, 40) for i in range(45)]
    result = detect_video(BrightSquareModel(make_spec(4, 2, height=120, width=160)), frames)
    (tube,) = result.tubes
    assert tube.frame_indices.tolist() == list(range(45))
    assert (tube.label, tube.start_seconds) == ("rest", 0.0)
    assert tube.end_seconds == pytest.approx(45 / 25)
    np.testing.assert_allclose(tube.boxes_xyxy[:, 0], 10 + 3 * np.arange(45), atol=6)
    assert {int(i) for f in result.frames for i in f.detections.track_ids} == {tube.id}
    assert [e.kind for f in result.frames for e in f.events] == ["started", "ended"]


@pytest.mark.parametrize("num_frames", [8, 9, 16, 24])
@pytest.mark.parametrize("hop", [1, 4, 8])
@pytest.mark.parametrize("kind", KINDS)
def test_the_end_of_the_source_comes_with_its_last_frame(
    num_frames: int, hop: int, kind: ModelKind
):
    model = BrightSquareModel(make_spec(4, 2, kind=kind))
    results = list(detect_stream(model, numbered(num_frames), hop=hop))
    assert [e.kind for e in results[-1].events] == ["ended"]


def test_tubes_of_a_recogniser_are_segments_of_time_on_the_whole_frame():
    frames = [numbered_frame(i, 240 if i < 60 else 10) for i in range(120)]
    result = detect_video(BrightSquareModel(make_spec(4, 2, kind="recognition")), frames)
    first, second = sorted(result.tubes, key=lambda tube: tube.start_frame)
    assert (first.label, second.label) == ("blue", "rest")
    assert (first.start_frame, second.end_frame) == (0, 120)
    assert abs(second.start_frame - 60) <= 8  # a span
    assert (first.boxes_xyxy == [0, 0, 32, 24]).all()


def test_tubes_come_best_first():
    frames = [square_frame(i, 10, 10) for i in range(20)]
    frames += [square_frame(i, 200, 150) for i in range(20, 60)]
    for frame in frames[20:]:
        frame.image[..., 2] = 255
    result = detect_video(BrightSquareModel(make_spec(4, 2)), frames)
    scores = [tube.score for tube in result.tubes]
    assert len(scores) == 2
    assert scores == sorted(scores, reverse=True)


def test_masks_can_be_left_out():
    frames = numbered(10)
    result = detect_video(BrightSquareModel(make_spec()), frames, keep_masks=False)
    assert all(frame.detections.masks is None for frame in result.frames)
    assert all(len(frame.detections) == 1 for frame in result.frames)


def at(frame: Frame, pts_seconds: float) -> Frame:
    return Frame(index=frame.index, pts_seconds=pts_seconds, image=frame.image)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("jump", [10.0, -1.0])
def test_a_jump_ends_the_tubes_and_begins_anew(jump: float, kind: ModelKind):
    before = [at(f, 5.0 + f.index / 25) for f in numbered(20)]
    after = [
        at(numbered_frame(20 + i, 9), before[-1].pts_seconds + jump + i / 25) for i in range(20)
    ]
    model = BrightSquareModel(make_spec(4, 2, kind=kind))
    results = list(detect_stream(model, [*before, *after]))

    assert [result.index for result in results] == list(range(40))
    events = [(r.index, e.kind, e.tube_id) for r in results for e in r.events]
    assert events == [
        (2, "started", 1),
        (19, "ended", 1),
        (22, "started", 2),
        (39, "ended", 2),
    ]
    # No window lies across the jump.
    score = 9 / 255 * (BRIGHT if kind == "mask" else 1)
    np.testing.assert_allclose(blue_scores(results[20:]), [score] * 20, atol=1e-6)


def test_the_silence_that_counts_as_a_jump_is_the_callers():
    slow = [at(f, 10.0 * f.index) for f in numbered(20)]
    model = BrightSquareModel(make_spec(4, 2))
    results = list(detect_stream(model, slow, max_pts_gap_seconds=15.0))
    assert [e.kind for r in results for e in r.events] == ["started", "ended"]


@pytest.mark.parametrize("kind", KINDS)
def test_after_a_reset_indices_ids_and_sizes_begin_anew(kind: ModelKind):
    detector = StreamingDetector(BrightSquareModel(make_spec(4, 2, kind=kind)))
    out = []
    for _ in range(2):
        results = [r for frame in numbered(12) for r in detector.push(frame)] + detector.reset()
        out.append([(r.index, r.detections.track_ids.tolist()) for r in results])
    assert out[0] == out[1] == [(i, [1]) for i in range(12)]
    detector.push(numbered_frame(0, 1, height=10, width=10))


@pytest.mark.parametrize("kind", KINDS)
def test_after_a_flush_ids_go_on(kind: ModelKind):
    detector = StreamingDetector(BrightSquareModel(make_spec(4, 2, kind=kind)))
    first = [r for frame in numbered(12) for r in detector.push(frame)] + detector.flush()
    later = [r for i in range(12, 24) for r in detector.push(numbered_frame(i, 3))]
    later += detector.flush()
    assert [r.index for r in first + later] == list(range(24))
    assert {int(r.detections.track_ids[0]) for r in later} == {2}
    assert detector.flush() == []


@pytest.mark.parametrize("kind", KINDS)
def test_frames_that_a_camera_left_out_are_passed_over(kind: ModelKind):
    frames = [numbered_frame(i, 50) for i in range(40) if i % 7]
    result = detect_video(BrightSquareModel(make_spec(4, 2, kind=kind)), frames)
    assert [frame.index for frame in result.frames] == [i for i in range(40) if i % 7]
    (tube,) = result.tubes
    assert tube.frame_indices.tolist() == list(range(1, 40))


def test_a_size_that_changes_is_an_error_that_names_the_frame():
    detector = StreamingDetector(BrightSquareModel(make_spec()))
    detector.push(numbered_frame(0, 1, height=24, width=32))
    with pytest.raises(VideoError, match="frame 1 is 64x48, but those before it are 32x24"):
        detector.push(numbered_frame(1, 1, height=48, width=64))


def test_a_frame_that_comes_twice_is_an_error():
    detector = StreamingDetector(BrightSquareModel(make_spec()))
    detector.push(numbered_frame(4, 1))
    with pytest.raises(VideoError, match="frame 4 came after frame 4"):
        detector.push(numbered_frame(4, 1))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"hop": 0}, "hop is a whole number from 1 to 8"),
        ({"hop": 9}, "hop is a whole number from 1 to 8"),
        ({"hop": 2.5}, "hop is a whole number from 1 to 8 .*, not 2.5"),
        ({"batch_size": 0}, "batch_size is a whole number from 1 on, not 0"),
        ({"batch_size": 1.5}, "batch_size is a whole number from 1 on, not 1.5"),
        ({"max_pts_gap_seconds": 0.0}, "positive"),
    ],
)
def test_options_out_of_range_are_named(options: dict[str, float], message: str):
    with pytest.raises(ConfigError, match=message):
        StreamingDetector(BrightSquareModel(make_spec(4, 2)), **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", KINDS)
def test_a_model_whose_output_does_not_fit_its_spec_is_an_error(kind: ModelKind):
    class TooManyClasses(BrightSquareModel):
        def infer(self, clips: np.ndarray) -> RawOutputs:
            raw = super().infer(clips)
            scores = np.zeros((*raw.class_scores.shape[:-1], 7), np.float32)
            return replace(raw, class_scores=scores)

    with pytest.raises(ModelFileError, match=r"of 2 classes and 4 frames; .*do not belong"):
        list(detect_stream(TooManyClasses(make_spec(kind=kind)), numbered(20)))


def test_masks_of_another_length_and_outputs_of_another_kind_are_errors():
    class Shorter(BrightSquareModel):
        def infer(self, clips: np.ndarray) -> RawOutputs:
            raw = super().infer(clips)
            assert isinstance(raw, MaskOutputs)
            return replace(raw, mask_logits=raw.mask_logits[:, :3])

    class OfAnotherKind(BrightSquareModel):
        def infer(self, clips: np.ndarray) -> RawOutputs:
            return RecognitionOutputs(class_scores=super().infer(clips).class_scores)

    for model, message in ((Shorter, r"\(1, 3, 24, 32\)"), (OfAnotherKind, "gave Recognition")):
        with pytest.raises(ModelFileError, match=message):
            list(detect_stream(model(make_spec()), numbered(20)))


def held_bytes(value: object, seen: set[int]) -> int:
    """Return the bytes of an object and all it refers to, the model left out."""
    if id(value) in seen or isinstance(value, type | BrightSquareModel):
        return 0
    seen.add(id(value))
    total = sys.getsizeof(value)
    if isinstance(value, np.ndarray):
        owner = value if value.base is None else value.base
        return total + (owner.nbytes if isinstance(owner, np.ndarray) else 0)
    return total + sum(held_bytes(part, seen) for part in parts_of(value))


def parts_of(value: object) -> Iterator[object]:
    if isinstance(value, dict):
        yield from value.keys()
        yield from value.values()
    elif hasattr(value, "__iter__") and not isinstance(value, str | bytes):
        yield from value
    for name in (*getattr(type(value), "__slots__", ()), *getattr(value, "__dict__", {})):
        if hasattr(value, name):
            yield getattr(value, name)


@pytest.mark.parametrize("kind", KINDS)
def test_state_is_bounded_however_long_the_source(kind: ModelKind):
    model = BrightSquareModel(make_spec(4, 2, kind=kind))
    linking = LinkingSpec(max_tube_frames=100)
    detector = StreamingDetector(model, hop=4, linking=linking)
    sizes, num_results = [], 0
    for i in range(NUM_BOUNDED):
        frame = square_frame(i, (3 * i) % 90, 10, side=20, height=48, width=128)
        num_results += len(detector.push(frame))
        model.clips.clear()
        if i % 150 == 149:
            sizes.append(held_bytes(detector, set()))
    assert num_results + len(detector.flush()) == NUM_BOUNDED
    # Two spans of small images and maps, and the observations of a tube.
    assert max(sizes) < 2 * 8 * (24 * 32 * (3 + 4)) + 100 * 600
    assert max(sizes[10:]) <= 1.1 * max(sizes[:10])
