"""Recipes: one function a run, each returning a full config; `vadsdk train --recipe NAME`.

A number that is a paper's names its section; a number without a source was found on our own data.
"""

from __future__ import annotations

from collections.abc import Callable

from vadsdk.errors import unknown_name
from vadsdk.training.settings import DataSettings, RunConfig, TrainSettings
from vadsdk.training.toy_recipes import TOY_RECIPES

_FROM_SCRATCH_TERMS = {"classification": "cross_entropy"}
"""Spread loss with its margin asks activations for more than a short run from scratch gives."""

_MANY_CLASSES_TERMS = {**_FROM_SCRATCH_TERMS, "own_class_share": 0.5}
"""With 21 classes the best one is often wrong; the masks must not be wrong with it."""

_SUPERVISED = {"view": "strong", "terms": _FROM_SCRATCH_TERMS}
"""The baseline gets the stronger view: with few clips, the weak one lets it memorise."""

_E2E = {
    "terms": _FROM_SCRATCH_TERMS,
    "supervise_both_views": True,
    "consistency_target": "stop_original",
    "class_temperature": 0.5,
    "lambda_total": 10.0,
    "lambda_ramp_fraction": 0.2,
}
"""Paper 1's losses with weights for a network that starts from scratch; the paper's 0.1 fine-tunes
one
that was pretrained (its section 4)."""


def footage() -> RunConfig:
    """Return the default: the small network on one's own footage, labelled and unlabelled."""
    return RunConfig(method_settings=dict(_E2E))


def toy_supervised() -> RunConfig:
    """Return the baseline of the demo and of `benchmarks/label_efficiency.py`."""
    return RunConfig(
        method="supervised",
        method_settings=dict(_SUPERVISED),
        data=DataSettings(labelled_fraction=0.1),
        train=TrainSettings(max_steps=600, batch_labelled=4, batch_unlabelled=0),
    )


def toy_e2e() -> RunConfig:
    """Return `e2e` on the same labels, for as many steps."""
    return RunConfig(
        method_settings=dict(_E2E),
        data=DataSettings(labelled_fraction=0.1),
        train=TrainSettings(max_steps=600, batch_labelled=4, batch_unlabelled=4),
    )


def jhmdb21_supervised() -> RunConfig:
    """Return the baseline of `benchmarks/jhmdb.py`: split 1, 30 % labels, from scratch."""
    return RunConfig(
        method="supervised",
        method_settings={"view": "weak", "second_view": "strong", "terms": _MANY_CLASSES_TERMS},
        data=DataSettings(format="jhmdb21", labelled_fraction=0.3),
        train=TrainSettings(max_steps=3200, batch_labelled=8, batch_unlabelled=0),
    )


def jhmdb21_e2e() -> RunConfig:
    """Return `e2e` on the same labels."""
    return RunConfig(
        method_settings={**_E2E, "terms": _MANY_CLASSES_TERMS},
        data=DataSettings(format="jhmdb21", labelled_fraction=0.3),
        train=TrainSettings(max_steps=2300, batch_labelled=6, batch_unlabelled=6),
    )


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


def toy_boxes() -> RunConfig:
    """Return the box baseline, minutes on one core."""
    return RunConfig(
        model="yowo-n",
        method="supervised",
        data=DataSettings(labelled_fraction=0.1),
        train=TrainSettings(max_steps=600, batch_labelled=4, batch_unlabelled=0),
    )


def toy_dual_guidance() -> RunConfig:
    """Return paper 2's method on the same labels, for as many steps."""
    return RunConfig(
        model="yowo-n",
        method="dual_guidance",
        data=DataSettings(labelled_fraction=0.1),
        train=TrainSettings(max_steps=600, batch_labelled=4, batch_unlabelled=4),
    )


def paper2_ucf101_24() -> RunConfig:
    """Return paper 2 on UCF101-24: 10 % labels, its 340,336 annotated training frames."""
    return RunConfig(
        model="yowo",
        method="dual_guidance",
        data=DataSettings(format="ucf101-24", labelled_fraction=0.1),  # section 4.2
        train=_paper2_training(num_frames=340_336),
    )


def paper2_jhmdb21() -> RunConfig:
    """Return paper 2 on JHMDB-21: 30 % labels, the 22,712 annotated frames of split 1."""
    return RunConfig(
        model="yowo",
        model_settings={"anchors": "jhmdb21"},
        method="dual_guidance",
        data=DataSettings(format="jhmdb21", labelled_fraction=0.3),  # section 4.2
        train=_paper2_training(num_frames=22_712),
    )


def _paper2_training(*, num_frames: int) -> TrainSettings:
    """Return section 4.2's training.

    The paper does not say how many epochs there are, nor what one is: here ten, as in YOWO's
    release, and as many clips in each as the training videos have annotated frames.
    """
    batch = 128
    steps_an_epoch = -(-num_frames // batch)
    return TrainSettings(
        max_steps=10 * steps_an_epoch,
        batch_labelled=batch // 2,
        batch_unlabelled=batch // 2,
        optimiser="adam",
        learning_rate=1e-3,
        weight_decay=5e-4,
        schedule="steps",
        decay_steps=tuple(epoch * steps_an_epoch for epoch in (3, 4, 5, 6)),
        decay_factor=0.5,
        warmup_steps=0,
        ema_decay=0.0,
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
    """Return paper 3's method on the same labels, for as many steps."""
    return RunConfig(
        model="r3d-n",
        model_settings={"input_size": 64},
        method="temporal_gradient",
        data=DataSettings(labelled_fraction=0.15),
        train=TrainSettings(max_steps=300, batch_labelled=8, batch_unlabelled=8, warmup_steps=20),
    )


def paper3_ucf101() -> RunConfig:
    """Return paper 3 on UCF-101: 10 % labels, 180 epochs over its 9,537 training videos."""
    return RunConfig(
        model="r3d18",
        method="temporal_gradient",
        data=DataSettings(format="ucf101", labelled_fraction=0.1),
        train=_paper3_training(num_videos=9537, epochs=180, warmup_epochs=30),
    )


def paper3_hmdb51() -> RunConfig:
    """Return paper 3 on HMDB-51: 40 % labels, 360 epochs over its 3,570 training videos."""
    return RunConfig(
        model="r3d18",
        method="temporal_gradient",
        data=DataSettings(format="hmdb51", labelled_fraction=0.4),
        train=_paper3_training(num_videos=3570, epochs=360, warmup_epochs=60),
    )


def _paper3_training(*, num_videos: int, epochs: int, warmup_epochs: int) -> TrainSettings:
    """Return the release's training (reference.md section 4) with its eight GPUs as one batch.

    An epoch shows every video once. The rate's warm-up is known for UCF-101 and taken in proportion
    for HMDB-51; views are ours, not RandAugment.
    """
    batch = 8 * 5  # eight GPUs, five clips each
    steps_an_epoch = -(-num_videos // batch)
    return TrainSettings(
        max_steps=epochs * steps_an_epoch,
        batch_labelled=batch,
        batch_unlabelled=batch,
        optimiser="sgd",
        learning_rate=0.2,
        weight_decay=1e-4,
        clip_norm=40.0,
        schedule="cosine",
        warmup_steps=warmup_epochs * steps_an_epoch,
        ema_decay=0.0,
    )


RECIPES: dict[str, Callable[[], RunConfig]] = {
    "footage": footage,
    "jhmdb21-e2e": jhmdb21_e2e,
    "jhmdb21-supervised": jhmdb21_supervised,
    "paper1-jhmdb21": paper1_jhmdb21,
    "paper1-ucf101-24": paper1_ucf101_24,
    "paper2-jhmdb21": paper2_jhmdb21,
    "paper2-ucf101-24": paper2_ucf101_24,
    "paper3-hmdb51": paper3_hmdb51,
    "paper3-ucf101": paper3_ucf101,
    "toy-boxes": toy_boxes,
    "toy-dual-guidance": toy_dual_guidance,
    "toy-e2e": toy_e2e,
    "toy-recognition": toy_recognition,
    "toy-supervised": toy_supervised,
    "toy-temporal-gradient": toy_temporal_gradient,
    **TOY_RECIPES,
}
"""Every recipe by name."""


def recipe(name: str) -> RunConfig:
    """Return the config of a recipe; a ConfigError lists the names there are."""
    if name not in RECIPES:
        raise unknown_name("recipe", name, RECIPES)
    return RECIPES[name]()
