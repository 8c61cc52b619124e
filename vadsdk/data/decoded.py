"""Videos decoded once, small, and kept in memory as far as they fit; of others, clip by clip.

    while there is room    decoded whole at the start and kept, labelled ones first
    all others             and what would take over a quarter of the room, however long:
                           each clip is read from the file when it is asked for, and forgotten

Legend: F frames of a video, T frames of a clip, h and w of the stored frame.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from vadsdk.data.decode_worker import DecodeRequest
from vadsdk.data.decode_workers import DecodeWorkers
from vadsdk.data.measuring import has_frames_of, measured_if_readable
from vadsdk.data.records import ActionDataset, VideoRecord
from vadsdk.errors import DatasetError, VideoError

DEFAULT_STORE_SIZE = (128, 128)
DEFAULT_BYTE_BUDGET = 2 << 30
_LONGEST_SHARE = 4
"""A video that would take more than the budget divided by this is not kept whole."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class StoredVideo:
    """One decoded video, or some frames of one."""

    frames: NDArray[np.uint8]
    """(F, h, w, 3) RGB, stretched to the store size."""
    masks: NDArray[np.uint8] | None
    """(F, h, w), 1 where an actor covers at least half of the pixel; None if none is annotated."""

    def at(self, frame_indices: NDArray[np.integer]) -> StoredVideo:
        """Return some of the frames."""
        masks = None if self.masks is None else self.masks[frame_indices]
        return StoredVideo(frames=self.frames[frame_indices], masks=masks)

    @property
    def nbytes(self) -> int:
        """Memory that the arrays take."""
        return self.frames.nbytes + (0 if self.masks is None else self.masks.nbytes)


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
        progress: Callable[[int, int], None] | None = None,
    ) -> None:
        repeated = [name for name, count in Counter(r.name for r in records).items() if count > 1]
        if repeated:
            raise DatasetError(
                f"two videos are called {repeated[0]!r}; is one folder given twice? Remove one"
            )
        self._dataset = dataset
        self._store_size = store_size
        self._stored: dict[str, StoredVideo] = {}
        self.num_workers = num_workers
        """Clips that can be read at the same time."""
        self._workers = DecodeWorkers(num_workers)
        known = measured_if_readable(records, num_workers=num_workers)
        self._by_name = {record.name: record for record in known}
        self._kept = _choose_kept(known, store_size, byte_budget)
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

    def clip(self, name: str, frame_indices: NDArray[np.integer]) -> StoredVideo:
        """Return some frames of a usable video, (T, h, w, 3), and their masks.

        Args:
            name: of the video.
            frame_indices: (T,) in any order; they may repeat.

        Raises:
            VideoError: they are read from the file and it is broken there.
        """
        if name in self._stored:
            return self._stored[name].at(frame_indices)
        return self._read_clip(self._by_name[name], frame_indices)

    def _read_clip(self, record: VideoRecord, frame_indices: NDArray[np.integer]) -> StoredVideo:
        frames = self._workers.decode(_clip_request(record, frame_indices, self._store_size))
        return StoredVideo(frames=frames, masks=self._masks(record, frame_indices))

    def _masks(
        self, record: VideoRecord, frame_indices: NDArray[np.integer]
    ) -> NDArray[np.uint8] | None:
        if not _has_boxes(record):
            return None
        return shrink_masks(self._dataset.actor_masks(record, frame_indices), self._store_size)

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
        try:
            if record.name in self._kept:
                self._load(record)
            else:
                tried = _last_known_frame(record) if _has_boxes(record) else 0
                self._read_clip(record, np.array([tried]))
                self.num_frames[record.name] = record.num_frames
        except (VideoError, DatasetError) as error:
            return str(error)
        return None

    def _load(self, record: VideoRecord) -> None:
        request = DecodeRequest(path=str(record.path), size=self._store_size)
        frames = self._workers.decode(request)
        if not has_frames_of(record, len(frames)):
            raise DatasetError(
                f"{record.path} has {len(frames)} frames, its annotation is for "
                f"{record.num_frames}; replace the video or annotate it again"
            )
        masks = self._masks(record, np.arange(len(frames)))
        self._stored[record.name] = StoredVideo(frames=frames, masks=masks)
        self.num_frames[record.name] = len(frames)


def _has_boxes(record: VideoRecord) -> bool:
    """Return whether annotation belongs to single frames, which must then be just these."""
    return record.labelled and record.video_label is None


def _last_known_frame(record: VideoRecord) -> int:
    return max(record.annotated_frames or (record.num_frames - 1,))


def _choose_kept(
    records: Sequence[VideoRecord], size: tuple[int, int], byte_budget: int
) -> frozenset[str]:
    """Return the videos that fit into memory together: labelled ones first, as they come oftener.

    A video whose length is not known, as its file cannot be opened, is kept: that tells the reason.
    """
    kept = set()
    left = byte_budget
    for record in sorted(records, key=lambda record: not record.labelled):
        num_bytes = record.num_frames * size[0] * size[1] * (3 + _has_boxes(record))
        if num_bytes <= min(left, byte_budget // _LONGEST_SHARE):
            kept.add(record.name)
            left -= num_bytes
    return frozenset(kept)


def _clip_request(
    record: VideoRecord, frame_indices: NDArray[np.integer], size: tuple[int, int]
) -> DecodeRequest:
    """Return what to ask a decoder for: just these frames, or where none is annotated by time."""
    path, frames = str(record.path), [int(index) for index in frame_indices]
    if _has_boxes(record) or record.path.is_dir() or not record.fps:
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
