"""`vadsdk recipes`: the named settings that `vadsdk train --recipe` knows."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

from vadsdk.cli import console

if TYPE_CHECKING:
    from vadsdk.training.settings import RunConfig

HEADINGS = ("recipe", "model", "method", "data", "labels", "steps")
_NUMBERS = ("labels", "steps")


def recipes(
    name: Annotated[
        str | None, typer.Argument(help="A recipe whose whole config is printed as JSON.")
    ] = None,
) -> None:
    """List the recipes; with a NAME print that one as JSON, as --config of train reads it."""
    from vadsdk.training.full_config import full_config
    from vadsdk.training.recipes import RECIPES, recipe, recipe_summary

    if name is not None:
        text = full_config(recipe(name)).model_dump_json(indent=2)
        console.stdout.print(Text(text), soft_wrap=True)
        return
    rows = {key: _row(key, recipe(key)) for key in RECIPES}
    widths = [max(map(len, column)) for column in zip(HEADINGS, *rows.values(), strict=True)]
    console.print_lines(_table([HEADINGS], widths))
    for summary, names in groupby(RECIPES, key=recipe_summary):
        console.print_lines(Text(f"\n{summary}", style="bold"))
        console.print_lines(_table([rows[key] for key in names], widths))


def _row(name: str, config: RunConfig) -> tuple[str, ...]:
    return (
        name,
        config.model,
        config.method,
        config.data.format or "any",
        f"{config.data.labelled_fraction:.0%}",
        str(config.train.max_steps),
    )


def _table(rows: Sequence[Sequence[str]], widths: Sequence[int]) -> Table:
    """Return rows in columns of the same widths as those of all other groups."""
    table = Table.grid(padding=(0, 2, 0, 0))
    for heading, width in zip(HEADINGS, widths, strict=True):
        table.add_column(
            width=width,
            no_wrap=heading in ("recipe", *_NUMBERS),
            overflow="fold",
            justify="right" if heading in _NUMBERS else "left",
        )
    for row in rows:
        table.add_row(*row)
    return table
