"""Open a data set in any layout that vadsdk knows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from vadsdk.data.jhmdb21 import Jhmdb21Dataset
from vadsdk.data.native import NativeDataset
from vadsdk.data.native_schema import DATASET_FILE
from vadsdk.data.records import ActionDataset, VideoRecord
from vadsdk.errors import DatasetError, unknown_name

__all__ = [
    "FORMATS",
    "ActionDataset",
    "DatasetFormat",
    "VideoRecord",
    "find_format",
    "open_dataset",
]

Progress = Callable[[int, int], None]
"""Called with how many are done and how many there are."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DatasetFormat:
    """One layout on disk."""

    recognise: Callable[[Path], bool]
    """Whether a folder plainly has this layout."""
    expected: str
    """What makes it plain, for error texts."""
    open: Callable[[Path, int | None, Progress | None], ActionDataset]
    """Takes the root, the index of an official split (None: the first) and a progress callback."""


def _open_native(root: Path, split_index: int | None, progress: Progress | None) -> ActionDataset:
    if split_index is not None:
        raise DatasetError(
            f"{root} is in the native format, which names its splits; leave split_index out"
        )
    return NativeDataset(root)


def _open_jhmdb21(root: Path, split_index: int | None, progress: Progress | None) -> ActionDataset:
    return Jhmdb21Dataset(root, 1 if split_index is None else split_index, progress)


FORMATS = {
    "vadsdk": DatasetFormat(
        recognise=lambda root: (root / DATASET_FILE).is_file(),
        expected=DATASET_FILE,
        open=_open_native,
    ),
    "jhmdb21": DatasetFormat(
        recognise=lambda root: (root / "puppet_mask").is_dir() and (root / "splits").is_dir(),
        expected="ReCompress_Videos/, puppet_mask/ and splits/",
        open=_open_jhmdb21,
    ),
}


def open_dataset(
    root: Path | str,
    *,
    format: str | None = None,
    split_index: int | None = None,
    progress: Progress | None = None,
) -> ActionDataset:
    """Open a data set.

    Args:
        root: folder of the data set.
        format: one of `FORMATS`; None finds it out.
        split_index: which of several official splits, from 1, where the layout has them.
        progress: called with done and total while something slow is read for the first time.

    Raises:
        DatasetError: there is no data set of that format, or its annotation is malformed.
        ConfigError: unknown format.
    """
    root = Path(root)
    name = find_format(root) if format is None else format
    if name not in FORMATS:
        raise unknown_name("data set format", name, FORMATS)
    _require_folder(root)
    if not FORMATS[name].recognise(root):
        raise DatasetError(
            f"{root} is not in the format {name!r}, which has {FORMATS[name].expected} in it"
        )
    return FORMATS[name].open(root, split_index, progress)


def find_format(root: Path) -> str:
    """Return the name of the layout that a folder plainly has, else raise a DatasetError."""
    _require_folder(root)
    for name, candidate in FORMATS.items():
        if candidate.recognise(root):
            return name
    sought = "; ".join(f"{name}: {form.expected}" for name, form in FORMATS.items())
    raise DatasetError(
        f"{root} is no data set of a known format ({sought}). "
        "Check the folder, or name the format with --format"
    )


def _require_folder(root: Path) -> None:
    if not root.is_dir():
        what = "is a file" if root.exists() else "does not exist"
        raise DatasetError(f"{root} {what}; give the folder of a data set")
