"""The data set of a run, as far as the run may know it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from vadsdk.data.dataset import ActionDataset, VideoRecord, open_dataset
from vadsdk.data.splits import LEARNED_SPLIT, apply_split, choose_labelled, read_split
from vadsdk.errors import DatasetError
from vadsdk.structures import ModelKind
from vadsdk.training.settings import DataSettings

if TYPE_CHECKING:
    from vadsdk.training.session import Watcher


def labelled_dataset(settings: DataSettings, watcher: Watcher) -> ActionDataset:
    """Open a data set and hide the annotation of the videos that are to be unlabelled."""
    dataset = open_dataset(
        settings.root,
        format=settings.format,
        split_index=settings.split_index,
        labelled_percent=settings.labelled_percent,
        progress=watcher.stage("reading annotations", 0),
    )
    if settings.labelled_list is not None:
        split = read_split(Path(settings.labelled_list))
        labelled = frozenset(split.labelled)
        part = settings.unlabelled_part
        return apply_split(dataset, labelled, split.key_frames, unlabelled_part=part)
    if settings.labelled_fraction < 1:
        learned = dataset.split(LEARNED_SPLIT)
        chosen = choose_labelled(learned, settings.labelled_fraction, settings.labelled_seed)
        return apply_split(dataset, chosen, unlabelled_part=settings.unlabelled_part)
    return dataset


def require_boxes(records: Sequence[VideoRecord], model: str, kind: ModelKind) -> None:
    """Raise if all that is annotated is what videos show as a whole, not where."""
    trimmed = [record for record in records if record.video_label is not None]
    if kind != "recognition" and trimmed and not any(record.tubes for record in records):
        raise DatasetError(
            f"{trimmed[0].name} and the other labelled videos have one class each and no boxes, "
            f"and {model} learns where actions are; take a recognition model, or annotate boxes"
        )
