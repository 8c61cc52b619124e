"""Objects of single pictures, linked to tracks.

An object with a track id belongs to the track of that id and its label. The others are linked
greedily, label by label, from each annotated picture to the next: of all pairs of a track and an
object, the one with the highest overlap first, as long as it reaches `MIN_IOU`; what is left over
begins tracks of its own. A track that finds no object in a picture has ended.

Legend: A tracks that go on, N objects of a picture.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from vadsdk.boxes import box_iou
from vadsdk.data.voc_annotation import VocObject

MIN_IOU = 0.3
"""Overlap from which two boxes in following pictures are one actor: a box that moves by half its
width still overlaps by 1/3."""


@dataclass(slots=True, eq=False)
class Track:
    """One actor with one label, in frames that increase."""

    label: str
    """Of all its objects."""
    id: int | None
    """As the files name it; None if it was linked by overlap."""
    frames: list[int] = field(default_factory=list)
    """Those in which it is seen."""
    boxes_xyxy: list[tuple[float, float, float, float]] = field(default_factory=list)
    """One for each of `frames`."""

    def add(self, frame: int, entry: VocObject) -> None:
        """Append an object."""
        self.frames.append(frame)
        self.boxes_xyxy.append(entry.box_xyxy)


def link(pictures: Sequence[tuple[int, Sequence[VocObject]]]) -> list[Track]:
    """Return the tracks of a video, in the order in which they appear.

    Args:
        pictures: frame and objects of each annotated picture, frames increasing; no two objects of
            a picture have one track id and one label.
    """
    tracks: list[Track] = []
    named: dict[tuple[int, str], Track] = {}
    going_on: list[Track] = []
    for frame, objects in pictures:
        followed = dict(_pairs(going_on, objects))
        extended = []
        for index, entry in enumerate(objects):
            if entry.track_id is not None:
                track = named.get((entry.track_id, entry.label))
            else:
                track = going_on[followed[index]] if index in followed else None
            if track is None:
                track = Track(entry.label, entry.track_id)
                tracks.append(track)
            if entry.track_id is None:
                extended.append(track)
            else:
                named[entry.track_id, entry.label] = track
            track.add(frame, entry)
        going_on = extended
    return tracks


def _pairs(tracks: Sequence[Track], objects: Sequence[VocObject]) -> Iterator[tuple[int, int]]:
    """Yield the indices of each object and of the track that it goes on with."""
    if not tracks or not objects:
        return
    overlaps = _overlaps(tracks, objects)  # (A, N)
    order = np.argsort(-overlaps, axis=None, kind="stable")
    taken_tracks: set[int] = set()
    taken_objects: set[int] = set()
    for flat in order.tolist():
        track, entry = divmod(flat, len(objects))
        if overlaps[track, entry] < MIN_IOU:
            return
        if track not in taken_tracks and entry not in taken_objects:
            taken_tracks.add(track)
            taken_objects.add(entry)
            yield entry, track


def _overlaps(tracks: Sequence[Track], objects: Sequence[VocObject]) -> NDArray[np.float64]:
    """Return the overlap of each track's last box with each object, (A, N).

    It is 0 for different labels, and for an object with a track id, which is not linked by overlap.
    """
    lasts = np.array([track.boxes_xyxy[-1] for track in tracks])
    boxes = np.array([entry.box_xyxy for entry in objects])
    track_labels = np.array([track.label for track in tracks])
    labels = np.array([entry.label for entry in objects])
    is_nameless = np.array([entry.track_id is None for entry in objects])
    same = (track_labels[:, np.newaxis] == labels[np.newaxis]) & is_nameless[np.newaxis]
    return np.where(same, box_iou(lasts[:, np.newaxis], boxes[np.newaxis]), 0.0)
