"""Masks of single tubes, from data sets that tell the actors apart."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from vadsdk.data.records import ActionDataset, VideoRecord
from vadsdk.data.rle import EncodedMasks
from vadsdk.structures import Tube


@runtime_checkable
class TubeMaskDataset(Protocol):
    """A data set whose masks belong to tubes; of others only the union of all actors is known."""

    def tube_masks(self, record: VideoRecord, tube: Tube) -> EncodedMasks | None:
        """Return the masks of a tube of a labelled record, None where its boxes alone are known.

        Raises:
            DatasetError: the mask file is missing or malformed.
        """
        ...


def masks_of_tubes(dataset: ActionDataset, record: VideoRecord) -> dict[int, EncodedMasks]:
    """Return the masks of each tube that has any pixel in them, by its id.

    Raises:
        DatasetError: a mask file is missing or malformed.
    """
    if not isinstance(dataset, TubeMaskDataset):
        return {}
    found = {tube.id: dataset.tube_masks(record, tube) for tube in record.tubes}
    return {id: masks for id, masks in found.items() if masks is not None and not masks.are_empty}
