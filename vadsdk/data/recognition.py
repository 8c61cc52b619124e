"""Data sets of trimmed videos with one class each: UCF-101, HMDB-51, Kinetics-400, text lists.

Their records have a `video_label` and no tubes. Listed videos without a file are left out, and
`vadsdk data check` counts them. What no list tells of a video (frames, size, rate) is 0 in its
record until the file is opened.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vadsdk.data.problems import Problem, raise_if_fatal
from vadsdk.data.recognition_kinetics import read_kinetics
from vadsdk.data.recognition_lists import list_variants, read_lists
from vadsdk.data.recognition_official import hmdb51_splits, read_hmdb51, read_ucf101, ucf101_splits
from vadsdk.data.recognition_records import RecognitionLists
from vadsdk.data.records import VideoRecord, fill_boxes, records_of_split


class RecognitionDataset:
    """Trimmed videos of one class each.

    Args:
        root: of the data set.
        format: name of the layout.
        lists: what was read.

    Raises:
        DatasetError: something fatal is wrong with the lists.
    """

    has_masks = False

    def __init__(self, root: Path, format: str, lists: RecognitionLists) -> None:
        raise_if_fatal(lists.problems, root)
        self.name = root.resolve().name
        self.format = format
        self.labels = lists.labels
        self.records = lists.records

    def split(self, name: str) -> tuple[VideoRecord, ...]:
        """Return the records of one split; a DatasetError lists the splits if there are none."""
        return records_of_split(self, name)

    def actor_masks(
        self, record: VideoRecord, frame_indices: Sequence[int] | NDArray[np.integer]
    ) -> NDArray[np.bool_]:
        """Return (T, H, W) without any actor, as none is annotated."""
        return fill_boxes(record, frame_indices)


def open_ucf101(root: Path, split_index: int = 1) -> RecognitionDataset:
    """Open UCF-101 with one of its three official splits."""
    return RecognitionDataset(root, "ucf101", read_ucf101(root, split_index))


def open_hmdb51(root: Path, split_index: int = 1) -> RecognitionDataset:
    """Open HMDB-51 with one of its three official splits."""
    return RecognitionDataset(root, "hmdb51", read_hmdb51(root, split_index))


def open_kinetics400(root: Path) -> RecognitionDataset:
    """Open Kinetics-400, as far as its videos are there."""
    return RecognitionDataset(root, "kinetics400", read_kinetics(root))


def open_lists(
    root: Path, split_index: int = 1, labelled_percent: int | None = None
) -> RecognitionDataset:
    """Open text lists of labelled and unlabelled videos.

    Args:
        root: of the data set.
        split_index: which of several splits.
        labelled_percent: which share of labelled videos; None takes the only one that is there, or
            the whole list as labelled if there is none.
    """
    return RecognitionDataset(root, "lists", read_lists(root, split_index, labelled_percent))


def ucf101_problems(root: Path) -> list[Problem]:
    """Return everything that is wrong with UCF-101's lists, of all splits that are there."""
    return _all_problems(read_ucf101(root, index) for index in ucf101_splits(root) or (1,))


def hmdb51_problems(root: Path) -> list[Problem]:
    """Return everything that is wrong with HMDB-51's lists, of all splits that are there."""
    return _all_problems(read_hmdb51(root, index) for index in hmdb51_splits(root) or (1,))


def kinetics400_problems(root: Path) -> list[Problem]:
    """Return everything that is wrong with Kinetics-400's csv files."""
    return _all_problems([read_kinetics(root)])


def lists_problems(root: Path) -> list[Problem]:
    """Return everything that is wrong with text lists, of all splits and percentages."""
    return _all_problems(read_lists(root, *variant) for variant in list_variants(root))


def _all_problems(found: Iterable[RecognitionLists]) -> list[Problem]:
    """Return the problems of several splits, each once."""
    return list(dict.fromkeys(problem for lists in found for problem in lists.problems))
