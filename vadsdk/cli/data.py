"""`vadsdk data`: make, import, check, split and describe data sets."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Annotated

import typer

from vadsdk.cli import annotation, console
from vadsdk.cli.bank import bank
from vadsdk.cli.counting import counted
from vadsdk.data.problems import DEFAULT_CLIP_FRAMES
from vadsdk.errors import ConfigError

data_app = typer.Typer(
    name="data", help="Make, check, split and describe data sets.", no_args_is_help=True
)

data_app.command("bank")(bank)
data_app.command("export")(annotation.export)
data_app.command("prelabel")(annotation.prelabel)

Root = Annotated[Path, typer.Argument(help="Folder of the data set.", show_default=False)]
Format = Annotated[
    str | None,
    typer.Option(
        "--format", help="Layout, such as vadsdk, cvat or ucf101; found out if not given."
    ),
]
SplitIndex = Annotated[
    int | None, typer.Option("--split-index", help="Official split, 1 to 3 (DAVIS: its year).")
]
LabelledPercent = Annotated[
    int | None,
    typer.Option(
        "--labelled-percent",
        min=1,
        max=100,
        help="Which list of labelled videos, where there are several (lists).",
    ),
]
MAX_LEFT_OUT_SHOWN = 50


@data_app.command()
def toy(
    out: Annotated[Path, typer.Option("--out", help="Folder to write.", show_default=False)],
    num_clips: Annotated[int, typer.Option("--num-clips", min=1, help="Videos to make.")] = 100,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Another one, other videos.")] = 0,
) -> None:
    """Make toy footage: articulated figures doing labelled actions, with exact masks and tubes."""
    from vadsdk.data.toy import generate_toy_dataset

    with _progress("making videos") as progress:
        generate_toy_dataset(out, num_clips=num_clips, seed=seed, progress=progress)
    console.stdout.print(
        f"{counted(num_clips, 'video')} made in {out}", soft_wrap=True, markup=False
    )
    console.stdout.print(
        f"Look at them with: vadsdk data stats {out}", soft_wrap=True, markup=False
    )


@data_app.command("import")
def import_(
    format: Annotated[str, typer.Argument(help="Layout of SRC, or auto.", show_default=False)],
    source: Annotated[
        Path, typer.Argument(metavar="SRC", help="A folder, a zip or tar.", show_default=False)
    ],
    out: Annotated[Path, typer.Option("--out", help="New folder.", show_default=False)],
    split_index: SplitIndex = None,
    labelled_percent: LabelledPercent = None,
) -> None:
    """Bring a data set of another layout into the native format, completely or not at all."""
    from vadsdk.data.archives import is_archive, member_names, unpacked
    from vadsdk.data.dataset import open_dataset
    from vadsdk.data.importing import import_dataset

    layout = None if format == "auto" else format
    unpacking = (
        unpacked(source, out.absolute().parent) if is_archive(source) else nullcontext(source)
    )
    with unpacking as root, _progress("importing") as progress:
        dataset = open_dataset(
            root,
            format=layout,
            split_index=split_index,
            labelled_percent=labelled_percent,
            progress=progress,
        )
        report = import_dataset(dataset, out, root=root, progress=progress)
    for name, reason in report.skipped[:MAX_LEFT_OUT_SHOWN]:
        reason = member_names(reason, root, source) if root != source else reason
        console.stdout.print(f"left out {name}: {reason}", soft_wrap=True, markup=False)
    hidden = len(report.skipped) - MAX_LEFT_OUT_SHOWN
    if hidden > 0:
        console.stdout.print(f"... and {hidden} more")
    console.stdout.print(
        f"{counted(report.num_videos, 'video')} with {counted(report.num_actions, 'action')} in "
        f"{out}; {len(report.skipped)} left out",
        soft_wrap=True,
        markup=False,
    )
    console.stdout.print(f"Check them with: vadsdk data check {out}", soft_wrap=True, markup=False)


@data_app.command()
def check(
    root: Root,
    format: Format = None,
    split_index: SplitIndex = None,
    labelled_percent: LabelledPercent = None,
    clip_frames: Annotated[
        int, typer.Option("--clip-frames", min=1, help="Report videos with fewer frames.")
    ] = DEFAULT_CLIP_FRAMES,
    show_all: Annotated[
        bool, typer.Option("--all", help="Show all problems, not the first 50.")
    ] = False,
    json: Annotated[
        Path | None, typer.Option("--json", help="Write all problems to this file, too.")
    ] = None,
) -> None:
    """Read all annotation, decode all videos, and list what is wrong (exit status 1)."""
    from vadsdk.cli.problem_display import counted_problems, print_problems, write_problems
    from vadsdk.data.check import check_dataset

    with _progress("checking videos") as progress:
        report = check_dataset(
            root,
            format=format,
            split_index=split_index,
            labelled_percent=labelled_percent,
            clip_frames=clip_frames,
            progress=progress,
        )
    print_problems(report.problems, root, all_of_them=show_all)
    console.stdout.print(
        f"{root} ({report.format}): {counted(report.num_videos, 'video')}, "
        f"{counted_problems(report.problems)}",
        soft_wrap=True,
        markup=False,
    )
    if json is not None:
        write_problems(json, report)
    if report.num_fatal:
        raise typer.Exit(1)


@data_app.command()
def split(
    root: Root,
    labelled: Annotated[
        float | None,
        typer.Option("--labelled", help="Share of each class, in (0, 1]; all if only --test is."),
    ] = None,
    test: Annotated[
        float | None,
        typer.Option(
            "--test",
            help="Hold this share of each class out as test split, where there is none; in (0, 1).",
        ),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="Another one, another choice.")] = 0,
    out: Annotated[
        Path | None, typer.Option("--out", help="File to write; beside the data if not given.")
    ] = None,
    key_frames: Annotated[
        int | None,
        typer.Option("--key-frames", min=1, help="Use only so many frames of each action."),
    ] = None,
    format: Format = None,
    split_index: SplitIndex = None,
    labelled_percent: LabelledPercent = None,
) -> None:
    """Choose the training videos whose labels may be used: a share of each class, at least one.

    With --test, hold some of them out of learning first, to be scored.
    """
    from vadsdk.cli.splitting import Choice, write_choice
    from vadsdk.data.dataset import open_dataset

    if labelled is None and test is None:
        raise ConfigError("give --labelled SHARE, --test SHARE, or both")
    with _progress("reading annotation") as progress:
        dataset = open_dataset(
            root,
            format=format,
            split_index=split_index,
            labelled_percent=labelled_percent,
            progress=progress,
        )
    choice = Choice(
        labelled=1.0 if labelled is None else labelled, test=test, seed=seed, key_frames=key_frames
    )
    write_choice(dataset, root, choice, out)


@data_app.command()
def stats(
    root: Root,
    format: Format = None,
    split_index: SplitIndex = None,
    labelled_percent: LabelledPercent = None,
    picture: Annotated[
        bool, typer.Option("--picture/--no-picture", help="Draw charts and a contact sheet.")
    ] = True,
    out: Annotated[
        Path, typer.Option("--out", help="File for the picture; its suffix says the kind.")
    ] = Path("stats.png"),
) -> None:
    """Describe a data set: class balance, lengths and sizes, and a picture with examples."""
    from vadsdk.data.dataset import open_dataset
    from vadsdk.data.stats import class_table, describe, split_table
    from vadsdk.data.stats_picture import require_picture_path, save_picture

    if picture:
        require_picture_path(out)
    with _progress("reading annotation") as progress:
        dataset = open_dataset(
            root,
            format=format,
            split_index=split_index,
            labelled_percent=labelled_percent,
            progress=progress,
        )
    with _progress("measuring videos") as progress:
        described = describe(dataset, progress=progress)
    console.stdout.print(split_table(described))
    console.stdout.print(class_table(described))
    if picture:
        save_picture(dataset, described, out)
        console.stdout.print(f"picture: {out}", soft_wrap=True, markup=False)


@contextmanager
def _progress(description: str) -> Iterator[Callable[[int, int], None]]:
    """Show a bar while the work calls back with done and total."""
    with console.progress_bar() as bar:
        task = bar.add_task(description, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
