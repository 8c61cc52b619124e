"""Paper 3 (Xiao et al. 2022, temporal gradient): `paper3-DATA-PERCENT-METHOD[-VARIANT]`.

All numbers are those of the release (reference.md section 4). To take its very lists of labelled
videos (reference.md section 1), add `--format lists --labelled-fraction 1 --set
data.labelled_percent=10`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from vadsdk.training.settings import DataSettings, RunConfig, TrainSettings

_NUM_GPUS = 8
"""Whose batches are one here."""

_TEMPORAL_GRADIENT: Mapping[str, Any] = {
    "supervised_weight": 0.5,  # reference section 4 (a)
    "pseudo_weight": 0.5,  # (b)
    "pseudo_threshold": 0.3,  # (b)
    "warmup_fraction": 1 / 6,  # (b): 30 epochs of 180, 60 of 360, 15 of 90
    "alignment_weight": 1.0,  # (c)
    "contrast_temperature": 0.5,  # (d)
    "contrast_weight": 1.0,  # (d): 0.5 for each of two ways; here of their mean
    "embedding_width": 512,  # (d)
}

METHODS: dict[str, Mapping[str, Any]] = {
    "supervised": {},
    "fixmatch": {"recognition": {"class_threshold": 0.3}},  # as (b), of RGB alone
    "temporal_gradient": _TEMPORAL_GRADIENT,
}
"""The method, and what it is compared with; views are ours, the release's RandAugment."""

ABLATIONS: dict[str, Mapping[str, Any]] = {
    "slow": {"gradient": "sampled"},  # reference section 4: "slow TG"
    "no-alignment": {"alignment_weight": 0.0},  # without (c)
    "no-contrast": {"contrast_weight": 0.0},  # without (d)
    "released": {
        "gradient_start": "random",  # both networks "from scratch"
        "weak_view": {"flip_probability": 0.5, "zoom": [0.8, 1.0]},  # no colours; range is ours
    },
}
"""Changes of the method."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _DataSet:
    num_videos: int
    clips_a_gpu: int
    epochs: Mapping[int, int]
    """By percent of labels."""


DATA_SETS = {
    "ucf101": _DataSet(  # reference section 1: of 9,537
        num_videos=9537, clips_a_gpu=5, epochs=dict.fromkeys((5, 10, 20, 50), 180)
    ),
    "hmdb51": _DataSet(num_videos=3570, clips_a_gpu=5, epochs=dict.fromkeys((40, 50, 60), 360)),
    "kinetics400": _DataSet(  # 24,000 labelled videos are 10 % (reference section 1)
        num_videos=240_000, clips_a_gpu=8, epochs={1: 45, 10: 90}
    ),
}
"""Data sets of the abstract, with shares and epochs of reference sections 1 and 4."""


def paper3_ucf101() -> RunConfig:
    """Return paper 3 on UCF-101 (reference section 4): 10 % labels, 180 epochs, 9,537 videos."""
    return paper3_comparison("ucf101", 10, "temporal_gradient")


def paper3_hmdb51() -> RunConfig:
    """Return paper 3 on HMDB-51 (reference section 4): 40 % labels, 360 epochs, 3,570 videos."""
    return paper3_comparison("hmdb51", 40, "temporal_gradient")


def paper3_kinetics400() -> RunConfig:
    """Return paper 3 on Kinetics-400 (reference section 4): 10 % labels, 90 epochs."""
    return paper3_comparison("kinetics400", 10, "temporal_gradient")


def paper3_comparison(data_set: str, percent: int, method: str) -> RunConfig:
    """Return paper 3, FixMatch or the baseline on a share of the labels (reference section 4)."""
    return _run(data_set, percent, method, METHODS[method])


def paper3_ablation(change: str) -> RunConfig:
    """Return a change of paper 3 on UCF-101, 10 % labels (reference section 4, parts a to d)."""
    settings = {**_TEMPORAL_GRADIENT, **ABLATIONS[change]}
    return _run("ucf101", 10, "temporal_gradient", settings)


def _run(data_set: str, percent: int, method: str, settings: Mapping[str, Any]) -> RunConfig:
    return RunConfig(
        model="r3d18",
        method=method,
        method_settings=dict(settings),
        data=DataSettings(format=data_set, labelled_fraction=percent / 100),
        train=_training(DATA_SETS[data_set], percent, is_supervised=method == "supervised"),
    )


def _training(data: _DataSet, percent: int, *, is_supervised: bool) -> TrainSettings:
    """Return the release's training (reference.md section 4) with its eight GPUs as one batch.

    The rate's warm-up is known for UCF-101, a sixth of the epochs, and taken in proportion for the
    others; views are ours, not RandAugment. The release's PreciseBN (200 batches for the running
    statistics every 5 epochs) is not done here.
    """
    batch = _NUM_GPUS * data.clips_a_gpu
    # The release's list of unlabelled videos holds the labelled ones too, and an epoch passes all
    # of them once. Ours does not, so that in as many steps each comes oftener: UCF-101's 90 % that
    # are unlabelled 1.1 times an epoch.
    max_steps = data.epochs[percent] * -(-data.num_videos // batch)
    return TrainSettings(
        max_steps=max_steps,
        batch_labelled=batch,
        batch_unlabelled=0 if is_supervised else batch,
        optimiser="sgd",
        momentum=0.9,
        learning_rate=0.2,
        weight_decay=1e-4,  # here not of biases and norms
        clip_norm=40.0,
        schedule="cosine",
        warmup_steps=max_steps // 6,
        ema_decay=0.0,
    )


PAPER3: dict[str, Callable[[], RunConfig]] = {
    "paper3-hmdb51": paper3_hmdb51,
    "paper3-kinetics400": paper3_kinetics400,
    "paper3-ucf101": paper3_ucf101,
    **{
        f"paper3-{name}-{percent}-{method.replace('_', '-')}": partial(
            paper3_comparison, name, percent, method
        )
        for name, data in DATA_SETS.items()
        for percent in data.epochs
        for method in METHODS
    },
    **{
        f"paper3-ucf101-10-temporal-gradient-{change}": partial(paper3_ablation, change)
        for change in ABLATIONS
    },
}
"""Every experiment by name."""
