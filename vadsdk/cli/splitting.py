"""What `vadsdk data split` chooses, writes and says."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from vadsdk.cli import console
from vadsdk.cli.counting import counted
from vadsdk.data.dataset import ActionDataset
from vadsdk.data.held_out import choose_held_out, hold_out
from vadsdk.data.splits import (
    LEARNED_SPLIT,
    choose_key_frames,
    choose_labelled,
    labelled_split,
    share_of_labels,
    split_file_name,
    write_split,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Choice:
    """What the command line asks for; see `vadsdk data split --help`."""

    labelled: float
    test: float | None
    seed: int
    key_frames: int | None


def write_choice(dataset: ActionDataset, root: Path, choice: Choice, out: Path | None) -> None:
    """Choose videos, write them to a file, and say how many they are and what the file is for.

    Args:
        dataset: to choose from.
        root: its folder.
        choice: how.
        out: the file; None: one beside the data.
    """
    held: frozenset[str] = frozenset()
    if choice.test is not None:
        held = choose_held_out(dataset.split(LEARNED_SPLIT), choice.test, choice.seed)
        dataset = hold_out(dataset, held)
    records = dataset.split(LEARNED_SPLIT)
    chosen = choose_labelled(records, choice.labelled, choice.seed)
    frames = None
    if choice.key_frames is not None:
        picked = [record for record in records if record.name in chosen]
        frames = {record.name: choose_key_frames(record, choice.key_frames) for record in picked}
    name = split_file_name(choice.labelled, choice.seed, choice.key_frames, choice.test)
    path = out or root / name
    write_split(path, labelled_split(choice.labelled, choice.seed, chosen, frames, held))
    if held:
        _say(f"{counted(len(held), 'video')} held out as test split")
    _say(f"{len(chosen)} of {counted(len(records), 'training video')} labelled; written to {path}")
    num_annotated = sum(record.labelled for record in records)
    exceeded = share_of_labels(len(chosen), num_annotated, choice.labelled)
    if exceeded is not None:
        _say(exceeded)
    if held:
        _say(
            f"Learn from it with: vadsdk train --data {root} --labelled-list {path}\n"
            f"Score with: vadsdk evaluate RUN --data {root} --labelled-list {path}"
        )


def _say(text: str) -> None:
    console.stdout.print(text, soft_wrap=True, highlight=False, markup=False)
