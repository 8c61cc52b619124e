"""Every recipe is a run that would start: its network, its method, its data."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import pytest
import torch

from vadsdk.data.formats import FORMATS
from vadsdk.errors import ConfigError
from vadsdk.methods import METHODS, build_method
from vadsdk.models import build_model
from vadsdk.training.full_config import full_config
from vadsdk.training.learned_records import require_unlabelled_use
from vadsdk.training.recipes import RECIPES, recipe, recipe_summary
from vadsdk.training.recipes.paper1 import PAPER1
from vadsdk.training.recipes.paper2 import PAPER2
from vadsdk.training.recipes.paper3 import PAPER3
from vadsdk.training.recipes.stable_mean_teacher import STABLE_MEAN_TEACHER
from vadsdk.training.settings import RunConfig, read_config

ON_CPU = {"videocapsnet-n": {}, "videocapsnet-s": {}, "yowo-n": {}, "r3d-n": {}} | {
    "r3d18": {"width": 0.125, "input_size": 64}  # its method reads channels off a forward pass
}
"""Networks that are really made, with what makes them lighter; others have weights of no values."""
OF_PAPERS = {**PAPER1, **PAPER2, **PAPER3, **STABLE_MEAN_TEACHER}
SHORT_NAMES = {
    "paper1-ucf101-24",
    "paper1-jhmdb21",
    "paper2-ucf101-24",
    "paper2-jhmdb21",
    "paper3-ucf101",
    "paper3-hmdb51",
    "paper3-kinetics400",
}


def learners() -> dict[str, RunConfig]:
    """Return one recipe's config for each pair of network and method, with all their settings."""
    found = {}
    for name in RECIPES:
        config = recipe(name)
        parts = config.model_dump(mode="json", exclude={"data", "train"})
        found.setdefault(json.dumps(parts, sort_keys=True), (name, config))
    return dict(found.values())


LEARNERS = learners()


@pytest.mark.parametrize("name", sorted(LEARNERS))
def test_the_method_takes_the_network(name: str) -> None:
    config = LEARNERS[name]
    lighter = ON_CPU.get(config.model, {})
    with torch.device("cpu" if config.model in ON_CPU else "meta"):
        network = build_model(config.model, 5, {**config.model_settings, **lighter})
        method = build_method(config.method, network, config.method_settings)
    assert type(method) is METHODS[config.method].build


def test_every_method_has_a_recipe_of_a_paper() -> None:
    assert {recipe(name).method for name in OF_PAPERS} == set(METHODS)


@pytest.mark.parametrize("name", sorted(RECIPES))
def test_the_full_config_is_read_back_as_the_same_run(name: str, tmp_path: Path) -> None:
    full = full_config(recipe(name))
    (tmp_path / "config.json").write_text(full.model_dump_json(), encoding="utf-8")
    read = read_config(tmp_path / "config.json")
    assert read == full == full_config(read)
    assert full.model_copy(
        update={
            "model_settings": recipe(name).model_settings,
            "method_settings": recipe(name).method_settings,
        }
    ) == recipe(name)


def test_the_full_config_has_what_the_recipe_leaves_to_defaults() -> None:
    settings = full_config(recipe("paper1-jhmdb21")).method_settings
    assert settings["consistency_target"] == "both"  # not in the recipe
    assert settings["terms"]["bce_weight"] == 1.0


@pytest.mark.parametrize("name", sorted(RECIPES))
def test_its_data_can_be_opened_and_its_steps_have_rows(name: str) -> None:
    config = recipe(name)
    assert config.data.format is None or config.data.format in FORMATS
    learns_from_others = config.method != "supervised"
    assert (config.train.batch_unlabelled > 0) == learns_from_others
    assert config.train.max_steps > config.train.warmup_steps


@pytest.mark.parametrize("name", sorted(OF_PAPERS))
def test_a_paper_s_recipe_names_its_place_in_the_paper(name: str) -> None:
    function = OF_PAPERS[name]
    documented = function.func if isinstance(function, partial) else function
    assert any(word in str(documented.__doc__) for word in ("section", "Table", "reference"))


@pytest.mark.parametrize("name", sorted(RECIPES))
def test_it_is_said_in_one_line_what_it_is(name: str) -> None:
    summary = recipe_summary(name)
    assert 20 < len(summary) <= 100
    assert summary.endswith(".")
    assert not summary.startswith("Return")


@pytest.mark.parametrize("name", sorted(set(OF_PAPERS) - SHORT_NAMES))
def test_the_name_says_data_labels_and_method(name: str) -> None:
    config = recipe(name)
    data, percent = config.data.format or "ucf101-24", round(config.data.labelled_fraction * 100)
    _, _, rest = name.partition("-")
    start = f"{data}-{percent}-{config.method.replace('_', '-')}"
    assert rest == start or rest.startswith(f"{start}-")


STEPS = {
    # epochs x steps, reckoned by hand from the papers
    "paper1-jhmdb21": 50 * 118,  # 471 videos in fours
    "paper1-ucf101-24": 100 * 457,  # 1,827 videos in fours
    "paper1-ucf101-24-5-e2e": 100 * 543,  # 2,170
    "paper1-jhmdb21-100-supervised": 50 * 83,  # 660 videos in eights
    "paper1-youtube-vos-10-e2e": 100 * 781,  # 3,124
    "smt-jhmdb21-20-mean-teacher": 50 * 132,  # 528
    "paper2-ucf101-24": 10 * 2659,
    "paper2-ucf101-24-100-supervised": 10 * 2659,  # 340,336 frames in 128s
    "paper2-jhmdb21-100-supervised": 10 * 178,  # 22,712 frames in 128s
    "paper2-ava-20-fixmatch": 10 * 1647,  # 210,795 key frames
    "paper1-ucf101-24-20-e2e-untrimmed": 100 * 457,
    "paper1-ucf101-24-20-e2e-unlabelled-20": 100 * 457,  # as with all unlabelled videos
    "paper3-ucf101": 180 * 239,  # 9,537 videos in forties
    "paper3-kinetics400-1-temporal-gradient": 45 * 3750,
}


@pytest.mark.parametrize(("name", "steps"), STEPS.items())
def test_steps_are_the_epochs_of_the_paper(name: str, steps: int) -> None:
    assert recipe(name).train.max_steps == steps


@pytest.mark.parametrize("name", sorted(OF_PAPERS))
def test_gradients_are_clipped_where_the_paper_or_its_code_does(name: str) -> None:
    assert recipe(name).train.clip_norm == (40.0 if name.startswith("paper3") else None)


@pytest.mark.parametrize("name", sorted({**PAPER1, **STABLE_MEAN_TEACHER}))
def test_what_is_counted_in_epochs_is_a_share_of_the_recipe_s(name: str) -> None:
    settings = full_config(recipe(name)).method_settings
    epochs = 50 if name.startswith("smt") or "jhmdb21" in name else 100
    if settings["terms"]["classification"] == "spread":
        assert settings["terms"]["margin_step"] * epochs == 5
    if "all_classes_until" in settings:
        assert settings["all_classes_until"] * epochs == 10
    has_phase = recipe(name).method in ("e2e", "stable_mean_teacher")
    assert ("all_classes_until" in settings) == has_phase


@pytest.mark.parametrize("name", sorted(n for n in OF_PAPERS if recipe(n).method == "e2e"))
def test_paper_1_is_trained_with_its_equations_or_with_the_release_s(name: str) -> None:
    settings = full_config(recipe(name)).method_settings
    released = "released" in name
    assert settings["attention"] == ("released" if released else "paper")
    assert settings["original_view"] == "identity"
    assert settings["shared_condition"] is not released
    assert settings["consistency_on"] == ("logits" if released else "probabilities")


@pytest.mark.parametrize("name", sorted(RECIPES))
def test_unlabelled_videos_are_trimmed_where_the_paper_has_them_trimmed(name: str) -> None:
    config = recipe(name)
    of_paper_1 = name in {**PAPER1, **STABLE_MEAN_TEACHER} and "ucf101-24" in name
    trims = of_paper_1 and config.train.batch_unlabelled > 0 and not name.endswith("untrimmed")
    if name.endswith("no-negatives"):
        trims = True
    assert config.data.unlabelled_part == ("actions" if trims else "whole")
    require_unlabelled_use(config)


def test_fig_5_has_shares_of_all_videos_in_steps_of_the_labelled_ones() -> None:
    whole = recipe("paper1-ucf101-24-20-e2e")
    for percent in (20, 40, 60):
        config = recipe(f"paper1-ucf101-24-20-e2e-unlabelled-{percent}")
        assert config.data.unlabelled_fraction * 80 == percent
        data = config.data.model_copy(update={"unlabelled_fraction": 1.0})
        assert config.model_copy(update={"data": data}) == whole


@pytest.mark.parametrize("name", sorted(PAPER2))
def test_a_step_of_paper_2_has_128_clips(name: str) -> None:
    train = recipe(name).train
    labelled = 128 if "-100-" in name else 64
    assert train.batch_labelled == labelled
    assert train.batch_unlabelled == (0 if recipe(name).method == "supervised" else 64)


def test_table_5_of_paper_2_trims_and_changes_nothing_else() -> None:
    whole = recipe("paper2-ucf101-24-5-dual-guidance")
    trimmed = recipe("paper2-ucf101-24-5-dual-guidance-no-negatives")
    assert trimmed.data.unlabelled_part == "actions"
    assert trimmed.model_copy(update={"data": whole.data}) == whole


@pytest.mark.parametrize("name", ["footage", *(n for n in RECIPES if n.startswith("toy-"))])
def test_what_the_papers_settle_leaves_our_own_recipes_alone(name: str) -> None:
    config = full_config(recipe(name))
    assert config.train.clip_norm == (15.0 if name.startswith("toy-boxes") else 5.0)
    assert config.data.unlabelled_fraction == 1.0
    if config.method == "e2e":
        settings = config.method_settings
        assert (settings["attention"], settings["original_view"]) == ("min_max", "weak")
        assert settings["all_classes_until"] == 0.1


@pytest.mark.parametrize(
    ("short", "long"),
    [
        ("paper2-ucf101-24", "paper2-ucf101-24-10-dual-guidance"),
        ("paper2-jhmdb21", "paper2-jhmdb21-30-dual-guidance"),
        ("paper3-ucf101", "paper3-ucf101-10-temporal-gradient"),
        ("paper3-hmdb51", "paper3-hmdb51-40-temporal-gradient"),
        ("paper1-ucf101-24-20-e2e", "paper1-ucf101-24-20-e2e-v-vc-l2"),
    ],
)
def test_two_names_of_one_experiment_agree(short: str, long: str) -> None:
    assert recipe(short) == recipe(long)


def test_released_forms_differ_from_the_papers_in_losses_and_routing() -> None:
    released = full_config(recipe("paper1-jhmdb21-30-e2e-released-gradient"))
    assert released.method_settings["attention"] == "released"
    assert released.method_settings["localisation"] == "gradient"
    assert released.method_settings["augmented_view"] == "mirror"
    assert released.model_settings["routing"] == "released"
    stable = full_config(recipe("smt-jhmdb21-20-stable-mean-teacher-released-opt5"))
    assert (stable.method_settings["blend"], stable.method_settings["auxiliary"]) == (
        "ramped_sum",
        "ramped",
    )


def test_an_unknown_recipe_gets_the_closest() -> None:
    with pytest.raises(ConfigError) as caught:
        recipe("paper2-ucf101-10-fixmatch")
    assert "'paper2-ucf101-24-10-fixmatch'" in str(caught.value)
    assert str(caught.value).endswith("All of them: vadsdk recipes")


def test_the_full_config_of_what_is_not_there_is_an_error() -> None:
    with pytest.raises(ConfigError, match="unknown model 'yow'"):
        full_config(RunConfig(model="yow"))
    with pytest.raises(ConfigError, match="unknown method 'fixmach'"):
        full_config(RunConfig(method="fixmach"))
