from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_data import GREY_STEP, LABELS, add_video, make_tube, write_video

from vadsdk.data.clip_classes import clip_class
from vadsdk.data.dataset import open_dataset
from vadsdk.data.decoded import DecodedVideos
from vadsdk.data.footage import unlabelled_records
from vadsdk.data.native_writer import write_dataset
from vadsdk.data.sampling import ClipSampler
from vadsdk.data.splits import apply_split
from vadsdk.errors import DatasetError, VideoError

SIZE = (24, 32)
SPEC = {
    "clip_length": 4,
    "frame_stride": 2,
    "num_labelled": 2,
    "num_unlabelled": 3,
    "seed": 0,
}


@pytest.fixture(scope="module")
def decoded(native_folder: Path) -> DecodedVideos:
    dataset = open_dataset(native_folder)
    partly = apply_split(dataset, {"videos/jump0.mp4", "videos/jump1.mp4", "videos/wave0.mp4"})
    return DecodedVideos(partly, partly.split("train"), store_size=SIZE)


def frame_numbers(clips: torch.Tensor) -> np.ndarray:
    """(B, T) from (B, T, H, W, 3)."""
    return np.round(clips.numpy().mean(axis=(2, 3, 4)) / GREY_STEP).astype(int)


def test_a_batch_holds_labelled_clips_then_unlabelled_ones(decoded: DecodedVideos) -> None:
    batch = ClipSampler(decoded, LABELS, **SPEC).batch(0)
    assert batch.clips.shape == (5, 4, *SIZE, 3)
    assert batch.masks.shape == (5, 4, *SIZE)
    assert batch.labelled.tolist() == [True, True, False, False, False]
    assert (np.diff(frame_numbers(batch.clips)) == 2).all()


def test_a_step_gives_the_same_batch_whatever_came_before(decoded: DecodedVideos) -> None:
    sampler = ClipSampler(decoded, LABELS, **SPEC)
    batches = [sampler.batch(step) for step in range(5)]
    again = ClipSampler(decoded, LABELS, **SPEC).batch(3)
    assert torch.equal(batches[3].clips, again.clips)
    assert torch.equal(batches[3].masks, again.masks)
    assert torch.equal(batches[3].class_indices, again.class_indices)
    other = ClipSampler(decoded, LABELS, **SPEC | {"seed": 1})
    assert any(not torch.equal(other.batch(s).clips, batches[s].clips) for s in range(5))


def test_unlabelled_clips_never_carry_labels(decoded: DecodedVideos) -> None:
    sampler = ClipSampler(decoded, LABELS, **SPEC)
    for step in range(10):
        batch = sampler.batch(step)
        assert batch.class_indices[2:].tolist() == [-1, -1, -1]
        assert not batch.masks[2:].any()


def test_masks_and_classes_belong_to_the_frames_of_the_clip(decoded: DecodedVideos) -> None:
    sampler = ClipSampler(decoded, LABELS, **SPEC)
    for step in range(20):
        batch = sampler.batch(step)
        shown = frame_numbers(batch.clips)[:2]
        acting = (shown >= 4) & (shown < 16)
        assert (batch.masks[:2].numpy().any(axis=(2, 3)) == acting).all()
        classes = batch.class_indices[:2].numpy()
        assert ((classes >= 0) == acting.any(axis=1)).all()


def test_classes_take_turns_and_their_videos_too(decoded: DecodedVideos) -> None:
    sampler = ClipSampler(decoded, LABELS, **SPEC)
    names = [sampler.labelled_place(draw).record.name for draw in range(40)]
    counts = Counter(names)
    assert counts["videos/wave0.mp4"] == 20
    assert counts["videos/jump0.mp4"] == counts["videos/jump1.mp4"] == 10
    for first in range(0, 40, 2):
        assert len({name[7:11] for name in names[first : first + 2]}) == 2


def test_unlabelled_videos_all_come_before_any_comes_again(decoded: DecodedVideos) -> None:
    sampler = ClipSampler(decoded, LABELS, **SPEC)
    names = [sampler.unlabelled_place(draw).record.name for draw in range(30)]
    laps = [names[first : first + 3] for first in range(0, 30, 3)]
    assert all(len(set(lap)) == 3 for lap in laps)
    assert len({tuple(lap) for lap in laps}) > 1


def test_starts_reach_every_place_that_fits(decoded: DecodedVideos) -> None:
    sampler = ClipSampler(decoded, LABELS, **SPEC)
    starts = {int(sampler.unlabelled_place(draw).frame_indices[0]) for draw in range(600)}
    assert starts == set(range(14))  # a window of 7 frames in 20


@pytest.mark.parametrize(("share", "low", "high"), [(1.0, 1.0, 1.0), (0.0, 0.2, 0.5)])
def test_the_action_share_places_clips_on_the_action(
    tmp_path: Path, share: float, low: float, high: float
) -> None:
    videos = [add_video(tmp_path, "a", (make_tube("wave", 40, 50),), num_frames=60)]
    write_dataset(tmp_path, LABELS, videos)
    dataset = open_dataset(tmp_path)
    sampler = ClipSampler(
        DecodedVideos(dataset, dataset.records, store_size=SIZE),
        LABELS,
        **SPEC | {"num_unlabelled": 0},
        action_share=share,
    )
    classes = [sampler.labelled_place(draw).class_index for draw in range(200)]
    assert low <= classes.count(1) / 200 <= high
    assert set(classes) <= {1, -1}


def test_a_video_shorter_than_the_window_repeats_its_last_frame(tmp_path: Path) -> None:
    videos = [add_video(tmp_path, "a", (make_tube("wave", 0, 3),), num_frames=3)]
    write_dataset(tmp_path, LABELS, videos)
    dataset = open_dataset(tmp_path)
    decoded = DecodedVideos(dataset, dataset.records, store_size=SIZE)
    sampler = ClipSampler(decoded, LABELS, **SPEC | {"num_unlabelled": 0})
    assert sampler.labelled_place(0).frame_indices.tolist() == [0, 2, 2, 2]
    assert frame_numbers(sampler.batch(0).clips)[0].tolist() == [0, 2, 2, 2]


def test_labelled_background_takes_turns_as_a_class(native_folder: Path) -> None:
    dataset = open_dataset(native_folder)
    records = [*dataset.split("train")[:3], replace(dataset.records[3], tubes=())]
    decoded = DecodedVideos(dataset, records, store_size=SIZE)
    sampler = ClipSampler(decoded, LABELS, **SPEC | {"num_unlabelled": 0})
    names = Counter(sampler.labelled_place(draw).record.name for draw in range(20))
    assert names["videos/jump3.mp4"] == 10


def test_asking_for_clips_that_are_not_there_is_refused(native_folder: Path) -> None:
    dataset = open_dataset(native_folder)
    labelled = DecodedVideos(dataset, dataset.records[:1], store_size=SIZE)
    alone = r"give --unlabelled DIR, or add videos: each class keeps at least one .*no other$"
    with pytest.raises(DatasetError, match=alone):
        ClipSampler(labelled, LABELS, **SPEC)
    several = DecodedVideos(dataset, dataset.records[:2], store_size=SIZE)
    with pytest.raises(DatasetError, match="give --unlabelled DIR or a --labelled-fraction small"):
        ClipSampler(several, LABELS, **SPEC)
    hidden = replace(dataset.records[1], tubes=(), labelled=False, drawn_ranges=())
    partless = DecodedVideos(dataset, [dataset.records[0], hidden], store_size=SIZE)
    with pytest.raises(DatasetError, match="no unlabelled video has a part to draw clips from"):
        ClipSampler(partless, LABELS, **SPEC)
    bare = replace(dataset.records[0], tubes=(), labelled=False)
    unlabelled = DecodedVideos(dataset, [bare], store_size=SIZE)
    with pytest.raises(DatasetError, match="no usable labelled video shows an action; label at"):
        ClipSampler(unlabelled, LABELS, **SPEC)


def test_the_class_of_a_clip_covers_most_of_its_frames() -> None:
    tubes = (make_tube("jump", 0, 5), make_tube("wave", 4, 10, id=1))
    frames = np.arange(10)
    assert clip_class(tubes, frames[:6], LABELS) == 0
    assert clip_class(tubes, frames[3:], LABELS) == 1
    assert clip_class(tubes, frames[:0], LABELS) == -1
    assert clip_class(tubes, np.array([20]), LABELS) == -1
    tied = frames[3:6]  # 2 of each
    assert clip_class(tubes, tied, LABELS) == 0
    assert clip_class(tubes, tied, LABELS, preferred="wave") == 1
    assert clip_class(tubes, frames[:6], LABELS, preferred="wave") == 0


def test_of_sparse_annotation_every_labelled_clip_shows_a_known_frame(native_folder: Path) -> None:
    dataset = open_dataset(native_folder)
    names = {record.name for record in dataset.split("train")}
    sparse = apply_split(dataset, names, {name: [0, 7, 10] for name in names})
    decoded = DecodedVideos(sparse, sparse.split("train"), store_size=SIZE)
    settings = SPEC | {"num_labelled": 4, "num_unlabelled": 0}
    sampler = ClipSampler(decoded, LABELS, **settings)
    for step in range(20):
        batch = sampler.batch(step)
        shown = frame_numbers(batch.clips)
        assert batch.annotated is not None
        assert batch.annotated.numpy().tolist() == np.isin(shown, [0, 7, 10]).tolist()
        assert batch.annotated.any(dim=1).all()
        acting = np.isin(shown, [7, 10]).any(axis=1)
        assert ((batch.class_indices.numpy() >= 0) == acting).all()


def test_of_whole_annotation_nothing_needs_to_be_said(decoded: DecodedVideos) -> None:
    assert ClipSampler(decoded, LABELS, **SPEC).batch(0).annotated is None


def test_a_clip_with_a_key_frame_ends_on_an_annotated_one_and_repeats_the_first(
    decoded: DecodedVideos,
) -> None:
    sampler = ClipSampler(decoded, LABELS, **SPEC, key_frame="last", action_share=1.0)
    repeats = 0
    for draw in range(60):
        place = sampler.labelled_place(draw)
        key = int(place.frame_indices[-1])
        assert any(key in tube.frame_indices for tube in place.record.tubes)
        expected = np.maximum(key - np.array([6, 4, 2, 0]), 0)
        assert place.frame_indices.tolist() == expected.tolist()
        repeats += key < 6
    assert repeats


def test_a_batch_with_key_frames_holds_every_box_in_shares_of_the_frame(
    decoded: DecodedVideos,
) -> None:
    sampler = ClipSampler(decoded, LABELS, **SPEC, key_frame="last")
    batch = sampler.batch(0)
    assert batch.boxes_xyxy01 is not None
    assert batch.box_classes is not None
    for row in range(SPEC["num_labelled"]):
        place = sampler.labelled_place(row)
        record = place.record
        for frame, index in enumerate(place.frame_indices.tolist()):
            wanted = [
                (LABELS.index(tube.label), *tube.boxes_xyxy[tube.frame_indices == index][0])
                for tube in record.tubes
                if index in tube.frame_indices
            ]
            kept = batch.box_classes[row, frame] >= 0
            boxes = batch.boxes_xyxy01[row, frame][kept].numpy()
            boxes = boxes * np.array([record.width, record.height] * 2)
            came = np.column_stack([batch.box_classes[row, frame][kept].numpy(), boxes])
            np.testing.assert_allclose(came, np.array(wanted).reshape(-1, 5), atol=1e-3)
    assert (batch.box_classes[SPEC["num_labelled"] :] == -1).all()


def test_successors_are_the_frames_after_each_frame_and_end_with_the_video(
    decoded: DecodedVideos,
) -> None:
    sampler = ClipSampler(decoded, LABELS, **SPEC, with_successors=True)
    for step in range(4):
        batch = sampler.batch(step)
        assert batch.successors is not None
        places = [sampler.labelled_place(step * 2 + row) for row in range(2)]
        places += [sampler.unlabelled_place(step * 3 + row) for row in range(3)]
        for row, place in enumerate(places):
            last = decoded.num_frames[place.record.name] - 1
            expected = np.minimum(place.frame_indices + 1, last)
            assert frame_numbers(batch.successors)[row].tolist() == expected.tolist()


@pytest.fixture(scope="module")
def trimmed(tmp_path_factory: pytest.TempPathFactory) -> DecodedVideos:
    """A labelled video, and two whose clips keep to actions: 3-12 and 15-18, and 2-22."""
    folder = tmp_path_factory.mktemp("trimmed")
    videos = [
        add_video(folder, "a", (make_tube("wave", 5, 9),), num_frames=10),
        add_video(
            folder,
            "b",
            (make_tube("wave", 3, 12), make_tube("jump", 15, 18, id=1)),
            num_frames=25,
        ),
        add_video(folder, "c", (make_tube("wave", 2, 22),), num_frames=24),
    ]
    write_dataset(folder, LABELS, videos)
    write_video(folder / "footage" / "d.mp4", 20)
    dataset = apply_split(open_dataset(folder), {"videos/a.mp4"}, unlabelled_part="actions")
    records = [*dataset.split("train"), *unlabelled_records([folder / "footage"])]
    return DecodedVideos(dataset, records, store_size=SIZE)


def drawn(sampler: ClipSampler, count: int) -> dict[str, set[tuple[int, ...]]]:
    """Return the clips that are drawn of each video."""
    found: dict[str, set[tuple[int, ...]]] = {}
    for draw in range(count):
        place = sampler.unlabelled_place(draw)
        name = Path(place.record.name).stem
        found.setdefault(name, set()).add(tuple(place.frame_indices.tolist()))
    return found


def test_clips_of_trimmed_videos_keep_to_their_actions(trimmed: DecodedVideos) -> None:
    found = drawn(ClipSampler(trimmed, LABELS, **SPEC), 600)
    of_short = (15, 17, 17, 17)  # as of a video of three frames
    assert found["b"] == {(s, s + 2, s + 4, s + 6) for s in (3, 4, 5)} | {of_short}
    assert found["c"] == {(s, s + 2, s + 4, s + 6) for s in range(2, 16)}
    assert found["d"] == {(s, s + 2, s + 4, s + 6) for s in range(14)}  # footage stays whole


def test_every_action_of_a_trimmed_video_comes_as_often_as_a_video(trimmed: DecodedVideos) -> None:
    sampler = ClipSampler(trimmed, LABELS, **SPEC)
    places = [sampler.unlabelled_place(draw) for draw in range(40)]
    counts = Counter((Path(place.record.name).stem, place.stop) for place in places)
    assert counts == {("b", 12): 10, ("b", 18): 10, ("c", 22): 10, ("d", 20): 10}


def test_with_a_key_frame_a_trimmed_action_is_where_a_clip_begins_and_ends(
    trimmed: DecodedVideos,
) -> None:
    found = drawn(ClipSampler(trimmed, LABELS, **SPEC, key_frame="last"), 600)
    keys = [*range(3, 12), *range(15, 18)]
    expected = set()
    for key in keys:
        first = 3 if key < 12 else 15
        expected.add(tuple(max(key - offset, first) for offset in (6, 4, 2, 0)))
    assert found["b"] == expected


def test_successors_end_with_the_trimmed_action(trimmed: DecodedVideos) -> None:
    sampler = ClipSampler(trimmed, LABELS, **SPEC, with_successors=True)
    ends = set()
    for step in range(30):
        batch = sampler.batch(step)
        assert batch.successors is not None
        for row, frames in enumerate(frame_numbers(batch.successors)[2:].tolist()):
            place = sampler.unlabelled_place(step * 3 + row)
            if Path(place.record.name).stem == "b":
                last = 11 if place.frame_indices[0] < 12 else 17
                assert frames == np.minimum(place.frame_indices + 1, last).tolist()
                ends.add(frames[-1])
    assert ends == {10, 11, 17}


def test_whole_videos_are_drawn_as_they_always_were(decoded: DecodedVideos) -> None:
    sampler = ClipSampler(decoded, LABELS, **SPEC)
    places = [sampler.unlabelled_place(draw) for draw in range(6)]
    assert [(Path(p.record.name).stem, int(p.frame_indices[0])) for p in places] == [
        *(("wave2", 6), ("wave1", 9), ("jump2", 2)),
        *(("wave2", 11), ("jump2", 4), ("wave1", 1)),
    ]  # recorded when there were whole videos alone


def test_the_class_of_a_trimmed_video_is_the_class_of_its_clips(native_folder: Path) -> None:
    dataset = open_dataset(native_folder)
    records = [
        replace(record, tubes=(), video_label=LABELS[number % len(LABELS)])
        for number, record in enumerate(dataset.split("train"))
    ]
    decoded = DecodedVideos(dataset, records, store_size=SIZE)
    sampler = ClipSampler(decoded, LABELS, **{**SPEC, "num_unlabelled": 0})
    seen = set()
    for draw in range(12):
        place = sampler.labelled_place(draw)
        assert LABELS[place.class_index] == place.record.video_label
        seen.add(place.class_index)
    assert len(seen) == min(len(LABELS), len(records))


def long_footage(tmp_path: Path, native_folder: Path, *, num_frames: int) -> DecodedVideos:
    """One long file that is read by clips, and one short video that is kept."""
    write_video(tmp_path / "long.mp4", num_frames)
    write_video(tmp_path / "short.mp4", 20)
    dataset = open_dataset(native_folder)
    records = unlabelled_records([tmp_path])
    return DecodedVideos(dataset, records, store_size=SIZE, byte_budget=500_000)


UNLABELLED = SPEC | {"num_labelled": 0, "num_unlabelled": 4}


def test_every_part_of_long_footage_comes_as_often_as_any_other(
    tmp_path: Path, native_folder: Path
) -> None:
    decoded = long_footage(tmp_path, native_folder, num_frames=3200)
    sampler = ClipSampler(decoded, LABELS, **UNLABELLED)
    places = [sampler.unlabelled_place(draw) for draw in range(500)]
    of_long = [place for place in places if place.record.path.name == "long.mp4"]
    assert len(of_long) == 400  # four stretches and the short video, a hundred times each
    starts = np.array([place.frame_indices[0] for place in of_long])
    assert np.bincount(starts * 4 // 3194).tolist() == [100] * 4
    assert len(set(starts.tolist())) > 350
    for step in (0, 7):
        places = [sampler.unlabelled_place(4 * step + row) for row in range(4)]
        expected = np.stack([place.frame_indices for place in places]) % 32
        assert (frame_numbers(sampler.batch(step).clips) == expected).all()
    again = ClipSampler(decoded, LABELS, **UNLABELLED)
    assert torch.equal(again.batch(7).clips, sampler.batch(7).clips)
    assert not sampler.unreadable


def test_successors_of_a_clip_that_is_read_from_a_file_are_its_next_frames(
    tmp_path: Path, native_folder: Path
) -> None:
    decoded = long_footage(tmp_path, native_folder, num_frames=300)
    batch = ClipSampler(decoded, LABELS, **UNLABELLED, with_successors=True).batch(0)
    following = (frame_numbers(batch.clips) + 1) % 32
    assert (frame_numbers(batch.successors) == following).mean() > 0.9  # the last has none


def test_places_that_break_are_replaced_and_told(tmp_path: Path, native_folder: Path) -> None:
    decoded = long_footage(tmp_path, native_folder, num_frames=3200)
    (tmp_path / "long.mp4").unlink()  # as a disk that goes away
    sampler = ClipSampler(decoded, LABELS, **UNLABELLED)
    batches = [sampler.batch(step) for step in range(3)]
    assert all(frame_numbers(batch.clips).max() < 20 for batch in batches)
    ((name, (count, reason)),) = sampler.unreadable.items()
    assert (Path(name).name, count > 8) == ("long.mp4", True)
    assert "does not exist" in reason
    again = ClipSampler(decoded, LABELS, **UNLABELLED)
    assert torch.equal(again.batch(1).clips, batches[1].clips)


def test_footage_of_which_nothing_can_be_read_any_more_is_an_error(
    tmp_path: Path, native_folder: Path
) -> None:
    write_video(tmp_path / "long.mp4", 300)
    (record,) = unlabelled_records([tmp_path])
    dataset = open_dataset(native_folder)
    decoded = DecodedVideos(dataset, [record], store_size=SIZE, byte_budget=1)
    record.path.unlink()
    with pytest.raises(VideoError, match=r"long\.mp4 does not exist"):
        ClipSampler(decoded, LABELS, **UNLABELLED).batch(0)


def test_batches_do_not_depend_on_what_fits_into_memory(
    decoded: DecodedVideos, native_folder: Path
) -> None:
    dataset = open_dataset(native_folder)
    partly = apply_split(dataset, {r.name for r in decoded.records if r.labelled})
    by_clips = DecodedVideos(partly, partly.split("train"), store_size=SIZE, byte_budget=1)
    samplers = [ClipSampler(videos, LABELS, **SPEC) for videos in (decoded, by_clips)]
    for step in range(4):
        kept, read = (sampler.batch(step) for sampler in samplers)
        assert torch.equal(kept.clips, read.clips)
        assert torch.equal(kept.masks, read.masks)
        assert torch.equal(kept.class_indices, read.class_indices)
