"""Open a data set in any layout that vadsdk knows."""

from __future__ import annotations

from pathlib import Path

from vadsdk.data.formats import (
    FORMATS,
    DatasetFormat,
    Progress,
    no_official_splits,
    no_percentages,
)
from vadsdk.data.records import ActionDataset, VideoRecord
from vadsdk.errors import DatasetError, unknown_name

NATIVE = "vadsdk"

__all__ = [
    "FORMATS",
    "ActionDataset",
    "DatasetFormat",
    "VideoRecord",
    "find_format",
    "open_dataset",
]


def open_dataset(
    root: Path | str,
    *,
    format: str | None = None,
    split_index: int | None = None,
    labelled_percent: int | None = None,
    progress: Progress | None = None,
) -> ActionDataset:
    """Open a data set.

    Args:
        root: folder of the data set.
        format: one of `FORMATS`; None finds it out.
        split_index: which of several official splits, from 1, where the layout has them (DAVIS: the
            year).
        labelled_percent: which list of labelled videos, where there are several (lists).
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
    if labelled_percent is not None:
        open_percent = FORMATS[name].open_percent
        if open_percent is None:
            raise no_percentages(root, name)
        return open_percent(root, split_index or 1, labelled_percent)
    if split_index is None:
        return FORMATS[name].open(root, progress)
    open_split = FORMATS[name].open_split
    if open_split is None:
        raise no_official_splits(root, name)
    return open_split(root, split_index, progress)


def find_format(root: Path) -> str:
    """Return the name of the layout that a folder plainly has, else raise a DatasetError.

    `dataset.json` settles it; other layouts must be the only one in the folder.
    """
    _require_folder(root)
    found = [name for name, candidate in FORMATS.items() if candidate.recognise(root)]
    if found[:1] == [NATIVE] or len(found) == 1:
        return found[0]
    if found:
        raise DatasetError(
            f"{root} has the files of several formats: {', '.join(found)}; "
            "name the one you mean with --format"
        )
    sought = "; ".join(f"{name}: {form.expected}" for name, form in FORMATS.items())
    raise DatasetError(
        f"{root} is no data set of a known format ({sought}). "
        "Check the folder, or name the format with --format"
    )


def _require_folder(root: Path) -> None:
    if not root.is_dir():
        what = "is a file" if root.exists() else "does not exist"
        raise DatasetError(f"{root} {what}; give the folder of a data set")
