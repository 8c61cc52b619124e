"""What a data set consists of: class balance, lengths and sizes of its actions.

An action is a tube, or a whole trimmed video with a class.

Legend: N tubes, A actions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from rich.markup import escape
from rich.table import Table

from vadsdk.data.measuring import measured_if_readable
from vadsdk.data.records import ActionDataset, VideoRecord


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class SplitStats:
    """One split."""

    name: str
    """Such as "train"."""
    num_videos: int
    """Videos in it."""
    num_labelled: int
    """Of these, videos whose annotation is known."""
    num_frames: int
    """Frames of all videos whose length is known."""
    seconds: float
    """Duration of all videos whose frame rate is known."""
    num_actions: int
    """Annotated ones."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class ClassStats:
    """One class over all splits."""

    label: str
    """Name of the action."""
    num_videos: dict[str, int]
    """For each split, the videos that show it."""
    num_actions: dict[str, int]
    """For each split, its actions."""
    lengths: NDArray[np.int64]
    """(A,) frames from the first to the last of each action; those of unknown length left out."""
    box_areas: NDArray[np.float64]
    """(N,) mean box area of each tube, as a share of its frame."""
    box_sizes: NDArray[np.float64]
    """(N, 2) mean box width and height of each tube, in pixels."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class DatasetStats:
    """A data set in numbers."""

    name: str
    """Of the data set."""
    splits: tuple[SplitStats, ...]
    """In alphabetical order."""
    classes: tuple[ClassStats, ...]
    """In the order of the labels."""


def describe(
    dataset: ActionDataset, *, progress: Callable[[int, int], None] | None = None
) -> DatasetStats:
    """Count and measure a data set's annotation.

    A video is opened only where the annotation does not tell its length or size.

    Args:
        dataset: to describe.
        progress: called with the videos done and their number.
    """
    records = measured_if_readable(dataset.records, progress=progress)
    names = sorted({record.split for record in records})
    return DatasetStats(
        name=dataset.name,
        splits=tuple(_split_stats(n, [r for r in records if r.split == n]) for n in names),
        classes=tuple(_class_stats(label, records, names) for label in dataset.labels),
    )


def split_table(stats: DatasetStats) -> Table:
    """Return the splits as a table for the terminal."""
    table = Table(title=escape(f"{stats.name}: splits"), title_justify="left")
    table.add_column("split")
    for heading in ("videos", "labelled", "frames", "minutes", "actions"):
        table.add_column(heading, justify="right")
    for split in stats.splits:
        table.add_row(
            escape(split.name),
            str(split.num_videos),
            str(split.num_labelled),
            str(split.num_frames),
            f"{split.seconds / 60:.1f}",
            str(split.num_actions),
        )
    return table


def class_table(stats: DatasetStats) -> Table:
    """Return the classes as a table for the terminal."""
    table = Table(title=escape(f"{stats.name}: classes"), title_justify="left")
    table.add_column("class", overflow="fold")
    for split in stats.splits:
        table.add_column(escape(f"{split.name}\nvideos,\nactions"), justify="right")
    table.add_column("frames:\nmin, median,\nmax", justify="right", no_wrap=True)
    table.add_column("box pixels:\nmedian", justify="right", no_wrap=True)
    table.add_column("% of\nframe", justify="right")
    for row in stats.classes:
        counts = [
            f"{row.num_videos[split.name]}, {row.num_actions[split.name]}" for split in stats.splits
        ]
        table.add_row(escape(row.label), *counts, *_measures(row))
    return table


def _measures(row: ClassStats) -> tuple[str, str, str]:
    lengths = size = share = "-"
    if len(row.lengths):
        lengths = f"{row.lengths.min()}, {np.median(row.lengths):.0f}, {row.lengths.max()}"
    if len(row.box_sizes):
        width, height = np.median(row.box_sizes, axis=0)
        size, share = f"{width:.0f} x {height:.0f}", f"{100 * np.median(row.box_areas):.1f}"
    return lengths, size, share


def _split_stats(name: str, records: Sequence[VideoRecord]) -> SplitStats:
    return SplitStats(
        name=name,
        num_videos=len(records),
        num_labelled=sum(record.labelled for record in records),
        num_frames=sum(record.num_frames for record in records),
        seconds=sum(r.num_frames / r.fps for r in records if r.fps > 0),
        num_actions=sum(len(r.tubes) + (r.video_label is not None) for r in records),
    )


def _class_stats(label: str, records: Sequence[VideoRecord], splits: Sequence[str]) -> ClassStats:
    found = [(record, tube) for record in records for tube in record.tubes if tube.label == label]
    whole = [record for record in records if record.video_label == label]
    showing = [*(record for record, _ in found), *whole]
    lengths = [tube.end_frame - tube.start_frame for _, tube in found]
    sizes = np.array(
        [(tube.boxes_xyxy[:, 2:] - tube.boxes_xyxy[:, :2]).mean(axis=0) for _, tube in found]
    ).reshape(-1, 2)
    areas = [
        float(np.prod(tube.boxes_xyxy[:, 2:] - tube.boxes_xyxy[:, :2], axis=1).mean())
        / (record.width * record.height)
        for record, tube in found
    ]
    return ClassStats(
        label=label,
        num_videos={
            split: len({record.name for record in showing if record.split == split})
            for split in splits
        },
        num_actions={split: sum(record.split == split for record in showing) for split in splits},
        lengths=np.array([*lengths, *(r.num_frames for r in whole if r.num_frames)], np.int64),
        box_areas=np.array(areas, np.float64),
        box_sizes=sizes.astype(np.float64),
    )
