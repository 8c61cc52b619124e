"""What every data set format is read into.

Legend: T frames asked for, H and W of the source frame.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from vadsdk.errors import DatasetError
from vadsdk.structures import Tube


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class VideoRecord:
    """One video of a data set and its annotation."""

    name: str
    """Unique in the data set."""
    path: Path
    """The video file."""
    split: str
    """Such as "train" or "test"."""
    num_frames: int
    """Frames of the record, as the annotation states them; 0 if it does not."""
    width: int
    """Of the upright source frame, in pixels; 0 if the annotation does not tell."""
    height: int
    """Of the upright source frame, in pixels; 0 if the annotation does not tell."""
    fps: float
    """Average frames a second; 0 if the annotation does not tell."""
    tubes: tuple[Tube, ...] = ()
    """The actors doing an action, in pixels of the source frame; empty if not `labelled`."""
    video_label: str | None = None
    """Class of a trimmed video as a whole, where no boxes are annotated."""
    labelled: bool = True
    """False: nothing is known of the video."""
    annotated_frames: tuple[int, ...] | None = None
    """Frames that were looked at, increasing, where annotation is sparse: of all others nothing is
    known. None: all frames."""
    drawn_ranges: tuple[tuple[int, int], ...] | None = None
    """Half-open ranges of frames to which the clips of an unlabelled video keep, increasing; with
    none at all there are no clips of it. None: all of it."""

    def __post_init__(self) -> None:
        if (self.tubes or self.video_label is not None) and not self.labelled:
            raise ValueError(f"{self.name} is not labelled, so it has neither tubes nor a class")
        if self.drawn_ranges is not None and self.labelled:
            raise ValueError(f"{self.name} is labelled: its clips are placed by its annotation")
        if self.annotated_frames is not None:
            known = set(self.annotated_frames)
            if any(not known.issuperset(tube.frame_indices.tolist()) for tube in self.tubes):
                raise ValueError(f"{self.name} has boxes in frames that are not annotated")


class ActionDataset(Protocol):
    """Videos with action tubes, whatever the layout on disk."""

    @property
    def name(self) -> str:
        """Of the data set, as a user sees it."""
        ...

    @property
    def format(self) -> str:
        """Name of the layout, as `open_dataset` takes it."""
        ...

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the classes; the position of a label is its class index."""
        ...

    @property
    def records(self) -> tuple[VideoRecord, ...]:
        """Every video, in a stable order."""
        ...

    @property
    def has_masks(self) -> bool:
        """Whether pixels are annotated; else `actor_masks` fills the boxes."""
        ...

    def split(self, name: str) -> tuple[VideoRecord, ...]:
        """Return the records of one split; a DatasetError lists the splits if there are none."""
        ...

    def actor_masks(
        self, record: VideoRecord, frame_indices: Sequence[int] | NDArray[np.integer]
    ) -> NDArray[np.bool_]:
        """Return the union of the actors in each frame, (T, H, W).

        Args:
            record: a labelled record of this data set.
            frame_indices: (T,) frames of the record.

        Raises:
            DatasetError: the mask file is missing or malformed.
        """
        ...


def has_boxes(record: VideoRecord) -> bool:
    """Return whether annotation belongs to single frames, which must then be just these."""
    return record.labelled and record.video_label is None


def has_frames_of(record: VideoRecord, num_frames: int) -> bool:
    """Return whether a video of so many frames can be the one that a record's boxes are for.

    It has just as many; where annotation is sparse, those that were looked at are enough.
    """
    if not has_boxes(record) or num_frames == record.num_frames:
        return True
    return max(record.annotated_frames or (), default=num_frames) < num_frames


def other_frames(record: VideoRecord, num_frames: int) -> str:
    """Return what to say of a video of so many frames that `has_frames_of` refuses."""
    return (
        f"{record.path} has {num_frames} frames, its annotation is for "
        f"{record.num_frames}; replace the video or annotate it again"
    )


def fill_boxes(
    record: VideoRecord, frame_indices: Sequence[int] | NDArray[np.integer]
) -> NDArray[np.bool_]:
    """Return (T, H, W) masks in which every pixel that an actor's box touches is set."""
    masks = np.zeros((len(frame_indices), record.height, record.width), np.bool_)
    for tube in record.tubes:
        box_at = dict(zip(tube.frame_indices.tolist(), tube.boxes_xyxy, strict=True))
        for mask, frame in zip(masks, frame_indices, strict=True):
            box = box_at.get(int(frame))
            if box is not None:
                x1, y1 = np.maximum(np.floor(box[:2]), 0).astype(int)
                x2, y2 = np.ceil(box[2:]).astype(int)
                mask[y1:y2, x1:x2] = True
    return masks


def records_of_split(dataset: ActionDataset, name: str) -> tuple[VideoRecord, ...]:
    """Return the records of one split; a DatasetError lists the splits if there are none."""
    chosen = tuple(record for record in dataset.records if record.split == name)
    if not chosen:
        splits = sorted({record.split for record in dataset.records})
        raise DatasetError(
            f"{dataset.name} has no split {name!r}; choose one of: {', '.join(splits)}"
        )
    return chosen
