"""Recipes: one function a run, each returning a full config; `vadsdk train --recipe NAME`.

A number that is a paper's names its section; a number without a source was found on our own data.
"""

from __future__ import annotations

from collections.abc import Callable

from vadsdk.errors import unknown_name
from vadsdk.training.settings import DataSettings, RunConfig, TrainSettings


def footage() -> RunConfig:
    """Return the default: the small network on one's own footage, labelled and unlabelled."""
    return RunConfig()


def paper1_jhmdb21() -> RunConfig:
    """Return paper 1 on JHMDB-21: 30 % labels, 50 epochs over 471 unlabelled clips in fours."""
    return RunConfig(
        model="videocapsnet",
        method="e2e",
        data=DataSettings(format="jhmdb21", labelled_fraction=0.3),  # section 4, Datasets
        train=_paper1_training(num_unlabelled=471, epochs=50),
    )


def paper1_ucf101_24() -> RunConfig:
    """Return paper 1 on UCF101-24: 20 % labels, 100 epochs over 1,827 unlabelled videos."""
    return RunConfig(
        model="videocapsnet",
        method="e2e",
        data=DataSettings(labelled_fraction=0.2),  # section 4, Datasets
        train=_paper1_training(num_unlabelled=1827, epochs=100),
    )


def _paper1_training(*, num_unlabelled: int, epochs: int) -> TrainSettings:
    steps_an_epoch = -(-num_unlabelled // 4)
    return TrainSettings(
        max_steps=epochs * steps_an_epoch,
        batch_labelled=4,  # section 4: eight clips, labelled to unlabelled 1:1
        batch_unlabelled=4,
        optimiser="adam",  # section 4, Training details
        learning_rate=1e-4,
        adam_epsilon=1e-6,  # released code
        weight_decay=0.0,  # released code
        schedule="plateau",  # decay 0.1 if the training loss does not improve for 5 epochs
        plateau_patience=5 * steps_an_epoch,
        warmup_steps=0,
        ema_decay=0.0,
    )


RECIPES: dict[str, Callable[[], RunConfig]] = {
    "footage": footage,
    "paper1-jhmdb21": paper1_jhmdb21,
    "paper1-ucf101-24": paper1_ucf101_24,
}
"""Every recipe by name."""


def recipe(name: str) -> RunConfig:
    """Return the config of a recipe; a ConfigError lists the names there are."""
    if name not in RECIPES:
        raise unknown_name("recipe", name, RECIPES)
    return RECIPES[name]()
