"""Recipes: functions that return full configs, by name; `vadsdk train --recipe NAME`.

One file a source: a paper's has one function for each of its experiments, and a table that names
the experiment's rows. A number that is a paper's names its section or table; a number without a
source was found on our own data. `vadsdk recipes` lists all of them.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable
from functools import partial

from vadsdk.errors import ConfigError
from vadsdk.training.recipes.footage import FOOTAGE
from vadsdk.training.recipes.jhmdb21 import JHMDB21
from vadsdk.training.recipes.paper1 import PAPER1
from vadsdk.training.recipes.paper2 import PAPER2
from vadsdk.training.recipes.paper3 import PAPER3
from vadsdk.training.recipes.stable_mean_teacher import STABLE_MEAN_TEACHER
from vadsdk.training.recipes.toy import TOY_RECIPES
from vadsdk.training.recipes.toy_pairs import TOY_PAIRS
from vadsdk.training.settings import RunConfig

RECIPES: dict[str, Callable[[], RunConfig]] = {
    **FOOTAGE,
    **JHMDB21,
    **PAPER1,
    **PAPER2,
    **PAPER3,
    **STABLE_MEAN_TEACHER,
    **TOY_PAIRS,
    **TOY_RECIPES,
}
"""Every recipe by name, those of one function in a row."""

_NUM_CLOSEST = 5


def recipe(name: str) -> RunConfig:
    """Return the config of a recipe.

    Raises:
        ConfigError: no such recipe; the message names the closest ones.
    """
    if name not in RECIPES:
        closest = difflib.get_close_matches(name, RECIPES, n=_NUM_CLOSEST)
        hint = f" Did you mean {' or '.join(map(repr, closest))}?" if closest else ""
        raise ConfigError(f"unknown recipe {name!r}.{hint} All of them: vadsdk recipes")
    return RECIPES[name]()


def recipe_summary(name: str) -> str:
    """Return one line of what a recipe is, from its function's docstring.

    Args:
        name: one of `RECIPES`.
    """
    function = RECIPES[name]
    documented = function.func if isinstance(function, partial) else function
    first = (documented.__doc__ or "").partition("\n\n")[0]
    line = " ".join(first.split()).removeprefix("Return ")
    return line[:1].upper() + line[1:]
