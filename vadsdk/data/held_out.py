"""A share of the training videos that is not learned from but scored, where no test split is given.

It is the end of each class's queue (`splits.py`), whose beginning is labelled. So it depends on
nothing but seed and names, and a larger share contains every smaller one of the same seed.
"""

from __future__ import annotations

import copy
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

from vadsdk.data.records import ActionDataset, VideoRecord
from vadsdk.data.splits import LEARNED_SPLIT, main_label, one_of_each_class, queue_of
from vadsdk.errors import ConfigError, DatasetError

TEST_SPLIT = "test"
"""The split that a run is scored on at its end."""


def choose_held_out(records: Sequence[VideoRecord], share: float, seed: int) -> frozenset[str]:
    """Choose the videos to hold out: a share of each class, at least one, and never its last one.

    A video of several classes counts for the one that fills most of its frames. Videos without any
    action give their share, without the "at least one".

    Args:
        records: the videos to learn from; those that are not labelled cannot be scored.
        share: of each class, in (0, 1).
        seed: another one gives another choice.

    Returns:
        the names of the chosen records.

    Raises:
        ConfigError: the share is not in (0, 1).
        DatasetError: each class has but one video.
    """
    if not 0 < share < 1:
        raise ConfigError(f"the test share is in (0, 1), such as 0.2 for 20 %, not {share}")
    queue = queue_of(records, seed)
    kept = one_of_each_class(queue)
    members: dict[str | None, list[str]] = defaultdict(list)
    for record in queue:
        members[main_label(record)].append(record.name)
    chosen: set[str] = set()
    for label, names in members.items():
        count = max(round(share * len(names)), 0 if label is None else 1)
        free = [name for name in names if name not in kept]
        chosen.update(free[max(len(free) - count, 0) :])
    if not any(record.tubes or record.video_label for record in queue if record.name in chosen):
        raise DatasetError(
            "no annotated video can be held out: each class needs one to learn from and another "
            "one to be scored on; annotate more videos"
        )
    return frozenset(chosen)


def hold_out(dataset: ActionDataset, names: Collection[str]) -> ActionDataset:
    """Return the data set with some of its training videos in the split "test".

    Args:
        dataset: without such a split.
        names: of annotated training videos.

    Raises:
        DatasetError: the data set has a test split or a benchmark's own splits, or a name is not
            among its annotated training videos.
    """
    if any(record.split == TEST_SPLIT for record in dataset.records):
        raise DatasetError(
            f"{dataset.name} has a test split already, so no videos are held out of what is "
            "learned from; leave --test out"
        )
    if dataset.format == "ava":
        raise DatasetError(
            "AVA's measure knows its own splits alone; leave --test out, and score with --split val"
        )
    known = {r.name for r in dataset.records if r.split == LEARNED_SPLIT and r.labelled}
    strange = sorted(set(names) - known)
    if strange:
        raise DatasetError(
            f"{len(strange)} of the {len(names)} test videos are not among the annotated training "
            f"videos of {dataset.name}, such as {strange[0]!r}; was the split made for another "
            "data set? Make one with: vadsdk data split --test"
        )
    held: Any = copy.copy(dataset)  # whose class and masks stay what they are
    held.records = tuple(
        replace(record, split=TEST_SPLIT) if record.name in names else record
        for record in dataset.records
    )
    return held  # type: ignore[no-any-return]


def has_test_split(dataset: ActionDataset) -> bool:
    """Return whether there is what a run can be scored on."""
    return any(record.split == TEST_SPLIT and record.labelled for record in dataset.records)


def why_no_scores(root: object) -> str:
    """Return what to say where a data set has no annotated test split, and what to do.

    Args:
        root: its folder, as the user names it.
    """
    return f"no scores: {root} has no annotated test videos. {how_to_hold_out(root)}"


def how_to_hold_out(root: object) -> str:
    """Return how a data set comes to a test split."""
    return (
        f"Hold out some of its videos before training: vadsdk data split {root} --test 0.2 writes "
        "a file that train and evaluate take as --labelled-list. Or name the split in the "
        "annotation (CVAT: the task's subset)."
    )
