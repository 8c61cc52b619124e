"""A clip bank of noise in a file, as large as a data set: what a run learns from, without videos.

    FILE --ClipBank.open--> mapped --BankOnDevice--> uploaded once: views read their frames there
                                                 --> left on the host: clips are gathered into
                                                     page-locked memory and copied for each step

Needs torch and numpy alone.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from timing import synchronise

from vadsdk.data.bank_on_device import BankOnDevice
from vadsdk.data.bank_writing import BankVideo, write_bank
from vadsdk.data.clip_bank import ClipBank
from vadsdk.data.records import VideoRecord
from vadsdk.structures import Tube

NUM_DIFFERENT_FRAMES = 256
"""Frames of noise that are drawn; videos are stretches of them, from one place or another."""
LABELLED_OF_TEN = 3
"""Videos of ten whose annotation is known."""
DISK_SHARE = 0.5
"""Of what is free, that a bank may take."""
PROBE_BYTES = 2**28


@dataclass(frozen=True, kw_only=True, slots=True)
class BankSize:
    """How much noise there is."""

    num_videos: int
    num_frames: int
    """Of all videos."""
    stored: tuple[int, int]
    num_classes: int

    @property
    def frame_bytes(self) -> int:
        """Bytes of a stored frame and its packed mask."""
        pixels = self.stored[0] * self.stored[1]
        return 3 * pixels + -(-pixels // 8)

    def at_most(self, num_bytes: float) -> BankSize:
        """Return the same with as many of its videos as take so many bytes, and no class less."""
        share = min(1.0, num_bytes / (self.num_frames * self.frame_bytes))
        least = min(self.num_videos, 10 * -(-self.num_classes // LABELLED_OF_TEN))
        kept = max(int(share * self.num_videos), least)
        return BankSize(
            num_videos=kept,
            num_frames=self.num_frames * kept // self.num_videos,
            stored=self.stored,
            num_classes=self.num_classes,
        )


def affordable(size: BankSize, folder: Path, seconds: float) -> BankSize:
    """Return a size, or less where the disk has not the room or is too slow for it.

    Args:
        size: what is wanted.
        folder: where the file will lie.
        seconds: that writing may take, by the speed of a part that is written first.
    """
    if size.num_frames * size.frame_bytes <= PROBE_BYTES:
        return size
    room = DISK_SHARE * shutil.disk_usage(folder).free
    noise = np.random.default_rng(0).bytes(PROBE_BYTES)
    started = time.perf_counter()
    with tempfile.NamedTemporaryFile(dir=folder) as file:
        file.write(noise)
        file.flush()
        os.fsync(file.fileno())
    written = PROBE_BYTES / (time.perf_counter() - started)
    return size.at_most(min(room, written * seconds))


def write_noise_bank(path: Path, size: BankSize) -> None:
    """Write the file and let the system forget it, so that it is read from the disk afterwards."""
    labels = tuple(f"action {number}" for number in range(size.num_classes))
    write_bank(path, _videos(size, labels), name="noise", labels=labels, store_size=size.stored)
    with path.open("rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def opened(path: Path) -> ClipBank:
    """Open a bank and remove its name: however this process ends, the disk has its room again."""
    bank = ClipBank.open(path)
    path.unlink()
    return bank


def placed(bank: ClipBank, device: torch.device, *, is_resident: bool) -> BankOnDevice:
    """Return a bank in a device's memory, or on the host; a card has then received all of it."""
    budget = bank.num_bytes if is_resident else 0
    on_device = BankOnDevice(bank, device, byte_budget=budget)
    synchronise(device)
    return on_device


def _videos(size: BankSize, labels: tuple[str, ...]) -> Iterator[BankVideo]:
    generator = np.random.default_rng(0)
    shape = (NUM_DIFFERENT_FRAMES, *size.stored, 3)
    noise = generator.integers(256, size=shape, dtype=np.uint8)
    height, width = size.stored
    masks = np.zeros((NUM_DIFFERENT_FRAMES, height, width), np.uint8)
    masks[:, height // 4 : 3 * height // 4, width // 4 : 3 * width // 4] = 1
    shortest, longer = divmod(size.num_frames, size.num_videos)
    for number in range(size.num_videos):
        length = shortest + (number < longer)
        first = int(generator.integers(NUM_DIFFERENT_FRAMES - length + 1))
        record = _record(number, length, size, labels)
        yield BankVideo(
            record=record,
            frames=noise[first : first + length],
            masks=masks[:length] if record.labelled else None,
        )


def _record(number: int, length: int, size: BankSize, labels: tuple[str, ...]) -> VideoRecord:
    """Return a video's record; an actor in the middle does one thing all the time."""
    height, width = size.stored
    turn, place = divmod(number, 10)
    is_labelled = place < LABELLED_OF_TEN
    box = np.array([width / 4, height / 4, 3 * width / 4, 3 * height / 4], np.float32)
    tube = Tube(
        id=0,
        label=labels[(turn * LABELLED_OF_TEN + place) % len(labels)],
        score=1.0,
        frame_indices=np.arange(length),
        boxes_xyxy=np.tile(box, (length, 1)),
    )
    return VideoRecord(
        name=f"noise {number}",
        path=Path(f"noise{number}.mp4"),
        split="train",
        num_frames=length,
        width=width,
        height=height,
        fps=25.0,
        tubes=(tube,) if is_labelled else (),
        labelled=is_labelled,
    )
