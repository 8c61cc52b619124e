"""Which videos a run learns from: labelled, unlabelled, and what of them its settings choose."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from vadsdk.data.footage import unlabelled_records
from vadsdk.data.records import ActionDataset, VideoRecord
from vadsdk.data.splits import LEARNED_SPLIT, choose_unlabelled
from vadsdk.errors import ConfigError, DatasetError
from vadsdk.training.settings import DataSettings, RunConfig


def require_unlabelled_use(config: RunConfig) -> None:
    """Raise a ConfigError if the run has no use for what it is told of unlabelled videos."""
    data = config.data
    chosen = []
    if data.unlabelled_part != "whole":
        chosen.append(f"data.unlabelled_part={data.unlabelled_part}")
    if data.unlabelled_fraction < 1:
        chosen.append(f"data.unlabelled_fraction={data.unlabelled_fraction:g}")
    if chosen and not config.train.batch_unlabelled:
        raise ConfigError(
            f"{' and '.join(chosen)}: with train.batch_unlabelled=0 nothing is learned from "
            "unlabelled videos; leave it out, or set train.batch_unlabelled"
        )
    if data.unlabelled_part != "whole" and data.labelled_fraction == 1 and not data.labelled_list:
        raise ConfigError(
            "data.unlabelled_part=actions is of videos whose annotation is hidden, and none is; "
            "give a --labelled-fraction below 1 or a --labelled-list, or leave it out"
        )


def learned_records(
    dataset: ActionDataset, config: RunConfig, note: Callable[[str], None]
) -> list[VideoRecord]:
    """Return the videos of a run: labelled ones, and unlabelled ones if it learns from them.

    Args:
        dataset: as far as the run may know it.
        config: of the run.
        note: told which videos are left out.

    Raises:
        DatasetError: there are unlabelled videos, but none that the settings admit.
    """
    data, records = config.data, list(dataset.split(LEARNED_SPLIT))
    if not config.train.batch_unlabelled:
        return [record for record in records if record.labelled]
    footage = unlabelled_records([Path(folder) for folder in data.unlabelled])
    records += footage
    hidden = [r for r in dataset.split(LEARNED_SPLIT) if not r.labelled]
    if data.unlabelled_part == "actions" and hidden and all(r.drawn_ranges is None for r in hidden):
        raise DatasetError(
            "data.unlabelled_part=actions, but the videos whose annotation is hidden say what "
            "happens and not when; leave it out"
        )
    drawn = [record for record in records if record.drawn_ranges != ()]
    num_left_out = len(records) - len(drawn)
    if num_left_out and all(record.labelled for record in drawn):
        raise DatasetError(
            f"none of the {num_left_out} unlabelled videos has an annotated action to draw clips "
            "from; set data.unlabelled_part=whole, or give --unlabelled DIR"
        )
    if num_left_out:
        note(
            f"{num_left_out} unlabelled videos have no annotated action and are left out, as "
            "data.unlabelled_part is actions"
        )
    if data.unlabelled_fraction == 1:
        return drawn
    # Footage was measured just now: what has no frames cannot be read, and is no part of a share.
    broken = {record.name for record in footage if not record.num_frames}
    if broken:
        note(
            f"{len(broken)} files without annotation cannot be read and are no part of the share, "
            f"such as {min(broken)}"
        )
    readable = [record for record in drawn if record.name not in broken]
    return choose_unlabelled(readable, data.unlabelled_fraction, data.labelled_seed)


def require_readable_choice(records: Sequence[VideoRecord], settings: DataSettings) -> None:
    """Raise a DatasetError if none of the unlabelled videos that a fraction chose can be read.

    Args:
        records: that can be learned from.
        settings: of the run.
    """
    if settings.unlabelled_fraction < 1 and all(record.labelled for record in records):
        raise DatasetError(
            f"none of the unlabelled videos that data.unlabelled_fraction="
            f"{settings.unlabelled_fraction:g} chose can be read; set a larger one, or another "
            "data.labelled_seed"
        )
