"""Where the command line writes: results to stdout, progress and errors to stderr."""

from __future__ import annotations

import io
import sys

from rich.console import Console, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

stdout = Console()
"""Results, which may be piped."""
stderr = Console(stderr=True)
"""Progress and errors."""
_PIPED_WIDTH = 200
"""Columns where there is no terminal."""


def spell_out_unprintable() -> None:
    """Let names that are not UTF-8, or that the terminal lacks, be printed as escapes, not fail."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def print_lines(renderable: RenderableType) -> None:
    """Print a result whose lines go to a pipe or a file as they are, however long."""
    target = stdout if stdout.is_terminal else Console(width=_PIPED_WIDTH)
    target.print(renderable)


def print_error(message: str) -> None:
    """Print a message in red, as it is: `[cpu]` in it is no markup, and lines are not cut."""
    stderr.print(Text(message, style="red"), soft_wrap=True)


def progress_bar() -> Progress:
    """Return a bar with counts and the time that remains; it goes when it is done."""
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=stderr,
        transient=True,
    )
