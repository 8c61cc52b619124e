"""CVAT for video 1.1: XML files beside their videos, as CVAT exports them.

    my_data/
      clip1.mp4   clip1.xml            NAME.xml beside NAME.mp4, any number of them
      task7/clip2.mp4   annotations.xml       a folder a task, as an unpacked export has it

A track is a tube, under its id and label. Its boxes are CVAT's own: pixels, max edge exclusive.
Polygons and masks are the actors' masks, and their tight boxes the tubes' boxes. The subset of a
task, in lower case, is the split ("train" without one). A tube has score 1, whatever its track was
predicted with, because a person looked at it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vadsdk.data.cvat_annotation import ROOT_TAG, CvatVideo, read_content
from vadsdk.data.cvat_shapes import Box
from vadsdk.data.problems import Problem, raise_if_fatal
from vadsdk.data.records import VideoRecord, fill_boxes, records_of_split
from vadsdk.data.rle import EncodedMasks, encode_in_parts
from vadsdk.data.xml_elements import any_begins_with
from vadsdk.structures import Tube


class CvatDataset:
    """Videos that were annotated with CVAT.

    Args:
        root: holds the XML files and the videos, in folders or not.
        action_attribute: name of the tracks' attribute that says what is done, such as "action":
            each run of frames with one value is a tube of its own; an empty value and
            "__undefined__" are no action. None: the track's label says it.
        progress: called with the XML files done and their number.

    Raises:
        DatasetError: a file is malformed; the message names file, line, track and frame.
    """

    format = "cvat"

    def __init__(
        self,
        root: Path,
        *,
        action_attribute: str | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> None:
        content = read_content(root, action_attribute, progress)
        raise_if_fatal(content.problems, root)
        self.name = root.resolve().name
        self.labels = content.labels
        self.records = tuple(video.record for video in content.videos)
        self.has_masks = any(
            entry.has_masks for video in content.videos for entry in video.outlined
        )
        self._videos = {video.record.name: video for video in content.videos}

    def split(self, name: str) -> tuple[VideoRecord, ...]:
        """Return the records of one split; a DatasetError lists the splits if there are none."""
        return records_of_split(self, name)

    def actor_masks(
        self, record: VideoRecord, frame_indices: Sequence[int] | NDArray[np.integer]
    ) -> NDArray[np.bool_]:
        """Return the union of the actors in each frame, (T, H, W); those with boxes are filled."""
        return _drawn(self._videos[record.name], frame_indices)

    def tube_masks(self, record: VideoRecord, tube: Tube) -> EncodedMasks | None:
        """Return the masks of a tube, None if its track has boxes."""
        video = self._videos[record.name]
        own = tuple(entry for entry in video.outlined if entry.tube.id == tube.id)
        if not any(entry.has_masks for entry in own):
            return None
        alone = replace(video, outlined=own)
        size = (record.height, record.width)
        return encode_in_parts(tube.frame_indices, size, lambda frames: _drawn(alone, frames))


def read_problems(root: Path, *, action_attribute: str | None = None) -> list[Problem]:
    """Return everything that is wrong with the XML files of a data set, harmless things too.

    Args:
        root: of the data set.
        action_attribute: as `CvatDataset` takes it.

    Raises:
        DatasetError: there is no XML file at all.
    """
    return list(read_content(root, action_attribute).problems)


def is_cvat(root: Path) -> bool:
    """Return whether a folder plainly holds CVAT's XML files, in it or one folder below."""
    return any_begins_with(ROOT_TAG, chain(root.glob("*.xml"), root.glob("*/*.xml")))


def _drawn(
    video: CvatVideo, frame_indices: Sequence[int] | NDArray[np.integer]
) -> NDArray[np.bool_]:
    boxed = tuple(entry.tube for entry in video.outlined if not entry.has_masks)
    masks = fill_boxes(replace(video.record, tubes=boxed), frame_indices)
    for entry in video.outlined:
        shape_at = dict(zip(entry.tube.frame_indices.tolist(), entry.shapes, strict=True))
        for mask, frame in zip(masks, frame_indices, strict=True):
            shape = shape_at.get(int(frame))
            if shape is not None and not isinstance(shape, Box):
                shape.draw(mask)
    return masks
