from __future__ import annotations

import json
from pathlib import Path

import pytest

from vadsdk.errors import ConfigError
from vadsdk.training.recipes import recipe
from vadsdk.training.settings import RunConfig, merged, read_config, with_overrides


def test_an_override_reaches_its_field_with_its_type() -> None:
    config = with_overrides(RunConfig(), ["train.max_steps=7", "method=supervised"])
    assert (config.train.max_steps, config.method) == (7, "supervised")


def test_an_override_of_a_method_setting_is_kept_for_the_method_to_check() -> None:
    config = with_overrides(RunConfig(), ['method_settings.localisation="gradient"'])
    assert config.method_settings["localisation"] == "gradient"


@pytest.mark.parametrize(
    ("override", "text"),
    [
        ("train.max_steps", "has no '='"),
        ("train.max_step=7", "train.max_step: there is no such setting; did you mean 'max_steps'"),
        ("train.max_steps=0", "greater than or equal to 1"),
        ("trainer.max_steps=7", "no section 'trainer'"),
        ("train.max_steps.x=7", "no section 'max_steps'"),
        ("train.max_steps=many", "train.max_steps"),
    ],
)
def test_a_wrong_override_names_itself(override: str, text: str) -> None:
    with pytest.raises(ConfigError, match=text):
        with_overrides(RunConfig(), [override])


def test_a_config_survives_its_file(tmp_path: Path) -> None:
    config = with_overrides(recipe("paper1-jhmdb21"), ["train.seed=5"])
    path = tmp_path / "config.json"
    path.write_text(config.model_dump_json())
    assert read_config(path) == config


@pytest.mark.parametrize(
    ("content", "text"),
    [("{", "is not JSON"), (json.dumps({"modle": "x"}), "modle"), ("[]", "describe a run")],
)
def test_a_broken_config_file_is_named(tmp_path: Path, content: str, text: str) -> None:
    path = tmp_path / "config.json"
    path.write_text(content)
    with pytest.raises(ConfigError, match=text) as caught:
        read_config(path)
    assert str(path) in str(caught.value)


def test_none_leaves_a_field_as_the_recipe_has_it() -> None:
    config = merged(
        recipe("paper1-jhmdb21"), {"model": None}, {"data": {"root": "d", "format": None}}
    )
    assert (config.model, config.data.root, config.data.format) == ("videocapsnet", "d", "jhmdb21")


@pytest.mark.parametrize(
    ("written", "files"),
    [(None, ()), ("i3d.pt", ("i3d.pt",)), (["a.pth", "b.weights"], ("a.pth", "b.weights"))],
)
def test_weights_are_files_as_one_name_or_several(
    tmp_path: Path, written: object, files: tuple[str, ...]
) -> None:
    """Config files of earlier versions hold one name, or null."""
    path = tmp_path / "config.json"
    path.write_text(json.dumps({"weights": written}))
    config = read_config(path)
    assert config.weights == files
    assert with_overrides(RunConfig(), [f"weights={json.dumps(written)}"]) == config
    path.write_text(config.model_dump_json())
    assert read_config(path) == config
    assert merged(config, {"weights": None}, {}) == config
    assert merged(config, {"weights": ["c.pt"]}, {}).weights == ("c.pt",)


def test_settings_within_settings_of_a_method_are_set_one_by_one() -> None:
    config = with_overrides(RunConfig(), ["method_settings.terms.margin_step=0.1"])
    config = with_overrides(config, ["method_settings.terms.cls_weight=2"])
    assert config.method_settings == {"terms": {"margin_step": 0.1, "cls_weight": 2}}
