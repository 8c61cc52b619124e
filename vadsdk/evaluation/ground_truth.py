"""Checks that the annotation and the predictions of an evaluation belong together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from vadsdk.errors import DatasetError, unknown_name
from vadsdk.structures import Tube


def label_indices(
    ground_truth: Mapping[str, Sequence[Tube]], labels: Sequence[str]
) -> dict[str, int]:
    """Return the position of each label among `labels`.

    Raises:
        ConfigError: an annotated tube has another label.
    """
    indices = {label: index for index, label in enumerate(labels)}
    for tubes in ground_truth.values():
        for tube in tubes:
            if tube.label not in indices:
                raise unknown_name("label", tube.label, labels)
    return indices


def check_videos(ground_truth: Mapping[str, Sequence[Tube]], predicted: Iterable[str]) -> None:
    """Refuse predictions for videos that the ground truth does not list.

    A video without actions is listed with no tubes: what is predicted there is a false positive.
    A video that is not listed at all is more likely a name written in two ways.

    Raises:
        DatasetError: such predictions came.
    """
    strangers = sorted(set(predicted) - set(ground_truth))
    if strangers:
        raise DatasetError(
            f"predictions for {len(strangers)} videos that the ground truth does not list, such as "
            f"{strangers[0]!r}; list every evaluated video there, one without actions with no tubes"
        )
