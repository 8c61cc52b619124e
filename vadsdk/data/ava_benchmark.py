"""What the AVA benchmark counts: all boxes of a split, its evaluated classes, its exclusions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from vadsdk.data.ava_files import read_ava_rows, read_exclusions
from vadsdk.data.ava_label_map import read_label_map
from vadsdk.structures.ava import AvaRows, KeyFrame

EVALUATED_LIST = "ava_action_list_v{version}_for_activitynet_*.pbtxt"
"""Names the 60 evaluated actions of the 80; the newest of several counts."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class AvaBenchmark:
    """One split of AVA as its scripts read it."""

    rows: AvaRows
    """Ground truth of every key frame, excluded ones too."""
    class_ids: tuple[int, ...]
    """Id of each label of the data set, in the order of the labels."""
    evaluated: Mapping[int, str]
    """Names of the classes that count, by id."""
    excluded: frozenset[KeyFrame]
    """Key frames that do not count; none where the data set has no list of them."""
    start_seconds: float
    """Time in the movie at which the video files begin."""


def read_benchmark(
    root: Path,
    *,
    split: str,
    version: str,
    labels: tuple[tuple[int, str], ...],
    start_seconds: float,
    label_map: Path | None = None,
) -> AvaBenchmark:
    """Read a split again, this time as the benchmark counts it.

    Args:
        root: of the data set.
        split: "train" or "val".
        version: such as "2.2".
        labels: ids and names of the data set's labels.
        start_seconds: time in the movie at which the video files begin.
        label_map: lists the evaluated classes; None takes the list of the evaluated 60 where the
            folder has it, else all labels.

    Raises:
        DatasetError: a file is missing or malformed.
    """
    listed = sorted(root.glob(EVALUATED_LIST.format(version=version)))
    if label_map is None and listed:
        label_map = listed[-1]
    exclusions = root / f"ava_{split}_excluded_timestamps_v{version}.csv"
    return AvaBenchmark(
        rows=read_ava_rows(root / f"ava_{split}_v{version}.csv"),
        class_ids=tuple(class_id for class_id, _ in labels),
        evaluated=dict(labels if label_map is None else read_label_map(label_map)),
        excluded=read_exclusions(exclusions) if exclusions.is_file() else frozenset(),
        start_seconds=start_seconds,
    )
