"""`vadsdk doctor`: makes every part work for real and says what does not and what to do."""

from __future__ import annotations

import platform
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import typer
from rich.markup import escape
from rich.table import Table

import vadsdk
from vadsdk.cli import console

if TYPE_CHECKING:
    from vadsdk.cli.doctor_checks import Check

State = Literal["works", "missing", "broken"]
COLOURS: dict[State, str] = {"works": "green", "missing": "yellow", "broken": "red"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """What a check came to."""

    name: str
    """Of the check."""
    state: State
    """"missing": a package or device is not there; "broken": it is there and fails."""
    detail: str
    """What was done, or what went wrong."""
    advice: str
    """What to do; "" if it works."""


def doctor() -> None:
    """Try every backend for real: what works, what does not, and what to install.

    Ends with exit code 1 if videos cannot be read or no backend runs a model.
    """
    from vadsdk.cli.doctor_checks import BACKENDS, BASICS, OPTIONAL

    basics, backends, optional = ([examine(c) for c in g] for g in (BASICS, BACKENDS, OPTIONAL))
    _print(basics + backends + optional)
    if any(finding.state != "works" for finding in basics):
        console.print_error("vadsdk cannot work like this; see the red and yellow lines above")
        raise typer.Exit(1)
    if all(finding.state != "works" for finding in backends):
        console.print_error('no backend runs models; install one with: pip install "vadsdk[cpu]"')
        raise typer.Exit(1)


def examine(check: Check) -> Finding:
    """Run a check; whatever it raises becomes a finding."""
    from vadsdk.cli.doctor_checks import NoDeviceError

    try:
        detail = check.run()
    except (ModuleNotFoundError, NoDeviceError) as error:
        return Finding(name=check.name, state="missing", detail=str(error), advice=check.advice)
    except Exception as error:  # a doctor reports whatever is wrong
        detail = f"{type(error).__name__}: {error}"
        return Finding(name=check.name, state="broken", detail=detail, advice=check.advice)
    return Finding(name=check.name, state="works", detail=detail, advice="")


def _print(findings: Sequence[Finding]) -> None:
    title = f"vadsdk {vadsdk.__version__}, Python {platform.python_version()} on {sys.platform}"
    table = Table("part", "state", "detail", "to install", title=title)
    for finding in findings:
        table.add_row(
            finding.name,
            f"[{COLOURS[finding.state]}]{finding.state}",
            escape(finding.detail),
            escape(finding.advice),
        )
    console.stdout.print(table)
