from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny_data import LABELS, add_video, make_dataset, make_tube

from vadsdk.data.bank_building import build_bank
from vadsdk.data.bank_file import DamagedBankError
from vadsdk.data.clip_bank import ClipBank, unpack_masks
from vadsdk.data.dataset import ActionDataset, open_dataset
from vadsdk.data.decoded import DecodedVideos
from vadsdk.data.native_writer import write_dataset
from vadsdk.errors import DatasetError

SIZE = (23, 31)  # 713 pixels: no whole number of bytes


def build(folder: Path, path: Path, **settings: Any) -> ClipBank:
    dataset = open_dataset(folder)
    build_bank(dataset, dataset.split("train"), path, store_size=SIZE, **settings)
    return ClipBank.open(path)


@pytest.fixture(scope="module")
def bank(native_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> ClipBank:
    return build(native_folder, tmp_path_factory.mktemp("bank") / "tiny.bank")


@pytest.fixture(scope="module")
def decoded(native_folder: Path) -> DecodedVideos:
    dataset = open_dataset(native_folder)
    return DecodedVideos(dataset, dataset.split("train"), store_size=SIZE)


def test_what_comes_out_is_what_was_decoded(bank: ClipBank, decoded: DecodedVideos) -> None:
    assert [record.name for record in bank.records] == [r.name for r in decoded.records]
    assert bank.num_frames == decoded.num_frames
    for name, count in bank.num_frames.items():
        wanted = np.array([*range(count), 3, 3, 0])
        found, expected = bank.clip(name, wanted), decoded.clip(name, wanted)
        np.testing.assert_array_equal(found.frames, expected.frames)
        np.testing.assert_array_equal(found.masks, expected.masks)
        assert found.masks is not None
        assert found.masks.any()


def test_the_annotation_comes_out_as_it_was(bank: ClipBank, native_folder: Path) -> None:
    assert bank.labels == LABELS
    for record, expected in zip(bank.records, open_dataset(native_folder).split("train"), strict=1):
        for name in ("name", "path", "split", "num_frames", "width", "height", "fps", "labelled"):
            assert getattr(record, name) == getattr(expected, name)
        assert record.annotated_frames == expected.annotated_frames
        for tube, wanted in zip(record.tubes, expected.tubes, strict=True):
            assert (tube.id, tube.label) == (wanted.id, wanted.label)
            assert (tube.start_seconds, tube.end_seconds) == (
                wanted.start_seconds,
                wanted.end_seconds,
            )
            np.testing.assert_array_equal(tube.frame_indices, wanted.frame_indices)
            np.testing.assert_array_equal(tube.boxes_xyxy, wanted.boxes_xyxy)


def test_sparse_trimmed_and_bare_videos_come_out_as_they_were(
    native_folder: Path, tmp_path: Path
) -> None:
    dataset = open_dataset(native_folder)
    first, second, third, *_ = dataset.split("train")
    records = [
        replace(first, annotated_frames=tuple(range(2, 18))),
        replace(second, tubes=(), video_label="wave"),
        replace(third, tubes=(), labelled=False),
    ]
    build_bank(dataset, records, tmp_path / "a.bank", store_size=SIZE)
    found = ClipBank.open(tmp_path / "a.bank")
    assert found.records[0].annotated_frames == tuple(range(2, 18))
    assert found.records[1].video_label == "wave"
    assert not found.records[2].labelled
    masks = [found.clip(r.name, np.array([5])).masks for r in records]
    assert [mask is None for mask in masks] == [False, True, True]


def test_hidden_labels_stay_hidden(bank: ClipBank) -> None:
    hidden = replace(bank.records[0], tubes=(), labelled=False)
    fewer = bank.only([hidden, bank.records[1]])
    assert fewer.clip(hidden.name, np.array([5])).masks is None
    assert fewer.clip(bank.records[1].name, np.array([5])).masks is not None
    assert bank.clip(hidden.name, np.array([5])).masks is not None


def test_a_frame_that_a_video_does_not_have_is_an_error(bank: ClipBank) -> None:
    for index in (-1, 20):
        with pytest.raises(IndexError, match="has 20 frames"):
            bank.clip(bank.records[0].name, np.array([0, index]))


def test_packed_masks_of_any_size_come_out_whole() -> None:
    generator = np.random.default_rng(0)
    for height, width in ((1, 1), (3, 5), (4, 4), (7, 9)):
        masks = generator.integers(0, 2, (3, height, width), np.uint8)
        packed = torch.from_numpy(np.packbits(masks.reshape(3, -1), axis=1))
        found = unpack_masks(packed, (height, width))
        assert found.dtype == torch.uint8
        np.testing.assert_array_equal(found.numpy(), masks)


def test_frames_begin_on_a_page_and_lie_one_after_another(bank: ClipBank) -> None:
    assert bank.frames.data_ptr() % 4096 == 0
    assert bank.packed_masks.data_ptr() % 4096 == 0
    num_bytes = 120 * (23 * 31 * 3 + 90)
    assert bank.num_bytes == num_bytes
    assert num_bytes < bank.path.stat().st_size < num_bytes + 60_000
    firsts = [bank.entries[record.name].first_frame for record in bank.records]
    assert firsts == [0, 20, 40, 60, 80, 100]


def cut(path: Path, where: Callable[[int], int]) -> None:
    os.truncate(path, where(path.stat().st_size))


def append(path: Path, content: bytes) -> None:
    with path.open("ab") as file:
        file.write(content)


def overwrite(path: Path, offset: int, content: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(offset, 0 if offset >= 0 else 2)
        file.write(content)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda path: cut(path, lambda size: size - 1), r"bytes instead of \d+"),
        (lambda path: cut(path, lambda size: size // 2), r"bytes instead of \d+"),
        (lambda path: cut(path, lambda size: 30), "cut off after 30 bytes"),
        (lambda path: append(path, b"more"), r"bytes instead of \d+"),
        (lambda path: overwrite(path, 16, b"\x09"), "is of version 9, this vadsdk reads 1"),
        (lambda path: overwrite(path, -20, b"\x00\x00"), r"index of the clip bank .* is damaged"),
    ],
)
def test_a_damaged_bank_is_named(
    native_folder: Path, tmp_path: Path, spoil: Callable[[Path], object], message: str
) -> None:
    path = tmp_path / "a.bank"
    build(native_folder, path)
    spoil(path)
    with pytest.raises(DamagedBankError, match=message):
        ClipBank.open(path)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"vadsdk clip", b"x" * 9000])
def test_a_foreign_file_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a").write_bytes(content)
    with pytest.raises(DatasetError, match=r"is no clip bank; give another data\.bank"):
        ClipBank.open(tmp_path / "a")


def test_a_bank_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"cannot read the clip bank .*: No such file"):
        ClipBank.open(tmp_path / "a")


def test_a_build_that_breaks_leaves_what_was_there(native_folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "a.bank"
    build(native_folder, path)
    before = path.read_bytes()

    def stop(done: int, total: int) -> None:
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build(native_folder, path, progress=stop)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["a.bank"]


def test_a_bank_is_the_same_file_whatever_the_number_of_workers(
    native_folder: Path, tmp_path: Path
) -> None:
    for workers in (1, 3):
        build(native_folder, tmp_path / f"{workers}.bank", num_workers=workers)
    assert (tmp_path / "1.bank").read_bytes() == (tmp_path / "3.bank").read_bytes()


def broken_dataset(folder: Path) -> ActionDataset:
    """One video that is none, one that is shorter than annotated, and a good one."""
    videos = [add_video(folder, name, (make_tube("jump", 0, 5),)) for name in "abc"]
    write_dataset(folder, LABELS, videos)
    (folder / "videos" / "a.mp4").write_text("no video", encoding="utf-8")
    add_video(folder, "b", num_frames=12)
    return open_dataset(folder)


def test_broken_videos_are_left_out_with_the_same_reasons_as_without_a_bank(
    tmp_path: Path,
) -> None:
    dataset = broken_dataset(tmp_path / "data")
    path = tmp_path / "a.bank"
    build_bank(dataset, dataset.records, path, store_size=SIZE)
    without = DecodedVideos(dataset, dataset.records, store_size=SIZE)
    banked = DecodedVideos(dataset, dataset.records, store_size=SIZE, bank=ClipBank.open(path))
    assert banked.skipped == without.skipped
    assert len(banked.skipped) == 2
    assert banked.num_frames == without.num_frames == {"videos/c.mp4": 20}


def test_nothing_to_decode_at_all_is_an_error_and_no_bank(tmp_path: Path) -> None:
    write_dataset(tmp_path, LABELS, [add_video(tmp_path, "a")])
    (tmp_path / "videos" / "a.mp4").unlink()
    dataset = open_dataset(tmp_path)
    with pytest.raises(DatasetError, match=r"no video of .* can be used; the first of 1: .*a\.mp4"):
        build_bank(dataset, dataset.records, tmp_path / "a.bank", store_size=SIZE)
    assert not (tmp_path / "a.bank").exists()


def with_lengths(bank: ClipBank, *, unlabelled: int) -> ClipBank:
    """The same videos, as if they had other lengths; the last ones without labels."""
    records = list(bank.records)
    for index in range(len(records) - unlabelled, len(records)):
        records[index] = replace(records[index], tubes=(), labelled=False)
    return bank.only(records)


@pytest.mark.parametrize("world_size", [1, 2, 3])
def test_shares_cover_every_video_once_and_are_alike(bank: ClipBank, world_size: int) -> None:
    whole = with_lengths(bank, unlabelled=3)
    shares = [whole.shard(rank, world_size) for rank in range(world_size)]
    names = [record.name for share in shares for record in share.records]
    assert sorted(names) == sorted(record.name for record in whole.records)
    for labelled in (True, False):
        counts = [sum(r.labelled == labelled for r in share.records) for share in shares]
        assert max(counts) - min(counts) <= 1
    frames = [sum(share.num_frames.values()) for share in shares]
    assert max(frames) - min(frames) <= 20  # the longest video


def test_every_process_gets_an_action_where_classes_are_rare(bank: ClipBank) -> None:
    known = {tube.label: record for record in bank.records for tube in record.tubes}
    rest = [r for r in bank.records if r not in known.values()][:3]
    whole = bank.only([*known.values(), *(replace(r, tubes=(), labelled=False) for r in rest)])
    whole.num_frames = {r.name: 20 if r.labelled else 1000 for r in whole.records}
    for rank in range(2):
        assert sum(r.labelled for r in whole.shard(rank, 2).records) == 1


def test_shares_are_the_same_wherever_they_are_dealt(bank: ClipBank) -> None:
    again = ClipBank.open(bank.path)
    for rank in range(2):
        names = [record.name for record in bank.shard(rank, 2).records]
        assert names == [record.name for record in again.shard(rank, 2).records]


def test_too_few_videos_for_a_share_each_are_refused(bank: ClipBank) -> None:
    with pytest.raises(DatasetError, match="1 unlabelled videos are too few for a share each of 2"):
        with_lengths(bank, unlabelled=1).shard(0, 2)
    one = replace(bank.records[0], tubes=())  # a labelled video in which nothing is done
    with pytest.raises(DatasetError, match="1 labelled videos are too few for a share each of 2"):
        bank.only([one, bank.records[1]]).shard(0, 2)
    with pytest.raises(ValueError, match=r"rank must be in \[0, 2\)"):
        bank.shard(2, 2)


BARE_MACHINE = """
import sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {"av", "cv2", "pydantic", "scipy", "typer", "rich", "pycocotools"}:
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Missing())
from vadsdk.data.clip_bank import ClipBank
from vadsdk.data.bank_batches import BankBatches
from vadsdk.data.bank_on_device import BankOnDevice
from vadsdk.data.bank_writing import BankVideo, write_bank
from vadsdk.data.sampling import ClipSampler

bank = ClipBank.open(sys.argv[1])
sampler = ClipSampler(
    bank, bank.labels, clip_length=4, frame_stride=2, num_labelled=2, num_unlabelled=0, seed=0
)
batch = BankBatches(sampler, BankOnDevice(bank, "cpu")).batch(3)
print(batch.clips.sum().item() + batch.masks.sum().item())
"""


def test_a_machine_with_torch_and_numpy_alone_draws_the_same_batches(
    bank: ClipBank, decoded: DecodedVideos
) -> None:
    from vadsdk.data.sampling import ClipSampler

    command = [sys.executable, "-c", BARE_MACHINE, str(bank.path)]
    finished = subprocess.run(command, capture_output=True, text=True)
    assert finished.returncode == 0, finished.stderr
    sampler = ClipSampler(
        decoded, LABELS, clip_length=4, frame_stride=2, num_labelled=2, num_unlabelled=0, seed=0
    )
    batch = sampler.batch(3)
    assert int(finished.stdout) == int(batch.clips.sum()) + int(batch.masks.sum())


def test_a_data_set_is_not_asked_for_what_is_copied(native_folder: Path, tmp_path: Path) -> None:
    folder = make_dataset(tmp_path / "data")
    earlier = build(folder, tmp_path / "a.bank")
    for video in (folder / "videos").iterdir():
        video.unlink()
    copied = build(folder, tmp_path / "b.bank", earlier=earlier)
    assert torch.equal(copied.frames, earlier.frames)
    assert torch.equal(copied.packed_masks, earlier.packed_masks)
