"""Build a clip bank: decode every video once, in several processes, and write what comes out.

The frames of a few videos are in memory at a time, however many there are.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np

from vadsdk.data.bank_sources import annotation_digest, source_of
from vadsdk.data.bank_writing import BankVideo, write_bank
from vadsdk.data.clip_bank import BankEntry, ClipBank
from vadsdk.data.decode_worker import DecodeRequest
from vadsdk.data.decode_workers import DecodeWorkers
from vadsdk.data.decoded import measured_with_bank, require_single_names, small_masks
from vadsdk.data.records import ActionDataset, VideoRecord, has_boxes, has_frames_of, other_frames
from vadsdk.errors import DatasetError, VideoError

Size = tuple[int, int]


def build_bank(
    dataset: ActionDataset,
    records: Sequence[VideoRecord],
    path: Path,
    *,
    store_size: Size,
    root: Path | None = None,
    num_workers: int = 2,
    earlier: ClipBank | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Write a clip bank, completely or not at all.

    Videos that cannot be decoded are left out; the bank lists them with the reason.

    Args:
        dataset: gives the masks of its labelled records.
        records: to decode: records of `dataset`, and unlabelled ones from anywhere.
        path: of the bank; what lies there is replaced in the end.
        store_size: h and w.
        root: folder of the data set, with which a cached bank goes; None if it is no cached one.
        num_workers: processes that decode.
        earlier: a bank of the same size; what is unchanged in it is copied and not decoded.
        progress: called with the videos done and their number.

    Raises:
        DatasetError: two records have one name, no video can be decoded, or the file system
            refuses.
    """
    require_single_names(records)
    known = measured_with_bank(records, earlier, num_workers=num_workers)
    with DecodeWorkers(num_workers) as workers:

        def decode(record: VideoRecord) -> BankVideo:
            copied = earlier and _copied(dataset, record, earlier)
            return copied or _decode(dataset, record, workers, store_size)

        write_bank(
            path,
            _told(_in_order(decode, known, num_workers), len(known), progress),
            name=dataset.name,
            labels=dataset.labels,
            store_size=store_size,
            root=root,
        )


def is_unchanged(dataset: ActionDataset, record: VideoRecord, entry: BankEntry) -> bool:
    """Return whether decoding a record would give what a bank has; a file that is gone is none."""
    source = source_of(record.path)
    return source in (None, entry.source) and entry.annotation == annotation_digest(dataset, record)


def _decode(
    dataset: ActionDataset, record: VideoRecord, workers: DecodeWorkers, size: Size
) -> BankVideo:
    source = source_of(record.path)  # before: what changes meanwhile is seen the next time
    digest = annotation_digest(dataset, record)
    try:
        frames = workers.decode(DecodeRequest(path=str(record.path), size=size))
    except VideoError as error:
        return BankVideo(record=record, frames=None, reason=str(error), source=source)
    masks, reason = None, None
    if not has_frames_of(record, len(frames)):
        reason = other_frames(record, len(frames))
    elif has_boxes(record):
        try:
            masks = small_masks(dataset, record, np.arange(len(frames)), size)
        except DatasetError as error:
            reason = str(error)
    return BankVideo(
        record=record, frames=frames, masks=masks, reason=reason, source=source, annotation=digest
    )


def _copied(dataset: ActionDataset, record: VideoRecord, earlier: ClipBank) -> BankVideo | None:
    """Return a video from an earlier bank, None if it is not there or has changed."""
    entry = earlier.entries.get(record.name)
    if entry is None or not is_unchanged(dataset, record, entry):
        return None
    video = earlier.clip(record.name, np.arange(entry.num_frames))
    return BankVideo(
        record=record,
        frames=video.frames,
        masks=video.masks,
        reason=entry.problem,
        source=entry.source,
        annotation=entry.annotation,
    )


def _told(
    videos: Iterator[BankVideo], count: int, progress: Callable[[int, int], None] | None
) -> Iterator[BankVideo]:
    """Yield the videos and tell of each that was written."""
    for done, video in enumerate(videos, start=1):
        yield video
        if progress:
            progress(done, count)


def _in_order(
    work: Callable[[VideoRecord], BankVideo], records: Iterable[VideoRecord], num_workers: int
) -> Iterator[BankVideo]:
    """Yield what comes of each record, in order; a few are worked on ahead."""
    pool = ThreadPoolExecutor(num_workers, thread_name_prefix="decode")
    ahead: deque[Future[BankVideo]] = deque()
    try:
        for record in records:
            ahead.append(pool.submit(work, record))
            if len(ahead) > 2 * num_workers:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)  # Ctrl-C must not wait for the whole data set
