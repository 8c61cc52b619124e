"""Videos decoded once, small, and kept in memory for as long as they fit.

    short video    decoded whole, kept; dropped when others need the room
    long video     (over a quarter of the room) never whole: each clip is read from the file

Legend: F frames of a video, T frames of a clip, h and w of the stored frame.
"""

from __future__ import annotations

import threading
from collections import Counter, OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from vadsdk.data.decode_worker import DecodeRequest
from vadsdk.data.decode_workers import DecodeWorkers
from vadsdk.data.footage import record_request
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
    """The videos that a training run reads, decoded, resized and cached.

    Making it decodes every short video once, in processes of its own, and tries the last frame of
    every long one. A video that cannot be used, even one that crashes its decoder, is left out and
    listed in `skipped`. What exceeds the byte budget is dropped, least recently used first, and
    decoded again when asked for. Safe to read from several threads.

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
        self._byte_budget = byte_budget
        self._stored: OrderedDict[str, StoredVideo] = OrderedDict()
        self._num_bytes = 0
        self._lock = threading.Lock()
        self._workers = DecodeWorkers(num_workers)
        self._by_name = {record.name: record for record in records}
        self.num_frames: dict[str, int] = {}
        """Frames that each usable video decodes to."""
        self.skipped: tuple[tuple[str, str], ...] = self._decode_all(records, num_workers, progress)
        """Name and reason of each video that is left out."""
        self.records = tuple(record for record in records if record.name in self.num_frames)
        """The usable ones, in the order given."""
        if not self.records:
            reason = f"; the first of {len(self.skipped)}: {self.skipped[0][1]}" if records else ""
            raise DatasetError(
                f"no video of {dataset.name} can be used{reason}. "
                "Check the data with: vadsdk data check"
            )

    @property
    def num_stored_bytes(self) -> int:
        """Memory that the decoded videos take now."""
        return self._num_bytes

    def clip(self, name: str, frame_indices: NDArray[np.integer]) -> StoredVideo:
        """Return some frames of a usable video, (T, h, w, 3), and their masks.

        Args:
            name: of the video.
            frame_indices: (T,) in any order; they may repeat.

        Raises:
            VideoError: the file was readable before and is not any more.
        """
        record = self._by_name[name]
        if self._is_long(record):
            return self._read_clip(record, frame_indices)
        return self._video(name).at(frame_indices)

    def _video(self, name: str) -> StoredVideo:
        """Return a short video, decoded again if it was dropped; do not write to its arrays."""
        with self._lock:
            if name in self._stored:
                self._stored.move_to_end(name)
                return self._stored[name]
        return self._load(self._by_name[name])

    def _is_long(self, record: VideoRecord) -> bool:
        height, width = self._store_size
        num_bytes = record.num_frames * height * width * (3 + record.labelled)
        return num_bytes > self._byte_budget // _LONGEST_SHARE and not record.is_segment

    def _read_clip(self, record: VideoRecord, frame_indices: NDArray[np.integer]) -> StoredVideo:
        frames = self._workers.decode(
            DecodeRequest(
                path=str(record.path),
                size=self._store_size,
                frame_indices=tuple(int(index) for index in frame_indices),
            )
        )
        masks = None
        if record.labelled and record.video_label is None:
            full_size = self._dataset.actor_masks(record, frame_indices)
            masks = shrink_masks(full_size, self._store_size)
        return StoredVideo(frames=frames, masks=masks)

    def _decode_all(
        self,
        records: Sequence[VideoRecord],
        num_workers: int,
        progress: Callable[[int, int], None] | None,
    ) -> tuple[tuple[str, str], ...]:
        """Decode every record; return name and reason of those that failed."""
        skipped = []
        pool = ThreadPoolExecutor(num_workers, thread_name_prefix="decode")
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
            self._workers.close()  # started again if a dropped video is asked for
        return tuple(skipped)

    def _try_to_load(self, record: VideoRecord) -> str | None:
        try:
            if self._is_long(record):
                self._read_clip(record, np.array([record.num_frames - 1]))
                self.num_frames[record.name] = record.num_frames
            else:
                self.num_frames[record.name] = len(self._load(record).frames)
        except (VideoError, DatasetError) as error:
            return str(error)
        return None

    def _load(self, record: VideoRecord) -> StoredVideo:
        frames = self._workers.decode(record_request(record, self._store_size))
        has_boxes = record.labelled and record.video_label is None
        if has_boxes and len(frames) != record.num_frames:
            raise DatasetError(
                f"{record.path} has {len(frames)} frames, its annotation is for "
                f"{record.num_frames}; replace the video or annotate it again"
            )
        masks = None
        if has_boxes:
            full_size = self._dataset.actor_masks(record, np.arange(len(frames)))
            masks = shrink_masks(full_size, self._store_size)
        video = StoredVideo(frames=frames, masks=masks)
        self._keep(record.name, video)
        return video

    def _keep(self, name: str, video: StoredVideo) -> None:
        with self._lock:
            previous = self._stored.pop(name, None)
            self._num_bytes += video.nbytes - (previous.nbytes if previous else 0)
            self._stored[name] = video
            while self._num_bytes > self._byte_budget and self._stored:
                _, dropped = self._stored.popitem(last=False)
                self._num_bytes -= dropped.nbytes


def shrink_masks(masks: NDArray[np.bool_], size: tuple[int, int]) -> NDArray[np.uint8]:
    """Resize (F, H, W) masks to (F, h, w): 1 where at least half of the area is covered."""
    height, width = size
    small = np.empty((len(masks), height, width), np.uint8)
    for target, mask in zip(small, masks, strict=True):
        covered = cv2.resize(mask.astype(np.float32), (width, height), interpolation=cv2.INTER_AREA)
        target[:] = covered >= 0.5
    return small
