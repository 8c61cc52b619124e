"""Videos decoded once, small, and kept in memory as far as they fit; of others, clip by clip.

    in the clip bank       never decoded, nor is the file looked at
    while there is room    decoded whole at the start and kept, labelled ones first
    all others             and what would take over a quarter of the room, however long:
                           each clip is read from the file when it is asked for, and forgotten

Legend: F frames of a video, T frames of a clip, h and w of the stored frame.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
from numpy.typing import NDArray

from vadsdk.data.clip_bank import ClipBank, why_unusable
from vadsdk.data.decode_worker import DecodeRequest
from vadsdk.data.decode_workers import DecodeWorkers
from vadsdk.data.measuring import measured_as, measured_if_readable
from vadsdk.data.records import ActionDataset, VideoRecord, has_boxes, has_frames_of, other_frames
from vadsdk.data.stored_video import StoredVideo
from vadsdk.errors import DatasetError, VideoError

DEFAULT_STORE_SIZE = (128, 128)
DEFAULT_BYTE_BUDGET = 2 << 30
_LONGEST_SHARE = 4
"""A video that would take more than the budget divided by this is not kept whole."""


class DecodedVideos:
    """The videos that a training run reads: decoded, resized, and kept in memory or read by clips.

    Making it decodes what there is room for, in processes of its own, and tries every other video.
    One that cannot be used, even one that crashes its decoder, is left out and listed in `skipped`.
    Safe to read from several threads.

    Args:
        dataset: gives the masks of its labelled records.
        records: to decode: records of `dataset`, and unlabelled ones from anywhere.
        store_size: h and w.
        byte_budget: memory for decoded videos.
        num_workers: processes that decode.
        bank: holds what the budget admits; the other videos are read by clips.
        progress: called with the videos done and their number.

    Raises:
        DatasetError: two records have one name, or no video is usable.
    """

    def __init__(
        self,
        dataset: ActionDataset,
        records: Sequence[VideoRecord],
        *,
        store_size: tuple[int, int] = DEFAULT_STORE_SIZE,
        byte_budget: int = DEFAULT_BYTE_BUDGET,
        num_workers: int = 2,
        bank: ClipBank | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> None:
        require_single_names(records)
        self._dataset = dataset
        self._store_size = store_size
        self._stored: dict[str, StoredVideo] = {}
        self.num_workers = num_workers
        """Clips that can be read at the same time."""
        self._workers = DecodeWorkers(num_workers)
        known = measured_with_bank(records, bank, num_workers=num_workers)
        self._by_name = {record.name: record for record in known}
        self.bank = bank and bank.only([record for record in known if record.name in bank.entries])
        """Holds some of the records, or all."""
        self._kept = frozenset() if bank else choose_kept(known, store_size, byte_budget)
        self.num_frames: dict[str, int] = {}
        """Frames that each usable video decodes to."""
        self.skipped: tuple[tuple[str, str], ...] = self._decode_all(known, progress)
        """Name and reason of each video that is left out."""
        self.records = tuple(record for record in known if record.name in self.num_frames)
        """The usable ones, in the order given."""
        if not self.records:
            reason = f"; the first of {len(self.skipped)}: {self.skipped[0][1]}" if records else ""
            raise DatasetError(
                f"no video of {dataset.name} can be used{reason}. "
                "Check the data with: vadsdk data check"
            )

    @property
    def num_stored_bytes(self) -> int:
        """Memory that the decoded videos take."""
        return sum(video.nbytes for video in self._stored.values())

    @property
    def whole_bank(self) -> ClipBank | None:
        """The bank with just the usable videos, if it holds all of them."""
        if self.bank is None or any(r.name not in self.bank.entries for r in self.records):
            return None
        return self.bank.only(self.records)

    def clip(self, name: str, frame_indices: NDArray[np.integer]) -> StoredVideo:
        """Return some frames of a usable video, (T, h, w, 3), and their masks.

        Args:
            name: of the video.
            frame_indices: (T,) in any order; they may repeat.

        Raises:
            VideoError: they are read from the file and it is broken there.
        """
        if self.bank is not None and name in self.bank.entries:
            return self.bank.clip(name, frame_indices)
        if name in self._stored:
            return self._stored[name].at(frame_indices)
        return self._read_clip(self._by_name[name], frame_indices)

    def _read_clip(self, record: VideoRecord, frame_indices: NDArray[np.integer]) -> StoredVideo:
        frames = self._workers.decode(_clip_request(record, frame_indices, self._store_size))
        return StoredVideo(frames=frames, masks=self._masks(record, frame_indices))

    def _masks(
        self, record: VideoRecord, frame_indices: NDArray[np.integer]
    ) -> NDArray[np.uint8] | None:
        return small_masks(self._dataset, record, frame_indices, self._store_size)

    def _decode_all(
        self, records: Sequence[VideoRecord], progress: Callable[[int, int], None] | None
    ) -> tuple[tuple[str, str], ...]:
        """Decode or try every record; return name and reason of those that failed."""
        skipped = []
        pool = ThreadPoolExecutor(self.num_workers, thread_name_prefix="decode")
        try:
            for done, (record, reason) in enumerate(
                zip(records, pool.map(self._try_to_load, records), strict=True), start=1
            ):
                if reason is not None:
                    skipped.append((record.name, reason))
                if progress:
                    progress(done, len(records))
        finally:
            pool.shutdown(cancel_futures=True)  # Ctrl-C must not wait for the whole data set
            self._workers.close()  # started again by the first clip that is read from a file
        return tuple(skipped)

    def _try_to_load(self, record: VideoRecord) -> str | None:
        if self.bank is not None and record.name in self.bank.skipped:
            return self.bank.skipped[record.name].reason
        if self.bank is not None and record.name in self.bank.entries:
            entry = self.bank.entries[record.name]
            reason = why_unusable(record, entry)
            if reason is None:
                self.num_frames[record.name] = entry.num_frames
            return reason
        try:
            if record.name in self._kept:
                self._load(record)
            else:
                tried = _last_known_frame(record) if has_boxes(record) else 0
                self._read_clip(record, np.array([tried]))
                self.num_frames[record.name] = record.num_frames
        except (VideoError, DatasetError) as error:
            return str(error)
        return None

    def _load(self, record: VideoRecord) -> None:
        request = DecodeRequest(path=str(record.path), size=self._store_size)
        frames = self._workers.decode(request)
        if not has_frames_of(record, len(frames)):
            raise DatasetError(other_frames(record, len(frames)))
        masks = self._masks(record, np.arange(len(frames)))
        self._stored[record.name] = StoredVideo(frames=frames, masks=masks)
        self.num_frames[record.name] = len(frames)


def require_single_names(records: Sequence[VideoRecord]) -> None:
    """Raise a DatasetError if two records have one name."""
    repeated = [name for name, count in Counter(r.name for r in records).items() if count > 1]
    if repeated:
        raise DatasetError(
            f"two videos are called {repeated[0]!r}; is one folder given twice? Remove one"
        )


def measured_with_bank(
    records: Sequence[VideoRecord], bank: ClipBank | None, *, num_workers: int
) -> tuple[VideoRecord, ...]:
    """Return the records as `measured_if_readable` does; of those in the bank no file is opened."""
    banked = {} if bank is None else {record.name: record for record in bank.records}
    others = [record for record in records if record.name not in banked]
    found = {r.name: r for r in measured_if_readable(others, num_workers=num_workers)}
    return tuple(
        found[record.name] if record.name in found else measured_as(record, banked[record.name])
        for record in records
    )


def small_masks(
    dataset: ActionDataset,
    record: VideoRecord,
    frame_indices: NDArray[np.integer],
    size: tuple[int, int],
) -> NDArray[np.uint8] | None:
    """Return the masks of some frames (T, h, w), None for a record without boxes."""
    if not has_boxes(record):
        return None
    return shrink_masks(dataset.actor_masks(record, frame_indices), size)


def _last_known_frame(record: VideoRecord) -> int:
    return max(record.annotated_frames or (record.num_frames - 1,))


def choose_kept(
    records: Sequence[VideoRecord], size: tuple[int, int], byte_budget: int
) -> frozenset[str]:
    """Return the videos that fit into memory together: labelled ones first, as they come oftener.

    A video whose length is not known, as its file cannot be opened, is kept: that tells the reason.
    """
    kept = set()
    left = byte_budget
    for record in sorted(records, key=lambda record: not record.labelled):
        num_bytes = record.num_frames * size[0] * size[1] * (3 + has_boxes(record))
        if num_bytes <= min(left, byte_budget // _LONGEST_SHARE):
            kept.add(record.name)
            left -= num_bytes
    return frozenset(kept)


def _clip_request(
    record: VideoRecord, frame_indices: NDArray[np.integer], size: tuple[int, int]
) -> DecodeRequest:
    """Return what to ask a decoder for: just these frames, or where none is annotated by time."""
    path, frames = str(record.path), [int(index) for index in frame_indices]
    if has_boxes(record) or record.path.is_dir() or not record.fps:
        return DecodeRequest(path=path, size=size, frame_indices=tuple(frames))
    first = min(frames)
    offsets = tuple(frame - first for frame in frames)
    start = first / record.fps
    return DecodeRequest(path=path, size=size, frame_indices=offsets, start_seconds=start)


def shrink_masks(masks: NDArray[np.bool_], size: tuple[int, int]) -> NDArray[np.uint8]:
    """Resize (F, H, W) masks to (F, h, w): 1 where at least half of the area is covered."""
    height, width = size
    small = np.empty((len(masks), height, width), np.uint8)
    for target, mask in zip(small, masks, strict=True):
        covered = cv2.resize(mask.astype(np.float32), (width, height), interpolation=cv2.INTER_AREA)
        target[:] = covered >= 0.5
    return small
