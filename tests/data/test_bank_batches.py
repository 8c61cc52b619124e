from __future__ import annotations

from contextlib import closing
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_data import LABELS

from vadsdk.data.bank_batches import BankBatches, bank_batches
from vadsdk.data.bank_building import build_bank
from vadsdk.data.bank_on_device import BankOnDevice
from vadsdk.data.batches import ClipBatch
from vadsdk.data.clip_bank import ClipBank, bits_of
from vadsdk.data.dataset import open_dataset
from vadsdk.data.decoded import DecodedVideos
from vadsdk.data.sampling import ClipSampler
from vadsdk.data.splits import apply_split
from vadsdk.errors import ConfigError
from vadsdk.kernels.view_sources import IndexedClips

SPEC = {
    "clip_length": 4,
    "frame_stride": 2,
    "num_labelled": 2,
    "num_unlabelled": 4,
    "seed": 0,
    "key_frame": "last",
    "with_successors": True,
}
ROOM = 1 << 30


@pytest.fixture(scope="module", params=[(24, 32), (23, 31)])  # whole words a row, and not
def videos(
    native_folder: Path, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> tuple[DecodedVideos, ClipBank]:
    dataset = open_dataset(native_folder)
    path = tmp_path_factory.mktemp("bank") / "a.bank"
    records, size = dataset.split("train"), request.param
    build_bank(dataset, records, path, store_size=size)
    names = {"videos/jump0.mp4", "videos/jump1.mp4", "videos/wave0.mp4"}
    partly = apply_split(dataset, names, {name: [0, 7, 10] for name in names})
    decoded = DecodedVideos(partly, partly.split("train"), store_size=size)
    return decoded, ClipBank.open(path).only(partly.split("train"))


def value_of(batch: ClipBatch, name: str) -> object:
    value = getattr(batch, name)
    return value.gathered() if isinstance(value, IndexedClips) else value


def differing(batch: ClipBatch, other: ClipBatch) -> list[str]:
    """Return the fields in which two batches differ."""
    pairs = {f.name: (value_of(batch, f.name), value_of(other, f.name)) for f in fields(batch)}
    return [
        name
        for name, (left, right) in pairs.items()
        if not (
            torch.equal(left, right)
            if isinstance(left, torch.Tensor) and isinstance(right, torch.Tensor)
            else left == right
        )
    ]


@pytest.mark.parametrize("room", [0, ROOM])
def test_batches_of_a_bank_are_those_of_the_sampler(
    videos: tuple[DecodedVideos, ClipBank], room: int
) -> None:
    decoded, bank = videos
    placed = BankOnDevice(bank, "cpu", byte_budget=room)
    assert placed.is_resident == bool(room)
    source = BankBatches(ClipSampler(bank, LABELS, **SPEC), placed)
    sampler = ClipSampler(decoded, LABELS, **SPEC)
    for step in range(8):
        expected = sampler.batch(step)
        assert expected.masks.any()
        assert expected.annotated is not None
        came = source.batch(step)
        assert (came.bank() is placed.frames) == placed.is_resident
        assert not differing(came, expected)
    other = sampler.batch(8)
    assert {"clips", "masks", "successors"} <= set(differing(source.batch(0), other))


def test_trimmed_videos_of_a_bank_give_the_same_batches(
    videos: tuple[DecodedVideos, ClipBank], native_folder: Path
) -> None:
    _, bank = videos
    dataset = open_dataset(native_folder)
    names = {"videos/jump0.mp4", "videos/wave0.mp4"}
    partly = apply_split(dataset, names, unlabelled_part="actions")
    records, size = partly.split("train"), bank.store_size
    decoded = DecodedVideos(partly, records, store_size=size)
    banked = DecodedVideos(partly, records, store_size=size, bank=bank).whole_bank
    assert banked is not None
    source = BankBatches(ClipSampler(banked, LABELS, **SPEC), BankOnDevice(banked, "cpu"))
    sampler = ClipSampler(decoded, LABELS, **SPEC)
    for step in range(8):
        assert not differing(source.batch(step), sampler.batch(step))
        places = sampler.places(step)[2:]
        assert all(4 <= p.frame_indices.min() <= p.frame_indices.max() < 16 for p in places)


def test_batches_made_ahead_are_the_same_from_any_step_on(
    videos: tuple[DecodedVideos, ClipBank],
) -> None:
    _, bank = videos
    source = BankBatches(ClipSampler(bank, LABELS, **SPEC), BankOnDevice(bank, "cpu"))
    with closing(bank_batches(source, 3, 7)) as batches:
        found = list(batches)
    assert len(found) == 4
    for step, batch in enumerate(found, start=3):
        assert not differing(batch, source.batch(step))


def test_a_share_of_the_bank_uploads_its_own_videos_alone(
    videos: tuple[DecodedVideos, ClipBank],
) -> None:
    _, bank = videos
    for rank in range(3):
        share = bank.shard(rank, 3)
        placed = BankOnDevice(share, "cpu", byte_budget=ROOM)
        assert len(placed.frames) == sum(share.num_frames.values()) == 40
        spec = SPEC | {"num_unlabelled": 1, "num_labelled": 1}
        sampler = ClipSampler(share, LABELS, **spec)
        source = BankBatches(sampler, placed)
        for step in range(4):
            assert not differing(source.batch(step), sampler.batch(step))


def test_a_bank_is_resident_where_its_bytes_fit(videos: tuple[DecodedVideos, ClipBank]) -> None:
    _, bank = videos
    assert BankOnDevice(bank, "cpu", byte_budget=bank.num_bytes).is_resident
    assert not BankOnDevice(bank, "cpu", byte_budget=bank.num_bytes - 1).is_resident
    assert not BankOnDevice(bank, "cpu").is_resident
    with pytest.raises(ConfigError, match="a clip bank is for cpu or cuda, not 'meta'"):
        BankOnDevice(bank, "meta")


def test_bits_come_in_the_order_of_numpy() -> None:
    packed = np.random.default_rng(0).integers(0, 256, (2, 3, 5), np.uint8)
    expected = np.unpackbits(packed, axis=-1)
    np.testing.assert_array_equal(bits_of(torch.from_numpy(packed)).numpy(), expected)


@pytest.mark.parametrize("world_size", [1, 2])
def test_the_batches_of_all_processes_are_together_that_of_one(
    videos: tuple[DecodedVideos, ClipBank], world_size: int
) -> None:
    decoded, bank = videos
    sampler = ClipSampler(decoded, LABELS, **SPEC)
    parts = [
        ClipSampler(decoded, LABELS, **SPEC, part=(rank, world_size)) for rank in range(world_size)
    ]
    placed = BankOnDevice(bank, "cpu")
    for step in range(4):
        whole = sampler.batch(step)
        rows = [BankBatches(part, placed).batch(step) for part in parts]
        assert all(batch.num_labelled == 2 // world_size for batch in rows)
        for labelled in (True, False):
            joined = torch.cat([batch.clips[batch.labelled == labelled] for batch in rows])
            assert torch.equal(joined, whole.clips[whole.labelled == labelled])
        for rank, part in enumerate(parts):
            assert not differing(part.batch(step), rows[rank])


@pytest.mark.gpu
@pytest.mark.parametrize("room", [0, ROOM])
def test_on_a_card_the_batches_are_the_same(
    videos: tuple[DecodedVideos, ClipBank], room: int
) -> None:
    decoded, bank = videos
    placed = BankOnDevice(bank, "cuda", byte_budget=room)
    assert placed.frames.is_cuda == bool(room)
    sampler = ClipSampler(decoded, LABELS, **SPEC)
    source = BankBatches(ClipSampler(bank, LABELS, **SPEC), placed)
    with closing(bank_batches(source, 0, 40)) as batches:
        found = [batch.to("cpu") for batch in batches]
    for step, batch in enumerate(found):
        assert not differing(batch, sampler.batch(step)), step


def test_hidden_labels_give_no_masks(videos: tuple[DecodedVideos, ClipBank]) -> None:
    _, bank = videos
    hidden = bank.only([replace(r, tubes=(), labelled=False) for r in bank.records[3:]])
    spec = SPEC | {"num_labelled": 0}
    batch = BankBatches(ClipSampler(hidden, LABELS, **spec), BankOnDevice(hidden, "cpu")).batch(0)
    assert not batch.masks.any()
    assert bank.packed_masks[60:].any()
