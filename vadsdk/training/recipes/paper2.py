"""Paper 2 (Singh et al. 2024, dual guidance): `paper2-DATA-PERCENT-METHOD[-VARIANT]`.

Networks start from scratch, the upper halves of Tables 2 and 3. For the lower halves and Table 4
add the public files of both backbones: `--weights RESNEXT_KINETICS.pth --weights yolov2.weights`;
for J-HMDB-21 the former is the one that was fine-tuned on HMDB-51 (section 4.4.2). No code of the
paper is public (reference.md section 3.4); a number that it does not give says so.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from vadsdk.training.settings import DataSettings, RunConfig, TrainSettings, merged

_REGION: Mapping[str, Any] = {
    "alpha": 0.5,  # eq. 4; section 4.2
    "frame_weight": 1.0,  # beta of eq. 6; section 4.2
    "gamma": None,  # eq. 3: 2, and 0.5 with AVA's several classes a box; section 4.2
    "eta": 0.5,  # eq. 1; section 4.2
    "reduction": "mean",  # the paper and YOWO sum over the batch; see `RegionSettings`
}
_PSEUDO: Mapping[str, Any] = {
    "objectness_threshold": 0.4,  # O_th; section 4.5.2
    "frame_threshold": 0.8,  # F_th: from here on more gains little (section 4.5.2), no final value
    "frame_weight": 1.0,  # delta of eq. 9; section 4.2
}
_DUAL_GUIDANCE: Mapping[str, Any] = {
    "box_terms": _REGION,
    "pseudo_boxes": _PSEUDO,
    "weak_view": "identity",  # "resized input images"; section 4.2
    "strong_view": "paper2",  # flips, scales, crops; section 4.2, without ranges
    "labelled_view": "paper2",  # the paper gives none
    "burn_in_fraction": 0.2,  # "some epochs"; section 3.3
    "temporal_weight": 1.0,  # eq. 11
    "unlabelled_weight": 1.0,  # eq. 11
}
_BASELINE: Mapping[str, Any] = {
    "box_terms": _REGION,
    "pseudo_boxes": {"objectness_threshold": _PSEUDO["objectness_threshold"]},
    "weak_view": "identity",
    "strong_view": "paper2",
    "labelled_view": "paper2",
    "ramp_fraction": 0.2,  # in place of the burn-in; section 4.3 gives none
}

METHODS: dict[str, Mapping[str, Any]] = {
    "supervised": {"box_terms": _REGION, "view": "paper2"},  # section 3.2, with the frame head
    "mean_teacher": {**_BASELINE, "decay": 0.99},  # section 4.3, without a decay
    "fixmatch": _BASELINE,  # section 4.3
    "dual_guidance": _DUAL_GUIDANCE,
}
"""Rows of Tables 2 to 4."""

ABLATIONS: dict[str, Mapping[str, Any]] = {
    "no-temporal": {"temporal_weight": 0.0},  # Table 6
    **{  # fig. 4a: .6, .8 (the method's own) and more; the text has no other points
        f"frame-threshold-{percent}": {
            "pseudo_boxes": {**_PSEUDO, "frame_threshold": percent / 100},
        }
        for percent in (60, 70, 90)
    },
    **{  # fig. 4b: .4 (the method's own) is best; the text has no other points
        f"box-threshold-{percent}": {
            "pseudo_boxes": {**_PSEUDO, "objectness_threshold": percent / 100},
        }
        for percent in (20, 30, 50, 60)
    },
}
"""What is left out of the method, or changed in it (section 4.5)."""

FULLY_LABELLED = 100
"""Percent."""

_NO_FRAME_HEAD = ("mean_teacher", "fixmatch")
"""Section 4.3: "our approach extends [them by] a global video-action classifier"."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _DataSet:
    percents: tuple[int, ...]
    num_frames: int
    """Annotated frames of the training videos, which YOWO's lists hold (reference section 3.3)."""
    network: Mapping[str, Any]


DATA_SETS = {
    "ucf101-24": _DataSet(percents=(5, 10), num_frames=340_336, network={}),  # Table 2
    "jhmdb21": _DataSet(  # Table 3; split 1
        percents=(20, 30), num_frames=22_712, network={"anchors": "jhmdb21"}
    ),
    "ava": _DataSet(  # Table 4
        percents=(20, 30),
        num_frames=235 * 897,  # training videos; their key frames, one a second from 902 to 1798
        network={"multi_label": True},  # section 4.2, "sigmoid activation"; UCF101-24's anchors
    ),
}
"""Data sets of section 4.1, with the shares of section 4.2."""


def paper2_ucf101_24() -> RunConfig:
    """Return paper 2 on UCF101-24 (section 4.2): 10 % labels, 340,336 annotated frames."""
    return paper2_comparison("ucf101-24", 10, "dual_guidance")


def paper2_jhmdb21() -> RunConfig:
    """Return paper 2 on JHMDB-21 (section 4.2): 30 % labels, 22,712 annotated frames of split 1."""
    return paper2_comparison("jhmdb21", 30, "dual_guidance")


def paper2_comparison(data_set: str, percent: int, method: str) -> RunConfig:
    """Return a method of paper 2's Tables 2 (UCF101-24), 3 (JHMDB-21) and 4 (AVA).

    The fully supervised rows of the tables are YOWO's own results; 100 % here is this training.
    """
    return _run(data_set, percent, method, METHODS[method])


def paper2_ablation(percent: int, change: str) -> RunConfig:
    """Return an ablation of paper 2 on UCF101-24: Table 6, and thresholds of fig. 4."""
    settings = {**_DUAL_GUIDANCE, **ABLATIONS[change]}
    return _run("ucf101-24", percent, "dual_guidance", settings)


def paper2_table5(percent: int) -> RunConfig:
    """Return paper 2's Table 5, "w/o Negative Sampling": unlabelled videos are trimmed.

    Section 4.5.1 changes nothing else, so a frame that the teacher takes for background teaches
    that; `pseudo_boxes.negative_frames=none` would be another experiment.
    """
    config = paper2_comparison("ucf101-24", percent, "dual_guidance")
    return merged(config, {}, {"data": {"unlabelled_part": "actions"}})


def _run(data_set: str, percent: int, method: str, settings: Mapping[str, Any]) -> RunConfig:
    data, share = DATA_SETS[data_set], percent / 100
    head = {"frame_head": False} if method in _NO_FRAME_HEAD else {}
    return RunConfig(
        model="yowo",  # section 4.2, with 16 frames
        model_settings={**data.network, **head},
        method=method,
        method_settings=dict(settings),
        data=DataSettings(format=data_set, labelled_fraction=share),
        train=_training(
            data.num_frames,
            is_supervised=method == "supervised",
            has_all_labels=percent == FULLY_LABELLED,
        ),
    )


def _training(num_frames: int, *, is_supervised: bool, has_all_labels: bool) -> TrainSettings:
    """Return section 4.2's training.

    The paper does not say how many epochs there are, nor what one is: here ten, as in YOWO's
    release, and as many clips in each as the training videos have annotated frames. With all labels
    all clips are labelled. Else half of them are; the baseline sees as many labelled clips in as
    many steps as the others.
    """
    batch = 128  # section 4.2; YOWO's release: 10, added up over 12 steps
    # "128 video clips", without a ratio: that unlabelled clips are half of them, and not as many
    # again, is our reading.
    labelled = batch if has_all_labels else batch // 2
    steps_an_epoch = -(-num_frames // batch)
    return TrainSettings(
        max_steps=10 * steps_an_epoch,
        batch_labelled=labelled,
        batch_unlabelled=0 if is_supervised else batch - labelled,
        optimiser="adam",  # section 4.2
        learning_rate=1e-3,  # section 4.2; YOWO's release: 1e-4
        weight_decay=5e-4,  # section 4.2, without an exception; here not of biases and norms
        clip_norm=None,  # the paper clips no gradients
        schedule="steps",
        decay_steps=tuple(epoch * steps_an_epoch for epoch in (3, 4, 5, 6)),  # section 4.2
        decay_factor=0.5,  # section 4.2
        warmup_steps=0,
        ema_decay=0.0,
    )


def _percents(change: str) -> tuple[int, ...]:
    return (10,) if "threshold" in change else DATA_SETS["ucf101-24"].percents


PAPER2: dict[str, Callable[[], RunConfig]] = {
    "paper2-jhmdb21": paper2_jhmdb21,
    "paper2-ucf101-24": paper2_ucf101_24,
    **{
        f"paper2-{name}-{percent}-{method.replace('_', '-')}": partial(
            paper2_comparison, name, percent, method
        )
        for name, data in DATA_SETS.items()
        for percent in data.percents
        for method in METHODS
    },
    **{
        f"paper2-{name}-100-supervised": partial(
            paper2_comparison, name, FULLY_LABELLED, "supervised"
        )
        for name in DATA_SETS
    },
    **{
        f"paper2-ucf101-24-{percent}-dual-guidance-no-negatives": partial(paper2_table5, percent)
        for percent in DATA_SETS["ucf101-24"].percents
    },
    **{
        f"paper2-ucf101-24-{percent}-dual-guidance-{change}": partial(
            paper2_ablation, percent, change
        )
        for change in ABLATIONS
        for percent in _percents(change)
    },
}
"""Every experiment by name."""
