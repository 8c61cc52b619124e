"""The recipe for one's own footage."""

from __future__ import annotations

from vadsdk.training.recipes.from_scratch import E2E, TERMS
from vadsdk.training.settings import RunConfig


def footage() -> RunConfig:
    """Return the default: the small network on one's own footage, labelled and unlabelled.

    It is `toy-e2e` and, but for the masks of wrong classes, `jhmdb21-e2e`, whose numbers were found
    on footage; rate, batch and steps are the defaults of `TrainSettings`.
    """
    return RunConfig(
        model="videocapsnet-s",
        method="e2e",
        method_settings={"terms": dict(TERMS), **E2E},
    )


FOOTAGE = {"footage": footage}
"""It by name."""
