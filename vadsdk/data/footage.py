"""Plain footage: folders of videos of any length, of which nothing is known."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from vadsdk.data.measuring import measured_if_readable
from vadsdk.data.records import VideoRecord
from vadsdk.errors import DatasetError
from vadsdk.video.folders import VIDEO_SUFFIXES

UNLABELLED_SPLIT = "train"


def unlabelled_records(folders: Sequence[Path]) -> tuple[VideoRecord, ...]:
    """Return a record for each video in some folders and the folders below them, by name.

    A file that cannot be opened is a record all the same; decoding it counts and reports it.

    Args:
        folders: to search; a single video file is taken as it is.

    Raises:
        DatasetError: a folder does not exist or has no video in it.
    """
    paths = [path for folder in folders for path in _video_files(Path(folder))]
    return measured_if_readable([_footage_record(path) for path in paths])


def _video_files(folder: Path) -> list[Path]:
    if folder.is_file():
        return [folder]
    if not folder.is_dir():
        raise DatasetError(f"{folder} does not exist; give a folder of videos")
    paths = sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in VIDEO_SUFFIXES and not path.name.startswith(".")
    )
    if not paths:
        known = ", ".join(sorted(VIDEO_SUFFIXES))
        raise DatasetError(f"{folder} has no video in it; expected files such as {known}")
    return paths


def _footage_record(path: Path) -> VideoRecord:
    return VideoRecord(
        name=path.as_posix(),
        path=path,
        split=UNLABELLED_SPLIT,
        num_frames=0,
        width=0,
        height=0,
        fps=0.0,
        labelled=False,
    )
