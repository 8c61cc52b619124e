"""The data set of a run, as far as the run may know it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from vadsdk.data.dataset import ActionDataset, VideoRecord, open_dataset
from vadsdk.data.held_out import hold_out
from vadsdk.data.splits import (
    LEARNED_SPLIT,
    apply_split,
    choose_labelled,
    read_split,
    share_of_labels,
)
from vadsdk.errors import DatasetError
from vadsdk.structures import ModelKind
from vadsdk.training.settings import DataSettings

if TYPE_CHECKING:
    from vadsdk.training.watcher import Watcher


def labelled_dataset(settings: DataSettings, watcher: Watcher) -> ActionDataset:
    """Open a data set and hide the annotation of the videos that are to be unlabelled.

    Videos that `labelled_list` holds out are its test split.
    """
    dataset = open_dataset(
        settings.root,
        format=settings.format,
        split_index=settings.split_index,
        labelled_percent=settings.labelled_percent,
        progress=watcher.stage("reading annotations", 0),
    )
    listed = settings.labelled_list
    split = None if listed is None else read_split(Path(listed))
    if split is not None and split.test:
        dataset = hold_out(dataset, split.test)
    part = settings.unlabelled_part
    if split is not None:
        labelled = frozenset(split.labelled)
        return apply_split(dataset, labelled, split.key_frames, unlabelled_part=part)
    if settings.labelled_fraction == 1:
        return dataset
    learned = dataset.split(LEARNED_SPLIT)
    chosen = choose_labelled(learned, settings.labelled_fraction, settings.labelled_seed)
    num_videos = sum(record.labelled for record in learned)
    exceeded = share_of_labels(len(chosen), num_videos, settings.labelled_fraction)
    if exceeded is not None:
        watcher.note(exceeded)
    return apply_split(dataset, chosen, unlabelled_part=part)


def labelled_fraction(settings: DataSettings) -> float:
    """Return the share of each class that is labelled, which a list says itself."""
    if settings.labelled_list is None:
        return settings.labelled_fraction
    return read_split(Path(settings.labelled_list)).fraction


def require_boxes(records: Sequence[VideoRecord], model: str, kind: ModelKind) -> None:
    """Raise if all that is annotated is what videos show as a whole, not where."""
    trimmed = [record for record in records if record.video_label is not None]
    if kind != "recognition" and trimmed and not any(record.tubes for record in records):
        raise DatasetError(
            f"{trimmed[0].name} and the other labelled videos have one class each and no boxes, "
            f"and {model} learns where actions are; take a recognition model, or annotate boxes"
        )
