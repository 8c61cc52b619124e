"""`vadsdk demo`: the whole product in minutes on a CPU."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def demo(
    out: Annotated[Path, typer.Option(help="Folder to write; made anew.")] = Path("runs/demo"),
    data: Annotated[
        Path | None, typer.Option(help="Your own annotated footage instead of toy footage.")
    ] = None,
    labelled_fraction: Annotated[
        float, typer.Option(help="Share of each class whose annotation both trainings see.")
    ] = 0.1,
    steps: Annotated[int, typer.Option(min=1, help="Optimiser steps of each training.")] = 800,
    num_clips: Annotated[int, typer.Option(min=17, help="Toy videos to make.")] = 400,
    seed: Annotated[int, typer.Option(min=0, help="Of footage, split and training.")] = 0,
) -> None:
    """Make toy footage, train with few labels, evaluate, export, stream, draw and report."""
    from vadsdk.cli.demo_run import DemoSettings, run_demo

    run_demo(
        DemoSettings(
            out=out,
            data=data,
            labelled_fraction=labelled_fraction,
            steps=steps,
            num_clips=num_clips,
            seed=seed,
        )
    )
