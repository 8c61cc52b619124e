from __future__ import annotations

from itertools import pairwise
from pathlib import Path

from typer.testing import CliRunner

from vadsdk.cli.app import app
from vadsdk.training.full_config import full_config
from vadsdk.training.recipes import RECIPES, recipe, recipe_summary
from vadsdk.training.settings import read_config


def test_every_recipe_is_a_line_under_what_it_is() -> None:
    result = CliRunner().invoke(app, ["recipes"])
    assert result.exit_code == 0
    groups: dict[str, str] = {}
    rows: dict[str, list[str]] = {}
    heading = ""
    for before, line in pairwise(["", *result.stdout.splitlines()]):
        if not before.strip():
            heading = line.strip()
        elif line.strip():
            name, *rest = line.split()
            groups[name], rows[name] = heading, rest
    assert groups == {name: recipe_summary(name) for name in RECIPES}
    assert rows["paper2-ava-20-fixmatch"] == ["yowo", "fixmatch", "ava", "20%", "16470"]


def test_a_name_gives_json_that_config_reads_back(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["recipes", "paper2-ava-20-fixmatch"])
    (tmp_path / "config.json").write_text(result.stdout, encoding="utf-8")
    assert read_config(tmp_path / "config.json") == full_config(recipe("paper2-ava-20-fixmatch"))


def test_an_unknown_name_gets_the_closest() -> None:
    result = CliRunner().invoke(app, ["recipes", "jhmdb21-e2"])
    assert result.exit_code == 1
    assert "Did you mean 'jhmdb21-e2e'" in result.stderr
