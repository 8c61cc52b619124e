"""Where the command line writes: results to stdout, progress and errors to stderr."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from typing import Any

from rich.console import Console, ConsoleOptions, ConsoleRenderable, RenderableType, RenderHook
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.segment import Segment
from rich.text import Text

_PIPED_WIDTH = 200
"""Columns where there is no terminal."""
_STEERING = [*range(0x20), 0x7F, *range(0x80, 0xA0), *range(0x202A, 0x202F), *range(0x2066, 0x206A)]
"""Characters that steer a terminal or turn text round; a name in a data set may hold any."""
_ESCAPES = {code: repr(chr(code))[1:-1] for code in _STEERING if chr(code) not in "\n\t"}


class _SpeltOut:
    """Something to print, in which characters that steer a terminal are written as escapes."""

    def __init__(self, inner: ConsoleRenderable) -> None:
        self._inner = inner

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Segment]:
        for segment in console.render(self._inner, options):
            text = segment.text if segment.control else segment.text.translate(_ESCAPES)
            yield Segment(text, segment.style, segment.control)


class _SpellOut(RenderHook):
    """Spells out whatever a console prints: what it prints may come from anywhere."""

    def process_renderables(self, renderables: list[ConsoleRenderable]) -> list[ConsoleRenderable]:
        return [_SpeltOut(renderable) for renderable in renderables]


def new_console(**options: Any) -> Console:
    """Return a console that spells out what steers a terminal; options as `Console` takes them."""
    console = Console(**options)
    console.push_render_hook(_SpellOut())
    return console


stdout = new_console()
"""Results, which may be piped."""
stderr = new_console(stderr=True)
"""Progress and errors."""


def spell_out_unprintable() -> None:
    """Let names that are not UTF-8, or that the terminal lacks, be printed as escapes, not fail."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def print_lines(renderable: RenderableType) -> None:
    """Print a result whose lines go to a pipe or a file as they are, however long."""
    target = stdout if stdout.is_terminal else new_console(width=_PIPED_WIDTH)
    target.print(renderable)


def print_error(message: str) -> None:
    """Print a message in red, as it is: `[cpu]` in it is no markup, and lines are not cut."""
    stderr.print(Text(message, style="red"), soft_wrap=True)


def progress_bar() -> Progress:
    """Return a bar with counts and the time that remains; it goes when it is done.

    Where there is no terminal it shows nothing, not even the empty line that it would leave.
    """
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=stderr,
        transient=True,
        disable=not stderr.is_terminal,
    )
