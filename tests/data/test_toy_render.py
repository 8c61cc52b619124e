from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from itertools import pairwise

import numpy as np
import pytest

from vadsdk.data.toy_render import (
    TOY_LABELS,
    ToyClip,
    clip_label,
    clip_split,
    render_clip,
    tight_box,
)
from vadsdk.data.toy_script import Performer, Script, direct
from vadsdk.errors import ConfigError

SEED = 0


def find_clips(
    wanted: Callable[[Script], bool], label: str | None = None
) -> Iterator[tuple[Script, ToyClip]]:
    for index in range(300):
        script = direct(np.random.default_rng([SEED, index, 1]))
        if wanted(script):
            yield script, render_clip(SEED, index, label=label)


def actors(script: Script) -> list[Performer]:
    return [performer for performer in script.performers if performer.end > performer.start]


def acts_inside(script: Script) -> bool:
    return any(0 < actor.start and actor.end < script.num_frames for actor in actors(script))


def has_cupboard(script: Script) -> bool:
    sizes = [np.ptp(prop.polygons[0][0], axis=0) for prop in script.props]
    return any(width > 40 and height > 100 for width, height in sizes)


def idles_alone_at_the_end(script: Script) -> bool:
    spare = script.num_frames - script.performers[0].end
    return len(script.performers) == 1 and not script.props and spare > 8


@pytest.fixture(scope="module")
def clips() -> list[ToyClip]:
    return [render_clip(SEED, index) for index in range(6)]


@pytest.fixture(scope="module")
def scripts() -> list[Script]:
    return [direct(np.random.default_rng([SEED, index, 1])) for index in range(200)]


def test_a_clip_depends_on_seed_and_index_alone(clips: list[ToyClip]) -> None:
    again = render_clip(SEED, 1)
    np.testing.assert_array_equal(again.images, clips[1].images)
    np.testing.assert_array_equal(again.masks, clips[1].masks)
    assert not np.array_equal(render_clip(SEED + 1, 1).images[0], again.images[0])


def test_frames_are_320x240_rgb_and_between_32_and_56(clips: list[ToyClip]) -> None:
    for clip in clips:
        assert clip.images.shape[1:] == (240, 320, 3)
        assert clip.images.dtype == np.uint8
        assert 32 <= len(clip.images) <= 56


def test_boxes_are_tight_around_the_visible_masks(clips: list[ToyClip]) -> None:
    for clip in clips:
        for tube, masks in zip(clip.tubes, clip.masks, strict=True):
            seen = [frame for frame, mask in enumerate(masks) if mask.any()]
            assert seen == tube.frame_indices.tolist()
            for frame, (x1, y1, x2, y2) in zip(seen, tube.boxes_xyxy.astype(int), strict=True):
                inside = masks[frame, y1:y2, x1:x2]
                assert inside.sum() == masks[frame].sum()
                for edge in (inside[0], inside[-1], inside[:, 0], inside[:, -1]):
                    assert edge.any()


def test_masks_of_actors_do_not_overlap(clips: list[ToyClip]) -> None:
    assert max(len(clip.tubes) for clip in clips) > 1
    for clip in clips:
        assert clip.masks.sum(axis=0).max() == 1


def test_all_actors_of_a_clip_do_its_action_at_their_own_pace(scripts: list[Script]) -> None:
    for script in scripts:
        paces = [(p.manner.period, p.manner.phase) for p in script.performers]
        assert len(set(paces)) == len(paces)


def test_every_action_is_in_both_splits_from_two_rounds_on() -> None:
    for split in ("train", "test"):
        indices = [index for index in range(16) if clip_split(index) == split]
        assert sorted(clip_label(SEED, index) for index in indices) == sorted(TOY_LABELS)


def test_three_tenths_of_every_action_are_for_testing() -> None:
    indices = range(10 * len(TOY_LABELS))
    counts = Counter((clip_label(SEED, index), clip_split(index)) for index in indices)
    for label in TOY_LABELS:
        assert (counts[label, "train"], counts[label, "test"]) == (7, 3)


def test_actions_come_in_another_order_in_every_round() -> None:
    rounds = [
        [clip_label(SEED, index) for index in range(start, start + len(TOY_LABELS))]
        for start in range(0, 80, len(TOY_LABELS))
    ]
    assert all(earlier != later for earlier, later in pairwise(rounds))


def test_one_to_three_people_act_and_some_stand_by(scripts: list[Script]) -> None:
    counts = Counter(len(actors(script)) for script in scripts)
    assert set(counts) == {1, 2, 3}
    assert min(counts.values()) >= 8
    standing_by = sum(len(script.performers) - len(actors(script)) for script in scripts)
    assert 10 < standing_by < 80


def test_about_three_tenths_of_the_clips_are_untrimmed(scripts: list[Script]) -> None:
    untrimmed = sum(
        any(0 < p.start or p.end < script.num_frames for p in actors(script)) for script in scripts
    )
    assert 40 <= untrimmed <= 80


def test_tubes_last_as_long_as_the_action() -> None:
    script, clip = next(find_clips(acts_inside))
    spans = [(actor.start, actor.end) for actor in actors(script)]
    assert [(tube.start_frame, tube.end_frame) for tube in clip.tubes] == spans
    for tube, (start, end) in zip(clip.tubes, spans, strict=True):
        assert (tube.start_seconds, tube.end_seconds) == pytest.approx((start / 25, end / 25))


def test_an_actor_who_is_hidden_for_a_while_has_a_tube_with_a_gap() -> None:
    clip, tube = next(
        (clip, tube)
        for _, clip in find_clips(has_cupboard)
        for tube in clip.tubes
        if np.diff(tube.frame_indices).max() > 1
    )
    hidden = np.setdiff1d(np.arange(tube.start_frame, tube.end_frame), tube.frame_indices)
    assert not clip.masks[tube.id, hidden].any()


def test_actors_cover_each_other(scripts: list[Script]) -> None:
    index = next(
        i
        for i, script in enumerate(scripts)
        if len(script.performers) == 2
        and not script.props
        and np.abs(script.performers[0].x - script.performers[1].x).min() < 10
    )
    clip = render_clip(SEED, index)
    far, near = clip.masks.sum(axis=(2, 3))[:2]
    assert far[far > 0].min() < 0.6 * far.max()
    assert near[near > 0].min() > 0.6 * near.max()


def test_the_surroundings_do_not_tell_the_action() -> None:
    first, second = (render_clip(SEED, 2, label=label) for label in ("jump", "wave"))
    changed = (first.images != second.images).any(axis=-1)
    people = (first.masks | second.masks).any(axis=0)
    reach = people | np.roll(people, 1, axis=1) | np.roll(people, -1, axis=1)
    reach |= np.roll(reach, 1, axis=2) | np.roll(reach, -1, axis=2)
    assert not (changed & ~reach).any()
    assert changed[people].mean() > 0.2


@pytest.mark.parametrize("label", TOY_LABELS)
def test_acting_moves_more_than_standing_idle(label: str) -> None:
    script, clip = next(find_clips(idles_alone_at_the_end, label))
    start, end = actors(script)[0].start, actors(script)[0].end
    x1, y1, x2, y2 = tight_box(clip.masks[0].any(axis=0))
    around = clip.images[:, y1:y2, x1:x2].astype(int)
    moved = (np.abs(np.diff(around, axis=0)).sum(axis=-1) > 60).mean(axis=(1, 2))
    assert moved[start + 3 : end - 3].mean() > 1.3 * moved[end:].mean()


def test_an_unknown_action_is_refused_by_name() -> None:
    with pytest.raises(ConfigError, match=r"unknown toy action 'jumb'.*Did you mean 'jump'"):
        render_clip(SEED, 0, label="jumb")


def test_a_negative_seed_is_refused() -> None:
    with pytest.raises(ConfigError, match="seed and index are 0 or more, not -1 and 0"):
        render_clip(-1, 0)
