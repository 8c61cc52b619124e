"""Which videos are labelled: a choice for each class, the same whenever and wherever it is made.

A video's place in the queue of its class is a hash of seed and name. So the choice does not depend
on the order of the records, and a larger fraction contains every smaller one of the same seed.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Sequence, Set
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from vadsdk.data.atomic import write_text
from vadsdk.data.native_annotation import parse_file
from vadsdk.data.problems import raise_if_fatal
from vadsdk.data.records import ActionDataset, VideoRecord, records_of_split
from vadsdk.errors import ConfigError, DatasetError

LEARNED_SPLIT = "train"
"""The split in which videos are labelled or not; the others are for evaluation."""


class LabelledSplit(BaseModel):
    """A choice of labelled videos, as a file."""

    model_config = ConfigDict(extra="forbid")

    fraction: Annotated[float, Field(gt=0, le=1)]
    seed: int
    labelled: Annotated[list[str], Field(min_length=1)]


def choose_labelled(records: Sequence[VideoRecord], fraction: float, seed: int) -> frozenset[str]:
    """Choose the videos whose annotation may be used; each class gets its share, and at least one.

    A video of several classes counts for the one that fills most of its frames; one without any
    action is labelled background and gets the same share, without the "at least one".

    Args:
        records: the videos to learn from; those that are not labelled cannot be chosen.
        fraction: share of each class, in (0, 1].
        seed: another one gives another choice.

    Returns:
        the names of the chosen records. For one seed, those of a smaller fraction are among them.

    Raises:
        ConfigError: the fraction is not in (0, 1].
        DatasetError: no record has an action.
    """
    if not 0 < fraction <= 1:
        raise ConfigError(
            f"the labelled fraction is in (0, 1], such as 0.1 for 10 %, not {fraction}"
        )
    queue = sorted((r for r in records if r.labelled), key=lambda r: _place(r.name, seed))
    if not any(record.tubes for record in queue):
        raise DatasetError(
            "none of the videos has an annotated action, so no class can be labelled; "
            "annotate at least one video of each class"
        )
    chosen = _one_of_each_class(queue)
    members: dict[str | None, list[str]] = defaultdict(list)
    for record in queue:
        members[main_label(record)].append(record.name)
    for names in members.values():
        names.sort(key=lambda name: name not in chosen)  # those are in anyway; stable, so nested
    return chosen.union(*(names[: round(fraction * len(names))] for names in members.values()))


def main_label(record: VideoRecord) -> str | None:
    """Return the label whose tubes fill most frames of the video (ties: by name), or None."""
    frames = Counter[str]()
    for tube in record.tubes:
        frames[tube.label] += len(tube)
    return min(frames, key=lambda label: (-frames[label], label)) if frames else None


def apply_split(dataset: ActionDataset, labelled: Set[str]) -> ActionDataset:
    """Return the data set with only `labelled` annotated among its training videos.

    Raises:
        DatasetError: a name is not among the labelled training videos of the data set.
    """
    known = {r.name for r in records_of_split(dataset, LEARNED_SPLIT) if r.labelled}
    strange = sorted(labelled - known)
    if strange:
        raise DatasetError(
            f"{len(strange)} of the {len(labelled)} labelled videos are not among the annotated "
            f"training videos of {dataset.name}, such as {strange[0]!r}; was the split made for "
            "another data set? Make one with: vadsdk data split"
        )
    return _PartlyLabelled(dataset, labelled)


def write_split(path: Path, split: LabelledSplit) -> None:
    """Write a choice of labelled videos, completely or not at all."""
    ordered = split.model_copy(update={"labelled": sorted(split.labelled)})
    write_text(path, ordered.model_dump_json(indent=1) + "\n")


def read_split(path: Path) -> LabelledSplit:
    """Read a choice of labelled videos.

    Raises:
        DatasetError: the file is missing or malformed; the message names the field.
    """
    split, problems = parse_file(path, LabelledSplit)
    raise_if_fatal(problems, path.parent)
    assert split is not None  # else there was a fatal problem
    return split


def split_file_name(fraction: float, seed: int) -> str:
    """Return the name under which a choice is kept beside its data set."""
    return f"labelled_{fraction * 100:g}_seed{seed}.json"


class _PartlyLabelled:
    """A data set that has forgotten a part of its annotation, so that nothing can leak from it."""

    def __init__(self, dataset: ActionDataset, labelled: Set[str]) -> None:
        self.name = dataset.name
        self.format = dataset.format
        self.labels = dataset.labels
        self.has_masks = dataset.has_masks
        self.records = tuple(
            record
            if record.split != LEARNED_SPLIT or record.name in labelled
            else replace(record, tubes=(), labelled=False)
            for record in dataset.records
        )
        self._whole = dataset
        self._hidden = frozenset(record.name for record in self.records if not record.labelled)

    def split(self, name: str) -> tuple[VideoRecord, ...]:
        return records_of_split(self, name)

    def actor_masks(
        self, record: VideoRecord, frame_indices: Sequence[int] | NDArray[np.integer]
    ) -> NDArray[np.bool_]:
        if record.name in self._hidden:
            raise ValueError(f"{record.name} is not labelled: it has no masks to learn from")
        return self._whole.actor_masks(record, frame_indices)


def _one_of_each_class(queue: Sequence[VideoRecord]) -> frozenset[str]:
    first: dict[str, str] = {}
    for record in queue:
        for tube in record.tubes:
            first.setdefault(tube.label, record.name)
    return frozenset(first.values())


def _place(name: str, seed: int) -> bytes:
    return hashlib.sha256(f"{seed}/{name}".encode()).digest()
