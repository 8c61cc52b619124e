"""Build a clip bank: decode every video once, in several processes, and write what comes out.

The frames of a few videos are in memory at a time, however many there are.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vadsdk.data.atomic import complete_or_absent
from vadsdk.data.bank_annotation import annotation_arrays, record_json
from vadsdk.data.bank_file import BankWriter
from vadsdk.data.bank_sources import annotation_digest, source_of
from vadsdk.data.clip_bank import BankEntry, ClipBank
from vadsdk.data.decode_worker import DecodeRequest
from vadsdk.data.decode_workers import DecodeWorkers
from vadsdk.data.decoded import measured_with_bank, require_single_names, small_masks
from vadsdk.data.records import ActionDataset, VideoRecord, has_boxes, has_frames_of, other_frames
from vadsdk.data.stored_video import StoredVideo
from vadsdk.errors import DatasetError, VideoError

Size = tuple[int, int]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Decoded:
    """What came of one video."""

    record: VideoRecord
    source: tuple[int, ...] | None
    video: StoredVideo | None
    reason: str | None
    """Why there is no video, or why it has no masks."""


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
    with (
        complete_or_absent(path) as temporary,
        BankWriter(temporary, store_size) as writer,
        DecodeWorkers(num_workers) as workers,
    ):
        videos: list[tuple[VideoRecord, dict[str, Any]]] = []
        skipped: list[tuple[str, str | None, tuple[int, ...] | None]] = []

        def decode(record: VideoRecord) -> _Decoded:
            copied = earlier and _copied(dataset, record, earlier)
            return copied or _decode(dataset, record, workers, store_size)

        for done, found in enumerate(_in_order(decode, known, num_workers), start=1):
            if found.video is None:
                skipped.append((found.record.name, found.reason, found.source))
            else:
                first = writer.append(found.video.frames, found.video.masks)
                videos.append((found.record, _entry_json(dataset, found, first)))
            if progress:
                progress(done, len(known))
        if not videos:
            reason = f"; the first of {len(skipped)}: {skipped[0][1]}" if skipped else ""
            raise DatasetError(f"no video of {dataset.name} can be used{reason}")
        kept = [record for record, _ in videos]
        index = {
            "name": dataset.name,
            "root": None if root is None else str(root.resolve()),
            "labels": list(dataset.labels),
            "store_size": store_size,
            "videos": [record_json(record) | entry for record, entry in videos],
            "skipped": skipped,
        }
        writer.finish(index, annotation_arrays(kept))


def is_unchanged(dataset: ActionDataset, record: VideoRecord, entry: BankEntry) -> bool:
    """Return whether decoding a record would give what a bank has; a file that is gone is none."""
    source = source_of(record.path)
    return source in (None, entry.source) and entry.annotation == annotation_digest(dataset, record)


def _entry_json(dataset: ActionDataset, found: _Decoded, first_frame: int) -> dict[str, Any]:
    assert found.video is not None
    return {
        "first_frame": first_frame,
        "decoded_frames": len(found.video.frames),
        "source": found.source,
        "annotation": annotation_digest(dataset, found.record),
        "has_masks": found.video.masks is not None,
        "problem": found.reason,
    }


def _decode(
    dataset: ActionDataset, record: VideoRecord, workers: DecodeWorkers, size: Size
) -> _Decoded:
    source = source_of(record.path)  # before: what changes meanwhile is seen the next time
    try:
        frames = workers.decode(DecodeRequest(path=str(record.path), size=size))
    except VideoError as error:
        return _Decoded(record=record, source=source, video=None, reason=str(error))
    masks, reason = None, None
    if not has_frames_of(record, len(frames)):
        reason = other_frames(record, len(frames))
    elif has_boxes(record):
        try:
            masks = small_masks(dataset, record, np.arange(len(frames)), size)
        except DatasetError as error:
            reason = str(error)
    video = StoredVideo(frames=frames, masks=masks)
    return _Decoded(record=record, source=source, video=video, reason=reason)


def _copied(dataset: ActionDataset, record: VideoRecord, earlier: ClipBank) -> _Decoded | None:
    """Return a video from an earlier bank, None if it is not there or has changed."""
    entry = earlier.entries.get(record.name)
    if entry is None or not is_unchanged(dataset, record, entry):
        return None
    video = earlier.clip(record.name, np.arange(entry.num_frames))
    return _Decoded(record=record, source=entry.source, video=video, reason=entry.problem)


def _in_order(
    work: Callable[[VideoRecord], _Decoded], records: Iterable[VideoRecord], num_workers: int
) -> Iterator[_Decoded]:
    """Yield what comes of each record, in order; a few are worked on ahead."""
    pool = ThreadPoolExecutor(num_workers, thread_name_prefix="decode")
    ahead: deque[Future[_Decoded]] = deque()
    try:
        for record in records:
            ahead.append(pool.submit(work, record))
            if len(ahead) > 2 * num_workers:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)  # Ctrl-C must not wait for the whole data set
