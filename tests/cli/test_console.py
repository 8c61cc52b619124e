from __future__ import annotations

import io
from collections.abc import Callable

import pytest
from rich.table import Table
from rich.text import Text

from vadsdk.cli import console

HOSTILE = "\x1b]0;title\x07 \x1b[2J\x9b31m \r\x00 \u202egnp.exe\u2069"


def table() -> Table:
    made = Table(HOSTILE)
    made.add_row(Text(HOSTILE))
    return made


@pytest.fixture
def out(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    written = io.StringIO()
    for name in ("stdout", "stderr"):
        monkeypatch.setattr(console, name, console.new_console(file=written))
    return written


@pytest.mark.parametrize(
    "show",
    [
        lambda: console.stdout.print(HOSTILE, markup=False, soft_wrap=True),
        lambda: console.stdout.print(table()),
        lambda: console.print_error(HOSTILE),
    ],
)
def test_nothing_that_is_printed_can_steer_the_terminal(
    out: io.StringIO, show: Callable[[], None]
) -> None:
    show()
    text = out.getvalue()
    assert r"\x1b[2J\x9b31m" in text
    assert r"\u202egnp.exe\u2069" in text
    assert not [char for char in text if char != "\n" and not char.isprintable()]


def test_our_own_colours_reach_a_terminal() -> None:
    written = io.StringIO()
    terminal = console.new_console(file=written, force_terminal=True, color_system="standard")
    terminal.print(Text("wrong\x1b", style="red"))
    assert written.getvalue() == "\x1b[31mwrong\\x1b\x1b[0m\n"


def test_lines_breaks_and_accents_stay(out: io.StringIO) -> None:
    shown = "one\ntwo caf\u00e9 \u4eba"
    console.stdout.print(shown, soft_wrap=True)
    assert out.getvalue() == "one\ntwo caf\u00e9 \u4eba\n"


@pytest.mark.parametrize("is_terminal", [True, False])
def test_a_bar_is_for_terminals(is_terminal: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.StringIO()
    made = console.new_console(file=written, force_terminal=is_terminal)
    monkeypatch.setattr(console, "stderr", made)
    with console.progress_bar() as bar:
        bar.advance(bar.add_task("watching", total=2))
    assert ("watching" in written.getvalue()) == is_terminal
    assert is_terminal or written.getvalue() == ""
