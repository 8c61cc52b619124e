"""Which class a clip shows, and which videos show a class.

Legend: T frames of a clip, K classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vadsdk.data.batches import NO_CLASS
from vadsdk.data.records import VideoRecord
from vadsdk.structures import Tube


def clip_class(
    tubes: Sequence[Tube],
    frame_indices: NDArray[np.int64],
    labels: Sequence[str],
    preferred: str | None = None,
) -> int:
    """Return the class whose tubes cover most of a clip's frames, or `NO_CLASS` if none covers any.

    Args:
        tubes: of the clip's video.
        frame_indices: (T,).
        labels: names of the K classes.
        preferred: wins where several cover equally many frames; else the first in `labels` does.
    """
    covered = np.zeros((len(labels), len(frame_indices)), np.bool_)  # (K, T)
    for tube in tubes:
        covered[labels.index(tube.label)] |= np.isin(frame_indices, tube.frame_indices)
    num_frames = covered.sum(axis=1)
    if not num_frames.any():
        return NO_CLASS
    best = int(num_frames.argmax())
    if preferred is not None and num_frames[labels.index(preferred)] == num_frames[best]:
        return labels.index(preferred)
    return best


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class ClassGroup:
    """Videos that take turns."""

    label: str | None
    """None: videos without any action."""
    records: tuple[VideoRecord, ...]
    """At least one; a video of two classes is in both groups."""


def group_by_class(records: Sequence[VideoRecord], labels: Sequence[str]) -> tuple[ClassGroup, ...]:
    """Return the records that show each class, and last those that show none; no group is empty."""
    groups = [
        ClassGroup(
            label=label,
            records=tuple(r for r in records if label in _labels_of(r)),
        )
        for label in labels
    ]
    groups.append(ClassGroup(label=None, records=tuple(r for r in records if not _labels_of(r))))
    return tuple(group for group in groups if group.records)


def _labels_of(record: VideoRecord) -> set[str]:
    labels = {tube.label for tube in record.tubes}
    return labels if record.video_label is None else labels | {record.video_label}
