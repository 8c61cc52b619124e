"""Recipes of `benchmarks/jhmdb.py`: real video, from scratch, within hours on a CPU."""

from __future__ import annotations

from vadsdk.training.recipes.from_scratch import E2E, MANY_CLASSES_TERMS
from vadsdk.training.settings import DataSettings, RunConfig, TrainSettings


def jhmdb21_supervised() -> RunConfig:
    """Return the baseline of `benchmarks/jhmdb.py`: split 1, 30 % labels, from scratch."""
    return RunConfig(
        method="supervised",
        method_settings={
            "view": "weak",
            "second_view": "strong",
            "terms": dict(MANY_CLASSES_TERMS),
        },
        data=DataSettings(format="jhmdb21", labelled_fraction=0.3),
        train=TrainSettings(max_steps=3200, batch_labelled=8, batch_unlabelled=0),
    )


def jhmdb21_e2e() -> RunConfig:
    """Return `e2e` on the labels of `benchmarks/jhmdb.py`'s baseline, in about as much time."""
    return RunConfig(
        method_settings={**E2E, "terms": dict(MANY_CLASSES_TERMS)},
        data=DataSettings(format="jhmdb21", labelled_fraction=0.3),
        train=TrainSettings(max_steps=2300, batch_labelled=6, batch_unlabelled=6),
    )


JHMDB21 = {"jhmdb21-e2e": jhmdb21_e2e, "jhmdb21-supervised": jhmdb21_supervised}
"""Both by name."""
