"""What the videos of a clip bank were made from, to see whether it has changed since."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Protocol, runtime_checkable

from vadsdk.data.records import ActionDataset, VideoRecord

Source = tuple[int, ...]


@runtime_checkable
class MaskFileDataset(Protocol):
    """A data set that has its masks in files of their own, beside the boxes."""

    def mask_path(self, record: VideoRecord) -> Path | None:
        """Return the file with the masks of a labelled record, None if its boxes are filled."""
        ...


def source_of(path: Path) -> Source | None:
    """Return size and time of change of a file; of a folder of images, their number and both.

    None: there is no such file. A bank stays good when its videos are gone, not when they change.
    """
    try:
        status = path.stat()
        if not path.is_dir():
            return status.st_size, status.st_mtime_ns
        files = [file.stat() for file in path.iterdir() if file.is_file()]
    except OSError:
        return None
    newest = max((file.st_mtime_ns for file in files), default=0)
    return len(files), sum(file.st_size for file in files), newest


def annotation_digest(dataset: ActionDataset, record: VideoRecord) -> str:
    """Return a digest of what a record's masks are made from: its boxes and its mask file."""
    digest = hashlib.sha256(repr((record.labelled, record.video_label is None)).encode())
    digest.update(repr((record.width, record.height)).encode() if record.tubes else b"")
    for tube in record.tubes:
        digest.update(tube.frame_indices.tobytes() + tube.boxes_xyxy.tobytes())
    if record.labelled and isinstance(dataset, MaskFileDataset):
        path = dataset.mask_path(record)
        digest.update(b"" if path is None else repr(source_of(path)).encode())
    return digest.hexdigest()[:32]
