from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tiny_data import (
    LABELS,
    add_video,
    box_masks,
    frame_number,
    make_dataset,
    make_tube,
    write_video,
)

from vadsdk.data.dataset import ActionDataset, open_dataset
from vadsdk.data.decoded import DecodedVideos, StoredVideo, shrink_masks
from vadsdk.data.footage import unlabelled_records
from vadsdk.data.native_writer import write_dataset
from vadsdk.data.segments import read_segment
from vadsdk.errors import DatasetError, VideoError

SIZE = (24, 32)
BYTES_A_VIDEO = 20 * 24 * 32 * 4


def whole(decoded: DecodedVideos, name: str) -> StoredVideo:
    return decoded.clip(name, np.arange(decoded.num_frames[name]))


def decode(dataset: ActionDataset, **settings: int) -> DecodedVideos:
    return DecodedVideos(dataset, dataset.split("train"), store_size=SIZE, **settings)


def test_frames_and_masks_are_stored_small(native_folder: Path) -> None:
    calls: list[tuple[int, int]] = []
    dataset = open_dataset(native_folder)
    decoded = DecodedVideos(
        dataset,
        dataset.split("train"),
        store_size=SIZE,
        progress=lambda done, total: calls.append((done, total)),
    )
    video = whole(decoded, "videos/jump1.mp4")
    assert video.frames.shape == (20, *SIZE, 3)
    assert video.frames.dtype == np.uint8
    assert [frame_number(frame) for frame in video.frames] == list(range(20))
    assert video.masks is not None
    assert not video.masks[:4].any()
    assert not video.masks[16:].any()
    assert (video.masks[4:16] == box_masks(make_tube("jump", 4, 16))[:, ::2, ::2]).all()
    assert calls == [(number, 6) for number in range(1, 7)]
    assert set(decoded.num_frames.values()) == {20}
    assert not decoded.skipped


def test_an_unlabelled_video_has_no_masks(native_folder: Path) -> None:
    dataset = open_dataset(native_folder)
    record = replace(dataset.records[0], tubes=(), labelled=False)
    decoded = DecodedVideos(dataset, [record], store_size=SIZE)
    assert whole(decoded, record.name).masks is None


def test_what_does_not_fit_is_read_clip_by_clip_and_equal(native_folder: Path) -> None:
    dataset = open_dataset(native_folder)
    roomy = decode(dataset)
    tight = decode(dataset, byte_budget=4 * BYTES_A_VIDEO)
    for record in tight.records * 2:
        assert (whole(tight, record.name).frames == whole(roomy, record.name).frames).all()
    assert roomy.num_stored_bytes == 6 * BYTES_A_VIDEO
    assert tight.num_stored_bytes == 4 * BYTES_A_VIDEO


def test_labelled_videos_are_kept_before_others(native_folder: Path) -> None:
    dataset = open_dataset(native_folder)
    bare = [replace(r, tubes=(), labelled=False) for r in dataset.records[:4]]
    records = [*bare, *dataset.records[4:8]]
    decoded = DecodedVideos(dataset, records, store_size=SIZE, byte_budget=5 * BYTES_A_VIDEO)
    assert decoded.num_stored_bytes == (4 + 0.75) * BYTES_A_VIDEO  # one more, without its masks


def test_a_trimmed_video_with_a_class_has_no_masks_and_any_length(tmp_path: Path) -> None:
    write_dataset(tmp_path, LABELS, [replace(add_video(tmp_path, "a"), video_label="wave")])
    add_video(tmp_path, "a", num_frames=12)  # others than listed
    dataset = open_dataset(tmp_path)
    assert dataset.records[0].video_label == "wave"
    kept = decode(dataset)
    assert kept.num_frames == {"videos/a.mp4": 12}
    assert whole(kept, "videos/a.mp4").masks is None
    by_clips = decode(dataset, byte_budget=1)
    found = by_clips.clip("videos/a.mp4", np.array([10, 14, 19]))
    assert found.masks is None
    assert [frame_number(frame) for frame in found.frames] == [10, 11, 11]


def test_broken_videos_are_left_out_with_their_reasons(tmp_path: Path) -> None:
    videos = [add_video(tmp_path, name, (make_tube("jump", 0, 5),)) for name in "abcd"]
    write_dataset(tmp_path, LABELS, videos)
    (tmp_path / "videos" / "a.mp4").write_text("no video", encoding="utf-8")
    (tmp_path / "videos" / "b.mp4").write_bytes(b"")
    add_video(tmp_path, "c", num_frames=12)  # shorter than annotated
    decoded = decode(open_dataset(tmp_path))
    assert [record.name for record in decoded.records] == ["videos/d.mp4"]
    reasons = dict(decoded.skipped)
    assert list(reasons) == ["videos/a.mp4", "videos/b.mp4", "videos/c.mp4"]
    assert "a.mp4" in reasons["videos/a.mp4"]
    assert "b.mp4" in reasons["videos/b.mp4"]
    assert "has 12 frames, its annotation is for 20; replace" in reasons["videos/c.mp4"]


@pytest.mark.parametrize("byte_budget", [1 << 30, 1])  # kept, or read clip by clip
@pytest.mark.parametrize(("annotated", "is_used"), [((0, 11), True), ((0, 12), False)])
def test_sparse_annotation_needs_the_frames_that_were_looked_at_alone(
    tmp_path: Path, byte_budget: int, annotated: tuple[int, ...], is_used: bool
) -> None:
    videos = [add_video(tmp_path, name, (make_tube("jump", 0, 1),)) for name in "ab"]
    write_dataset(tmp_path, LABELS, videos)
    add_video(tmp_path, "a", num_frames=12)  # of 20
    dataset = open_dataset(tmp_path)
    dataset.records = (replace(dataset.records[0], annotated_frames=annotated), dataset.records[1])
    decoded = DecodedVideos(
        dataset, dataset.records, store_size=(24, 32), byte_budget=byte_budget, num_workers=1
    )
    assert ("videos/a.mp4" in decoded.num_frames) == is_used


def test_no_usable_video_at_all_is_an_error(tmp_path: Path) -> None:
    write_dataset(tmp_path, LABELS, [add_video(tmp_path, "a")])
    (tmp_path / "videos" / "a.mp4").unlink()
    with pytest.raises(DatasetError, match=r"no video of .* can be used; the first of 1: .*a\.mp4"):
        decode(open_dataset(tmp_path))


def test_the_same_video_twice_is_an_error(native_folder: Path) -> None:
    dataset = open_dataset(native_folder)
    with pytest.raises(DatasetError, match=r"two videos are called 'videos/jump0\.mp4'"):
        DecodedVideos(dataset, [dataset.records[0]] * 2)


def test_a_mask_pixel_is_set_where_half_is_covered() -> None:
    masks = np.array([[[1, 1, 0, 0, 1, 0], [0, 0, 0, 0, 0, 0]]], np.bool_)  # (1, 2, 6)
    assert shrink_masks(masks, (1, 3)).tolist() == [[[1, 0, 0]]]


def test_a_long_video_is_read_clip_by_clip_with_the_same_frames(native_folder: Path) -> None:
    dataset = open_dataset(native_folder)
    roomy, tight = decode(dataset), decode(dataset, byte_budget=BYTES_A_VIDEO)
    wanted = np.array([3, 7, 11, 19, 19])
    for record in tight.records:
        found, expected = tight.clip(record.name, wanted), roomy.clip(record.name, wanted)
        np.testing.assert_array_equal(found.frames, expected.frames)
        np.testing.assert_array_equal(found.masks, expected.masks)
    assert tight.num_stored_bytes == 0
    assert tight.num_frames == roomy.num_frames


def test_a_long_video_that_ends_early_is_left_out(tmp_path: Path) -> None:
    videos = [add_video(tmp_path, name, (make_tube("jump", 0, 5),)) for name in "ab"]
    write_dataset(tmp_path, LABELS, videos)
    add_video(tmp_path, "a", num_frames=12)
    decoded = decode(open_dataset(tmp_path), byte_budget=BYTES_A_VIDEO)
    ((name, reason),) = decoded.skipped
    assert name == "videos/a.mp4"
    assert "has no frame 19" in reason


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".avi", ".mov", ".ts"])
def test_long_footage_is_read_anywhere_and_never_kept(tmp_path: Path, suffix: str) -> None:
    write_video(tmp_path / f"long{suffix}", 100)
    (record,) = unlabelled_records([tmp_path])
    assert record.num_frames == 100
    dataset = open_dataset(make_dataset(tmp_path / "set"))
    decoded = DecodedVideos(dataset, [record], store_size=SIZE, byte_budget=1000)
    for first in (0, 1, 11, 12, 47, 90):
        indices = first + np.array([0, 4, 8, 9])
        found = decoded.clip(record.name, indices)
        assert found.masks is None
        numbers = np.array([frame_number(frame) for frame in found.frames])
        late = 2 if suffix == ".avi" else 0  # its time stamps are those of decoding
        assert ((indices - numbers) % 32 <= late).all()
        assert (np.diff(numbers) % 32 == np.diff(indices)).all()
    assert decoded.num_stored_bytes == 0


def test_a_file_that_ends_before_it_says_repeats_its_last_frame(tmp_path: Path) -> None:
    write_video(tmp_path / "a.mp4", 20)
    frames = read_segment(tmp_path / "a.mp4", 1.5, (0, 4, 9), SIZE)
    assert [frame_number(frame) for frame in frames] == [15, 19, 19]
    with pytest.raises(VideoError, match=r"a\.mp4 ends before 2\.5 s; copy it again"):
        read_segment(tmp_path / "a.mp4", 2.5, (0, 1), SIZE)
