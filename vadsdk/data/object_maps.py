"""Which object each pixel belongs to, where a data set tells: what J and F are measured against.

Legend: T frames asked for, H and W of the frame.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from vadsdk.data.davis_masks import VOID, MaskKind, read_object_ids
from vadsdk.data.davis_sequences import MaskedSequence
from vadsdk.data.records import VideoRecord
from vadsdk.errors import DatasetError


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class ObjectMaps:
    """The objects of some frames."""

    object_ids: NDArray[np.uint8]
    """(T, H, W) ids of the record's tubes; 0 is background."""
    void: NDArray[np.bool_] | None
    """(T, H, W) pixels that count for no object; None where the data set has no such pixels."""


@runtime_checkable
class ObjectDataset(Protocol):
    """A data set of video object segmentation."""

    @property
    def is_foreground(self) -> bool:
        """Whether all that moves is one object, as in DAVIS 2016."""

    @property
    def seen_labels(self) -> frozenset[str] | None:
        """Categories of the training set, where seen and unseen ones are told apart; else None."""

    def object_maps(
        self, record: VideoRecord, frame_indices: Sequence[int] | NDArray[np.integer]
    ) -> ObjectMaps:
        """Return the objects of annotated frames of a record.

        Raises:
            DatasetError: a frame has no mask, or it is malformed.
        """


def read_object_maps(
    sequence: MaskedSequence,
    record: VideoRecord,
    frame_indices: Sequence[int] | NDArray[np.integer],
    kind: MaskKind,
) -> ObjectMaps:
    """Return the objects of some annotated frames of a sequence; see `ObjectDataset`."""
    has_void = kind is MaskKind.NUMBERED_WITH_VOID
    path_of = dict(zip(sequence.annotated_frames.tolist(), sequence.masks, strict=True))
    shape = (len(frame_indices), record.height, record.width)
    object_ids, void = np.zeros(shape, np.uint8), np.zeros(shape, np.bool_)
    known = [tube.id for tube in record.tubes]
    for row, frame in enumerate(frame_indices):
        if int(frame) not in path_of:
            raise DatasetError(f"frame {int(frame)} of {record.name} has no mask to compare with")
        numbers = read_object_ids(path_of[int(frame)], MaskKind.NUMBERED if has_void else kind)
        if numbers.shape != shape[1:]:
            raise DatasetError(
                f"{path_of[int(frame)]} has changed its size since the data set was opened; "
                "open it again"
            )
        void[row] = (numbers == VOID) & has_void
        object_ids[row] = np.where(np.isin(numbers, known), numbers, 0)
    return ObjectMaps(object_ids=object_ids, void=void if has_void else None)
