"""Write a clip bank from arrays, wherever they come from; needs numpy alone.

Legend: F frames of a video, h and w of a stored frame.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vadsdk.data.atomic import complete_or_absent
from vadsdk.data.bank_annotation import annotation_arrays, record_json
from vadsdk.data.bank_file import BankWriter
from vadsdk.data.records import VideoRecord
from vadsdk.errors import DatasetError


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class BankVideo:
    """One video to write, or why there is none."""

    record: VideoRecord
    """Its name and annotation."""
    frames: NDArray[np.uint8] | None
    """(F, h, w, 3) RGB; None: it cannot be decoded, and `reason` tells why."""
    masks: NDArray[np.uint8] | None = None
    """(F, h, w), 0 or 1; None: there are none."""
    reason: str | None = None
    """Why there are no frames, or no masks although boxes are annotated."""
    source: tuple[int, ...] | None = None
    """Size and time of change of its file, see `bank_sources.source_of`."""
    annotation: str = ""
    """See `bank_sources.annotation_digest`."""


def write_bank(
    path: Path,
    videos: Iterable[BankVideo],
    *,
    name: str,
    labels: Sequence[str],
    store_size: tuple[int, int],
    root: Path | None = None,
) -> None:
    """Write a clip bank, completely or not at all.

    Args:
        path: of the file; what lies there is replaced in the end.
        videos: one after another; each is forgotten when it is written.
        name: of the data set.
        labels: names of the classes.
        store_size: h and w.
        root: folder of the data set with which a cached bank goes; None if it is no cached one.

    Raises:
        DatasetError: no video has frames, or the file system refuses.
    """
    entries: list[dict[str, Any]] = []
    records: list[VideoRecord] = []
    skipped: list[tuple[str, str | None, tuple[int, ...] | None]] = []
    with complete_or_absent(path) as temporary, BankWriter(temporary, store_size) as writer:
        for video in videos:
            if video.frames is None:
                skipped.append((video.record.name, video.reason, video.source))
                continue
            first = writer.append(video.frames, video.masks)
            records.append(video.record)
            entries.append(record_json(video.record) | _entry_json(video, first))
        if not entries:
            reason = f"; the first of {len(skipped)}: {skipped[0][1]}" if skipped else ""
            raise DatasetError(f"no video of {name} can be used{reason}")
        index = {
            "name": name,
            "root": None if root is None else str(root.resolve()),
            "labels": list(labels),
            "store_size": store_size,
            "videos": entries,
            "skipped": skipped,
        }
        writer.finish(index, annotation_arrays(records))


def _entry_json(video: BankVideo, first_frame: int) -> dict[str, Any]:
    assert video.frames is not None
    return {
        "first_frame": first_frame,
        "decoded_frames": len(video.frames),
        "source": video.source,
        "annotation": video.annotation,
        "has_masks": video.masks is not None,
        "problem": video.reason,
    }
