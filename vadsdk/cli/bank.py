"""`vadsdk data bank`: decode a data set once, for runs and for machines that cannot decode."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from vadsdk.cli import console
from vadsdk.cli.counting import counted
from vadsdk.data.stored_video import MAX_STORE_SIZE

MAX_SKIPPED_SHOWN = 50


def bank(
    root: Annotated[Path, typer.Argument(help="Folder of the data set.", show_default=False)],
    out: Annotated[Path, typer.Option("--out", help="File to write.", show_default=False)],
    size: Annotated[
        int,
        typer.Option(
            "--size",
            min=16,
            max=MAX_STORE_SIZE,
            help="Rows and columns of the stored frames: data.store_size of the run, which is the "
            "model's input and an eighth if not set.",
            show_default=False,
        ),
    ],
    split: Annotated[str, typer.Option("--split", help="Which videos.")] = "train",
    format: Annotated[
        str | None, typer.Option("--format", help="Layout of the data set; found out if left out.")
    ] = None,
    split_index: Annotated[
        int | None, typer.Option("--split-index", help="Official split, where there are several.")
    ] = None,
    num_decoders: Annotated[
        int | None,
        typer.Option("--num-decoders", min=1, help="Processes that decode; as many as cores."),
    ] = None,
) -> None:
    """Decode all videos of a split into one file, a clip bank, that runs learn from.

    A bank that is there already is brought up to date. Training reads it with
    --set data.bank=FILE; vadsdk.data.clip_bank reads it with torch and numpy alone.
    """
    from vadsdk.data.bank_cache import BankPlace
    from vadsdk.data.dataset import open_dataset

    dataset = open_dataset(root, format=format, split_index=split_index)
    place = BankPlace(
        path=out, store_size=(size, size), num_workers=num_decoders or os.cpu_count() or 2
    )
    with console.progress_bar() as bar:
        task = bar.add_task("building the clip bank", total=None)
        made = place.current(
            dataset,
            dataset.split(split),
            place.open(_say),
            note=_say,
            progress=lambda done, total: bar.update(task, completed=done, total=total),
        )
    for name, skipped in list(made.skipped.items())[:MAX_SKIPPED_SHOWN]:
        _say(f"left out {name}: {skipped.reason}")
    _say(
        f"{counted(len(made.records), 'video')}, {sum(made.num_frames.values())} frames, "
        f"{out.stat().st_size / 2**20:.0f} MiB are in {out}; {len(made.skipped)} left out"
    )
    _say(f"Learn from it with: vadsdk train --data {root} --set data.bank={out}")


def _say(text: str) -> None:
    console.stdout.print(text, soft_wrap=True, markup=False)
