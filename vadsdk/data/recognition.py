"""Data sets of trimmed videos with one class each: UCF-101, HMDB-51, Kinetics-400, text lists."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from vadsdk.data.problems import raise_if_fatal
from vadsdk.data.recognition_kinetics import is_kinetics, read_kinetics
from vadsdk.data.recognition_lists import is_lists, read_lists
from vadsdk.data.recognition_official import is_hmdb51, is_ucf101, read_hmdb51, read_ucf101
from vadsdk.data.recognition_records import NO_CLASS, RecognitionLists, RecognitionRecord
from vadsdk.errors import ConfigError, DatasetError, unknown_name

__all__ = [
    "NO_CLASS",
    "RECOGNITION_FORMATS",
    "RecognitionDataset",
    "RecognitionFormat",
    "RecognitionLists",
    "RecognitionRecord",
    "open_recognition",
    "read_recognition",
]


@dataclass(frozen=True, kw_only=True, slots=True)
class RecognitionFormat:
    """One layout on disk."""

    recognise: Callable[[Path], bool]
    """Whether a folder plainly has this layout."""
    expected: str
    """What makes it plain, for error texts."""
    read: Callable[[Path, int, int | None], RecognitionLists]
    """Takes the root, the index of an official split and the percentage of labelled videos."""


class RecognitionDataset:
    """Trimmed videos of one class each; `open_recognition` makes it.

    Args:
        name: of the data set, as a user sees it.
        format: one of `RECOGNITION_FORMATS`.
        lists: what was read, without a fatal problem.
    """

    def __init__(self, name: str, format: str, lists: RecognitionLists) -> None:
        self.name = name
        self.format = format
        self.labels = lists.labels
        """Names of the classes; the position of a label is its class index."""
        self.records = lists.records
        self.missing_videos = lists.missing_videos
        """Listed videos without a file, which are left out."""

    def split(self, name: str) -> tuple[RecognitionRecord, ...]:
        """Return the records of one split; a DatasetError lists the splits if there are none."""
        chosen = tuple(record for record in self.records if record.split == name)
        if not chosen:
            splits = ", ".join(sorted({record.split for record in self.records}))
            raise DatasetError(f"{self.name} has no split {name!r}; choose one of: {splits}")
        return chosen


def _read_ucf101(root: Path, split_index: int, percent: int | None) -> RecognitionLists:
    _refuse_percent("UCF-101", percent)
    return read_ucf101(root, split_index)


def _read_hmdb51(root: Path, split_index: int, percent: int | None) -> RecognitionLists:
    _refuse_percent("HMDB-51", percent)
    return read_hmdb51(root, split_index)


def _read_kinetics(root: Path, split_index: int, percent: int | None) -> RecognitionLists:
    _refuse_percent("Kinetics-400", percent)
    if split_index != 1:
        raise DatasetError(f"Kinetics-400 has one split, the first, not {split_index}")
    return read_kinetics(root)


RECOGNITION_FORMATS = {
    "lists": RecognitionFormat(
        recognise=is_lists,
        expected="ucf101_train_10_percent_labeled_split_1_rawframes.txt or the like",
        read=read_lists,
    ),
    "ucf101": RecognitionFormat(
        recognise=is_ucf101,
        expected="classInd.txt and trainlist01.txt, or ucfTrainTestlist/ with them",
        read=_read_ucf101,
    ),
    "hmdb51": RecognitionFormat(
        recognise=is_hmdb51,
        expected="<class>_test_split1.txt, or splits/ with them",
        read=_read_hmdb51,
    ),
    "kinetics400": RecognitionFormat(
        recognise=is_kinetics,
        expected="train.csv with the columns label,youtube_id,time_start,time_end,split",
        read=_read_kinetics,
    ),
}


def open_recognition(
    root: Path | str,
    format: str | None = None,
    split_index: int = 1,
    *,
    percent: int | None = None,
) -> RecognitionDataset:
    """Open a data set of trimmed videos; videos without a file are left out and counted.

    Args:
        root: folder of the data set.
        format: one of `RECOGNITION_FORMATS`; None finds it out.
        split_index: which of the official splits, from 1.
        percent: share of labelled videos, where there are lists of several.

    Raises:
        DatasetError: there is no data set of that format, or a list is malformed.
        ConfigError: unknown format, or a percentage for a format that has none.
    """
    root = Path(root)
    name = _format_of(root) if format is None else format
    lists = read_recognition(root, name, split_index, percent=percent)
    raise_if_fatal(lists.problems, root)
    return RecognitionDataset(root.resolve().name, name, lists)


def read_recognition(
    root: Path, format: str, split_index: int = 1, *, percent: int | None = None
) -> RecognitionLists:
    """Read all lists of a folder, as `open_recognition` does, and collect what is wrong with them.

    Raises:
        DatasetError: a list is missing or not readable at all.
        ConfigError: unknown format, or a percentage for a format that has none.
    """
    if format not in RECOGNITION_FORMATS:
        raise unknown_name("format of lists", format, RECOGNITION_FORMATS)
    if not root.is_dir():
        raise DatasetError(f"{root} is not a folder; give the folder of a data set")
    return RECOGNITION_FORMATS[format].read(root, split_index, percent)


def _format_of(root: Path) -> str:
    found = [name for name, layout in RECOGNITION_FORMATS.items() if layout.recognise(root)]
    if len(found) == 1:
        return found[0]
    if found:
        raise DatasetError(
            f"{root} has the lists of several formats: {', '.join(found)}; name one of them"
        )
    sought = "; ".join(f"{name}: {form.expected}" for name, form in RECOGNITION_FORMATS.items())
    raise DatasetError(f"{root} has no lists of a known format ({sought}). Check the folder")


def _refuse_percent(name: str, percent: int | None) -> None:
    if percent is not None:
        raise ConfigError(
            f"{name} has no lists of labelled percentages, so leave percent out, not {percent}"
        )
