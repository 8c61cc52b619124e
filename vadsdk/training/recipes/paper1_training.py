"""Data and optimisation that paper 1 (section 4) and Stable Mean Teacher share.

An epoch is a pass over the videos that are learned from without their labels, four a step.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from vadsdk.losses.spread import EPOCHS_A_STEP
from vadsdk.training.settings import DataSettings, TrainSettings

DataSet = Literal["ucf101-24", "jhmdb21", "youtube-vos"]
FULLY_LABELLED = 100
"""Percent."""

_NUM_VIDEOS: dict[DataSet, int] = {
    "ucf101-24": 2284,  # section 4, Datasets
    "jhmdb21": 660,  # section 4.1: 189 labelled and 471 unlabelled
    "youtube-vos": 3471,  # section 4, Datasets
}
_NUM_UNLABELLED = {("jhmdb21", 30): 471}
"""Where the paper's count is not the share of all videos (section 4.1). Here 30 % of each class,
rounded, are 199 labelled videos of split 1 and leave 461: fifty of the paper's epochs show each of
them 51 times."""
EPOCHS: dict[DataSet, int] = {
    "ucf101-24": 100,  # section 4, Training details
    "jhmdb21": 50,  # section 4, Training details
    "youtube-vos": 100,  # ours; section 6.1 gives none
}
_CLIPS = 8
"""Of a step, labelled to unlabelled 1:1 (section 4, Implementation Details)."""
_ALL_CLASSES_EPOCHS = 10
"""Released code (reference section 2.3); the paper does not mention the phase."""


def paper1_data(data_set: DataSet, percent: int, *, is_supervised: bool) -> DataSettings:
    """Return a share of a data set's labels.

    Frames, their distance and size are the network's own: 8, 2, 224 x 224 (section 4,
    Implementation Details). Of UCF101-24 "trimmed videos" are assumed (section 6), which those of
    JHMDB-21 are as they come. Here that is done to the unlabelled ones; of the labelled clips four
    of five lie on an action (`ClipSampler`), in the paper and its release all.

    Args:
        data_set: the data set.
        percent: of labels.
        is_supervised: nothing is learned from the other videos.
    """
    # UCF101-24 is found out, so that one converted to another format serves as well.
    name = None if data_set == "ucf101-24" else data_set
    trims = data_set == "ucf101-24" and not is_supervised
    return DataSettings(
        format=name,
        labelled_fraction=percent / 100,
        unlabelled_part="actions" if trims else "whole",
    )


def counted_in_epochs(method: str, settings: Mapping[str, Any], epochs: int) -> dict[str, Any]:
    """Return a method's settings with what others count in epochs, as shares of so many.

    Args:
        method: its name.
        settings: of the method, without these.
        epochs: of the training.
    """
    counted = dict(settings)
    terms = settings.get("terms", {})
    if terms.get("classification", "spread") == "spread":
        counted["terms"] = {**terms, "margin_step": EPOCHS_A_STEP / epochs}
    if method in ("e2e", "stable_mean_teacher"):
        counted["all_classes_until"] = _ALL_CLASSES_EPOCHS / epochs
    return counted


def paper1_training(
    data_set: DataSet, percent: int, *, is_supervised: bool, epochs: int | None = None
) -> TrainSettings:
    """Return section 4's training.

    A baseline with a share of the labels sees as many labelled clips in as many steps as the
    methods that it is compared with; with all labels there are eight labelled clips a step.

    Args:
        data_set: gives the number of videos.
        percent: of labels.
        is_supervised: nothing is learned from the other videos.
        epochs: None for paper 1's.
    """
    num_videos = _NUM_VIDEOS[data_set]
    labelled, unlabelled = _CLIPS // 2, _CLIPS // 2
    shown = num_videos - round(num_videos * percent / 100)
    shown = _NUM_UNLABELLED.get((data_set, percent), shown)
    if percent == FULLY_LABELLED:
        labelled, shown = _CLIPS, num_videos
    num_epochs = epochs or EPOCHS[data_set]
    steps_an_epoch = -(-shown // (labelled if percent == FULLY_LABELLED else unlabelled))
    return TrainSettings(
        max_steps=num_epochs * steps_an_epoch,
        batch_labelled=labelled,
        batch_unlabelled=0 if is_supervised else unlabelled,
        optimiser="adam",  # section 4, Training details
        learning_rate=1e-4,  # section 4, Training details; the release's default is 1e-3
        adam_epsilon=1e-6,  # released code; the paper gives none
        weight_decay=0.0,  # released code; the paper gives none
        schedule="plateau",  # decay 0.1 if the training loss does not improve for 5 epochs
        plateau_patience=5 * steps_an_epoch,
        clip_norm=None,  # neither the paper nor its release clips gradients
        warmup_steps=0,
        ema_decay=0.0,
    )
