"""Stable Mean Teacher (AAAI 2025): `smt-DATA-PERCENT-METHOD[-VARIANT]`, on paper 1's network.

Facts are those of reference.md section 5. What is not there of data, optimiser and batches is paper
1's (its sections 4 and 6); so are the release's phase of all classes and the margin's epochs, here
of 50.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from vadsdk.methods import StableMeanTeacherSettings
from vadsdk.training.recipes.paper1 import TABLE2
from vadsdk.training.recipes.paper1_training import (
    DataSet,
    counted_in_epochs,
    paper1_data,
    paper1_training,
)
from vadsdk.training.settings import RunConfig

SHARES: dict[DataSet, int] = {"ucf101-24": 10, "jhmdb21": 20, "youtube-vos": 10}
"""Percent of labels: reference section 5, table; of YouTube-VOS paper 1's, as none is known."""

EPOCHS = 50
"""Reference section 5, last lines."""

METHODS: dict[str, Mapping[str, Any]] = {
    "supervised": TABLE2["supervised"],
    "mean_teacher": {"decay": 0.99},  # reference section 5: EMA .99
    "e2e": TABLE2["e2e"],
    "stable_mean_teacher": {"decay": 0.99},  # reference section 5: EMA .99
}
"""Rows of the table in reference section 5."""

OPTIONS: dict[str, Mapping[str, Any]] = {
    "released": {},
    "released-opt1": {"blend": "ramped_dop"},
    "released-opt2": {"blend": "ramped_l2"},
    "released-opt5": {"auxiliary": "ramped"},
}
"""Forms of the release's losses; its commands have `--opt3 --opt4`, the first."""


def stable_mean_teacher(data_set: DataSet, method: str) -> RunConfig:
    """Return a row of Stable Mean Teacher's comparison, 50 epochs (reference section 5).

    Weights, views and ramps are the method's own; the release's are the variants `-released`.
    """
    return _run(data_set, method, METHODS[method])


def stable_mean_teacher_released(data_set: DataSet, options: str) -> RunConfig:
    """Return the arithmetic of Stable Mean Teacher's public code (reference section 5).

    The ramp counts twice, the teacher keeps its own statistics and has dropout, and only colours
    differ between teacher and student.
    """
    settings = StableMeanTeacherSettings.released(**OPTIONS[options])
    return _run(
        data_set,
        "stable_mean_teacher",
        settings.model_dump(mode="json", exclude_defaults=True),
        {"routing": "released"},  # reference section 2.2: "inherited unchanged"
    )


def _run(
    data_set: DataSet,
    method: str,
    settings: Mapping[str, Any],
    model_settings: Mapping[str, Any] | None = None,
) -> RunConfig:
    percent, is_supervised = SHARES[data_set], method == "supervised"
    return RunConfig(
        model="videocapsnet",  # reference section 5: "same net"
        model_settings=dict(model_settings or {}),
        method=method,
        method_settings=counted_in_epochs(method, settings, EPOCHS),
        data=paper1_data(data_set, percent, is_supervised=is_supervised),
        train=paper1_training(data_set, percent, is_supervised=is_supervised, epochs=EPOCHS),
    )


def _name(data_set: DataSet, end: str) -> str:
    return f"smt-{data_set}-{SHARES[data_set]}-{end.replace('_', '-')}"


_ACTIONS: tuple[DataSet, ...] = ("ucf101-24", "jhmdb21")

STABLE_MEAN_TEACHER: dict[str, Callable[[], RunConfig]] = {
    **{
        _name(data, method): partial(stable_mean_teacher, data, method)
        for data in _ACTIONS
        for method in METHODS
    },
    _name("youtube-vos", "stable_mean_teacher"): partial(
        stable_mean_teacher, "youtube-vos", "stable_mean_teacher"
    ),
    **{
        _name(data, f"stable_mean_teacher_{options}"): partial(
            stable_mean_teacher_released, data, options
        )
        for data in _ACTIONS
        for options in OPTIONS
    },
}
"""Every row by name."""
