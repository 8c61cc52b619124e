"""Pairs of a baseline and a method on toy footage, minutes on one core.

`benchmarks/label_efficiency.py` and `benchmarks/recognition.py` run them.
"""

from __future__ import annotations

from vadsdk.training.recipes.from_scratch import E2E, TERMS
from vadsdk.training.settings import DataSettings, RunConfig, TrainSettings


def toy_supervised() -> RunConfig:
    """Return the baseline of `benchmarks/label_efficiency.py`.

    It gets the stronger view: with few clips, the weak one lets it memorise.
    """
    return RunConfig(
        method="supervised",
        method_settings={"view": "strong", "terms": dict(TERMS)},
        data=DataSettings(labelled_fraction=0.1),
        train=TrainSettings(max_steps=600, batch_labelled=4, batch_unlabelled=0),
    )


def toy_e2e() -> RunConfig:
    """Return `e2e` on the labels of `toy-supervised`, for as many steps."""
    return RunConfig(
        method_settings={"terms": dict(TERMS), **E2E},
        data=DataSettings(labelled_fraction=0.1),
        train=TrainSettings(max_steps=600, batch_labelled=4, batch_unlabelled=4),
    )


def toy_recognition() -> RunConfig:
    """Return the recogniser's baseline of `benchmarks/recognition.py`, minutes on one core."""
    return RunConfig(
        model="r3d-n",
        model_settings={"input_size": 64},
        method="supervised",
        data=DataSettings(labelled_fraction=0.15),
        train=TrainSettings(max_steps=300, batch_labelled=8, batch_unlabelled=0, warmup_steps=20),
    )


def toy_temporal_gradient() -> RunConfig:
    """Return paper 3's method on the labels of `toy-recognition`, for as many steps."""
    return RunConfig(
        model="r3d-n",
        model_settings={"input_size": 64},
        method="temporal_gradient",
        data=DataSettings(labelled_fraction=0.15),
        train=TrainSettings(max_steps=300, batch_labelled=8, batch_unlabelled=8, warmup_steps=20),
    )


TOY_PAIRS = {
    "toy-e2e": toy_e2e,
    "toy-recognition": toy_recognition,
    "toy-supervised": toy_supervised,
    "toy-temporal-gradient": toy_temporal_gradient,
}
"""All by name."""
