"""The decoded training set in one file, so that no step of a run waits for a decoder.

    videos --build_bank, once--> FILE --ClipBank.open--> clips of the mapped file
                                      --BankOnDevice---> batches on a CPU or a card, see there

Reading a bank needs torch and numpy alone: neither a decoder nor the data set's own folder. A bank
holds the videos that the memory budget of the run that built it admits (`decoded.choose_kept`);
clips of longer footage are read from its files as before.

Legend: N frames of all videos, h and w of a stored frame, P bytes of a packed mask, T frames of a
    clip.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vadsdk.data.bank_annotation import read_records
from vadsdk.data.bank_file import DamagedBankError, mask_bytes, read_bank_file
from vadsdk.data.records import VideoRecord, has_boxes, has_frames_of, other_frames
from vadsdk.data.stored_video import StoredVideo
from vadsdk.errors import DatasetError

_NUM_READERS = 2
_NO_ACTION = ("labelled",)
"""The kind of a labelled video in which nothing is done."""


@dataclass(frozen=True, kw_only=True, slots=True)
class BankEntry:
    """What a bank knows of one video besides its annotation."""

    first_frame: int
    """Where its frames begin among the N."""
    num_frames: int
    """How many there are: what the file decoded to, whatever its annotation says."""
    source: tuple[int, ...] | None
    """Size and time of change of the file that it was decoded from, see `bank_sources`."""
    annotation: str
    """Digest of the annotation from which its masks were made."""
    has_masks: bool
    """Whether there are masks; where not, they are all zero."""
    problem: str | None
    """Why there are no masks although boxes are annotated."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SkippedVideo:
    """A video that could not be decoded when the bank was built."""

    reason: str
    """What the decoder said."""
    source: tuple[int, ...] | None
    """As in `BankEntry`."""


class ClipBank:
    """Decoded videos of one file, and their annotation.

    Frames and masks are mapped: they take no memory of their own, stay valid if the file is
    replaced, and must not be written to, which would end the process.

    Args:
        path: of the file.
        index: its JSON, see `bank_building.build_bank`.
        arrays: its arrays.
    """

    def __init__(
        self, path: Path, index: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]
    ) -> None:
        self.path = path
        self.name = str(index["name"])
        """Of the data set."""
        self.labels = tuple(str(label) for label in index["labels"])
        """Names of the K classes."""
        height, width = (int(length) for length in index["store_size"])
        self.store_size = height, width
        """h and w."""
        self.frames = _mapped_tensor(arrays["frames"])
        """(N, h, w, 3) uint8 RGB."""
        self.packed_masks = _mapped_tensor(arrays["masks"])
        """(N, P) uint8, 8 pixels a byte, the first in the highest bit."""
        self.records = read_records(index["videos"], arrays)
        """The videos, annotated as when the bank was built or as `only` was given them."""
        self.entries = {video["name"]: _entry(video) for video in index["videos"]}
        """By name."""
        self._by_name = {record.name: record for record in self.records}
        self.num_frames = {name: self.entries[name].num_frames for name in self._by_name}
        """Frames of each of the records, by name."""
        self.skipped = {
            name: SkippedVideo(reason=str(reason), source=_source(source))
            for name, reason, source in index["skipped"]
        }
        """By name."""
        self._check()

    @classmethod
    def open(cls, path: Path | str) -> Self:
        """Open a file that `build_bank` or `vadsdk data bank` made.

        Raises:
            DatasetError: there is no such file, or it is something else.
            DamagedBankError: it was a bank; building it anew helps.
        """
        path = Path(path)
        index, arrays = read_bank_file(path)
        try:
            return cls(path, index, arrays)
        except (ValueError, KeyError, TypeError, IndexError, StopIteration) as error:
            raise DamagedBankError(
                f"the clip bank {path} does not hold what it says: {error}"
            ) from None

    @property
    def num_workers(self) -> int:
        """Clips that can be read at the same time."""
        return _NUM_READERS

    @property
    def whole_bank(self) -> Self:
        """Itself, as it holds all of its records."""
        return self

    @property
    def num_bytes(self) -> int:
        """Bytes that frames and packed masks of the records take."""
        height, width = self.store_size
        return sum(self.num_frames.values()) * (height * width * 3 + mask_bytes(self.store_size))

    def clip(self, name: str, frame_indices: NDArray[np.integer]) -> StoredVideo:
        """Return some frames of a video, (T, h, w, 3), and its masks.

        Args:
            name: of one of the records.
            frame_indices: (T,) in any order; they may repeat.
        """
        entry = self.entries[name]
        places = np.asarray(frame_indices, np.int64)
        if len(places) and not 0 <= places.min() <= places.max() < entry.num_frames:
            raise IndexError(f"{name} has {entry.num_frames} frames, not {places.tolist()}")
        places = places + entry.first_frame
        masks = None
        if entry.has_masks and has_boxes(self._by_name[name]):
            packed = torch.from_numpy(self.packed_masks.numpy()[places])
            masks = unpack_masks(packed, self.store_size).numpy()
        return StoredVideo(frames=self.frames.numpy()[places], masks=masks)

    def only(self, records: Sequence[VideoRecord]) -> Self:
        """Return the bank with these records alone, as they are given: some without their labels.

        Raises:
            DatasetError: a record is not in the bank.
        """
        for record in records:
            if record.name not in self.entries:
                raise DatasetError(f"{record.name} is not in the clip bank {self.path}")
        fewer = copy.copy(self)
        fewer.records = tuple(records)
        fewer._by_name = {record.name: record for record in records}
        fewer.num_frames = {name: self.entries[name].num_frames for name in fewer._by_name}
        return fewer

    def shard(self, rank: int, world_size: int) -> Self:
        """Return the bank with the records that are the share of one of several processes.

        Every video is in just one share. Each kind of video (labelled of a class, unlabelled) is
        dealt out by itself, longest first to who has the fewest of the kind, then the fewest
        labelled or unlabelled ones, then the fewest frames, so that shares are alike in kind and
        length. A class with fewer videos than processes is missing in some of them.

        For sets that fit the memory of all cards together but not of each: each process then draws
        from its share a stream of its own, with another seed. Where every process can see the whole
        bank, the `part` of a `ClipSampler` is to be preferred: the batches of all processes are
        then together the one that a single process would have drawn.

        Args:
            rank: 0 <= rank < world_size.
            world_size: number of processes.

        Raises:
            DatasetError: there are fewer videos than processes that are unlabelled, or that are
                labelled and show an action.
        """
        if not 0 <= rank < world_size:
            raise ValueError(f"rank must be in [0, {world_size}), not {rank}")
        rank_of = _deal(self.records, self.num_frames, world_size)
        for kind, names in (
            ("labelled", [r.name for r in self.records if r.labelled and _kind(r) != _NO_ACTION]),
            ("unlabelled", [r.name for r in self.records if not r.labelled]),
        ):
            if 0 < len({rank_of[name] for name in names}) < world_size:
                raise DatasetError(
                    f"{len(names)} {kind} videos are too few for a share each of {world_size} "
                    "processes; start fewer, or set data.shard_bank=false"
                )
        return self.only([record for record in self.records if rank_of[record.name] == rank])

    def _check(self) -> None:
        count, size = len(self.frames), self.store_size
        if self.frames.shape != (count, *size, 3):
            raise ValueError(f"frames of {tuple(self.frames.shape)}")
        if self.packed_masks.shape != (count, mask_bytes(size)):
            raise ValueError(f"masks of {tuple(self.packed_masks.shape)}")
        for name, entry in self.entries.items():
            if not 0 <= entry.first_frame <= entry.first_frame + entry.num_frames <= count:
                raise ValueError(f"{name} is beyond its frames")


def unpack_masks(packed: Tensor, size: tuple[int, int]) -> Tensor:
    """Return masks (..., h, w) uint8, 0 or 1, on the device where the packed ones (..., P) are.

    Args:
        packed: uint8, as `ClipBank.packed_masks`.
        size: h and w.
    """
    if packed.device.type == "cpu":
        bits = torch.from_numpy(np.unpackbits(packed.numpy(), axis=-1))
    else:
        bits = bits_of(packed)
    return bits[..., : size[0] * size[1]].reshape(*packed.shape[:-1], *size)


def bits_of(packed: Tensor) -> Tensor:
    """Return (..., 8 P) uint8, what `np.unpackbits` makes of (..., P) uint8, on any device."""
    shifts = torch.arange(7, -1, -1, dtype=torch.uint8, device=packed.device)
    return ((packed[..., None] >> shifts) & 1).flatten(-2)


def why_unusable(record: VideoRecord, entry: BankEntry) -> str | None:
    """Return why a record cannot be learned from with the frames of an entry, or None."""
    if not has_boxes(record):
        return None
    if not has_frames_of(record, entry.num_frames):
        return other_frames(record, entry.num_frames)
    if entry.has_masks:
        return None
    return entry.problem or f"{record.name} was not annotated when the clip bank was built"


def _entry(video: Mapping[str, Any]) -> BankEntry:
    return BankEntry(
        first_frame=int(video["first_frame"]),
        num_frames=int(video["decoded_frames"]),
        source=_source(video["source"]),
        annotation=str(video["annotation"]),
        has_masks=bool(video["has_masks"]),
        problem=video["problem"],
    )


def _source(value: Sequence[int] | None) -> tuple[int, ...] | None:
    return None if value is None else tuple(value)


def _mapped_tensor(array: NDArray[Any]) -> Tensor:
    with warnings.catch_warnings():  # that it cannot be written to, which nobody does
        warnings.simplefilter("ignore", UserWarning)
        return torch.from_numpy(array)


def _deal(
    records: Sequence[VideoRecord], num_frames: Mapping[str, int], world_size: int
) -> dict[str, int]:
    """Return whose share each record is, by name."""
    kinds: dict[tuple[str, ...], list[VideoRecord]] = {}
    for record in records:
        kinds.setdefault(_kind(record), []).append(record)
    rank_of: dict[str, int] = {}
    frames_of, totals = [0] * world_size, {True: [0] * world_size, False: [0] * world_size}
    for kind in sorted(kinds):
        counts = [0] * world_size
        for record in sorted(kinds[kind], key=lambda r: (-num_frames[r.name], r.name)):
            alike = totals[record.labelled]
            rank = min(range(world_size), key=lambda r: (counts[r], alike[r], frames_of[r], r))
            rank_of[record.name] = rank
            counts[rank] += 1
            alike[rank] += 1
            frames_of[rank] += num_frames[record.name]
    return rank_of


def _kind(record: VideoRecord) -> tuple[str, ...]:
    if not record.labelled:
        return ()
    labels = {tube.label for tube in record.tubes}
    return (*_NO_ACTION, *sorted({record.video_label or "", *labels} - {""}))
