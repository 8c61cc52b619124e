"""What a user should hear before a run that learns something else than he may expect."""

from __future__ import annotations

from collections.abc import Sequence

from vadsdk.data.clip_classes import group_by_class
from vadsdk.data.records import VideoRecord
from vadsdk.training.settings import RunConfig

_MOST_NAMES = 8


def advice_on(
    config: RunConfig,
    records: Sequence[VideoRecord],
    labels: Sequence[str],
    *,
    uses_unlabelled: bool,
) -> list[str]:
    """Return notes on the videos that are learned from; none where all is as it should be.

    Args:
        config: of the run.
        records: labelled and unlabelled videos.
        labels: names of the classes.
        uses_unlabelled: whether the method learns from unlabelled clips.
    """
    labelled = [record for record in records if record.labelled]
    shown = {group.label for group in group_by_class(labelled, labels)}
    missing = [label for label in labels if label not in shown]
    notes = []
    if missing:
        notes.append(
            f"no labelled video shows {_listed(missing)}: the model cannot learn "
            f"{'it' if len(missing) == 1 else 'them'}; annotate some, or leave the labels out"
        )
    batch = config.train.batch_labelled
    if 0 < len(labelled) < batch:
        notes.append(
            f"{len(labelled)} labelled videos for {batch} labelled clips a step: each step shows "
            "some of them more than once; train.batch_labelled may be smaller"
        )
    if uses_unlabelled and not config.train.batch_unlabelled:
        notes.append(
            f"method {config.method!r} learns from unlabelled clips, but "
            "train.batch_unlabelled is 0: it learns from labelled clips alone"
        )
    if not uses_unlabelled and config.train.batch_unlabelled:
        notes.append(
            f"method {config.method!r} does not learn from unlabelled clips; they cost time and "
            "teach nothing: set train.batch_unlabelled=0, or choose another method"
        )
    elif not uses_unlabelled and config.data.unlabelled:
        notes.append(
            f"method {config.method!r} does not learn from unlabelled clips: "
            f"{_listed(config.data.unlabelled)} will not be read; choose another method"
        )
    if config.train.warmup_steps > config.train.max_steps:
        notes.append(
            f"train.warmup_steps={config.train.warmup_steps} exceeds train.max_steps="
            f"{config.train.max_steps}: the rate rises to the end and never reaches "
            f"train.learning_rate={config.train.learning_rate:g}; set fewer warm-up steps"
        )
    return notes


def _listed(names: Sequence[str]) -> str:
    rest = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    return ", ".join(names[:_MOST_NAMES]) + rest
