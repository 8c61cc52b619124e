"""What `vadsdk data check` found, as a table and as a JSON file."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from rich.table import Column, Table
from rich.text import Text

from vadsdk.cli import console
from vadsdk.cli.counting import counted
from vadsdk.data.atomic import write_text
from vadsdk.data.check import CheckReport
from vadsdk.data.problems import Problem

MAX_SHOWN = 50


def print_problems(problems: Sequence[Problem], root: Path, *, all_of_them: bool) -> None:
    """Print problems as a table, those that stop a training run first.

    Args:
        problems: in any order.
        root: of the data set; paths are shown relative to it.
        all_of_them: else those after `MAX_SHOWN` are counted.
    """
    if not problems:
        return
    ordered = sorted(problems, key=lambda problem: not problem.fatal)  # stable
    shown = ordered if all_of_them else ordered[:MAX_SHOWN]
    table = Table(Column("file", overflow="fold"), "field", "problem", show_lines=True)
    for problem in shown:
        message = problem.message if problem.fatal else f"note: {problem.message}"
        cells = (_relative(problem.file, root), problem.field, message)
        table.add_row(*map(Text, cells))  # Text: no markup in what a file says
    console.stdout.print(table)
    hidden = ordered[len(shown) :]
    if hidden:
        console.stdout.print(
            f"... and {counted_problems(hidden)} more; see them with --all, or write "
            "them with --json FILE",
            highlight=False,
            soft_wrap=True,
        )


def counted_problems(problems: Sequence[Problem]) -> str:
    """Return how many there are of each kind."""
    num_fatal = sum(problem.fatal for problem in problems)
    return f"{counted(num_fatal, 'problem')}, {counted(len(problems) - num_fatal, 'note')}"


def write_problems(path: Path, report: CheckReport) -> None:
    """Write everything that was found as JSON, completely or not at all.

    Raises:
        DatasetError: the file cannot be written.
    """
    content = {
        "format": report.format,
        "num_videos": report.num_videos,
        "num_fatal": report.num_fatal,
        "problems": [asdict(problem) for problem in report.problems],
    }
    write_text(path, json.dumps(content, indent=1) + "\n")


def _relative(file: str, root: Path) -> str:
    """Shorten a path inside the data set; the table is narrow."""
    path = Path(file)
    return str(path.relative_to(root)) if path.is_relative_to(root) else file
