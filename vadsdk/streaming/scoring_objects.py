"""J and F of a stream: its tracks are proposals that nobody told which object they are.

A detector is not given the mask of the first frame, as semi-supervised DAVIS gives it, so the
unsupervised protocol is the one that fits: each object gets the track that suits it best.

Legend: P proposals, F annotated frames, H and W of the frame.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vadsdk.data.object_maps import ObjectDataset
from vadsdk.data.records import VideoRecord
from vadsdk.evaluation.object_segmentation import (
    DavisScores,
    MaskQuality,
    YoutubeVosScores,
    davis_scores,
    unsupervised,
    youtube_vos_scores,
)
from vadsdk.structures import Detections, VideoResult
from vadsdk.structures.detections import NO_TRACK

MAX_PROPOSALS = 20
"""Of one sequence (Caelles et al. 2019, section 3); the tracks of the highest summed score."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class ObjectScores:
    """J and F of all sequences."""

    sequences: Mapping[str, MaskQuality]
    """Of each sequence with an object."""
    all_frames: DavisScores
    """Over all annotated frames, as unsupervised DAVIS 2017 has it."""
    without_ends: DavisScores | None
    """Without the first and the last frame, as semi-supervised DAVIS and DAVIS 2016 have it; None
    where a sequence has none between them."""
    youtube_vos: YoutubeVosScores | None
    """Seen and unseen categories apart; None where the data set does not tell them."""


class ObjectScorer:
    """Gathers J and F, sequence by sequence, so that no more than one's masks are held.

    Args:
        dataset: gives the objects.
    """

    def __init__(self, dataset: ObjectDataset) -> None:
        self._dataset = dataset
        self._sequences: dict[str, MaskQuality] = {}
        self._is_seen: list[list[bool]] = []

    def add(self, record: VideoRecord, result: VideoResult) -> None:
        """Take one sequence; one without an object, or a result without masks, gives nothing."""
        if not record.tubes or all(frame.detections.masks is None for frame in result.frames):
            return
        known = record.annotated_frames
        frames = np.arange(record.num_frames) if known is None else np.array(known, np.int64)
        maps = self._dataset.object_maps(record, frames)
        detections = {frame.index: frame.detections for frame in result.frames}
        shape = (record.height, record.width)
        if self._dataset.is_foreground:
            proposals = _foreground(detections, frames, shape)
        else:
            proposals = _tracks(detections, frames, shape)
        quality = unsupervised(proposals, maps.object_ids, maps.void)
        self._sequences[record.name] = quality
        seen, labels = self._dataset.seen_labels, {tube.id: tube.label for tube in record.tubes}
        if seen is not None:
            self._is_seen.append([labels[number] in seen for number in quality.object_ids.tolist()])

    def scores(self) -> ObjectScores | None:
        """Return the means over all objects; None without any sequence."""
        if not self._sequences:
            return None
        sequences = list(self._sequences.values())
        has_middle = all(one.regions.shape[1] > 2 for one in sequences)
        return ObjectScores(
            sequences=self._sequences,
            all_frames=davis_scores(sequences),
            without_ends=davis_scores([one.without_ends() for one in sequences])
            if has_middle
            else None,
            youtube_vos=youtube_vos_scores(sequences, self._is_seen)
            if self._dataset.seen_labels is not None
            else None,
        )


def _foreground(
    detections: Mapping[int, Detections], frames: NDArray[np.int64], shape: tuple[int, int]
) -> NDArray[np.bool_]:
    """Return (1, F, H, W): the pixels of all detections."""
    proposals = np.zeros((1, len(frames), *shape), np.bool_)
    for row, frame in enumerate(frames.tolist()):
        masks = detections[frame].masks if frame in detections else None
        if masks is not None:
            proposals[0, row] = masks.any(axis=0)
    return proposals


def _tracks(
    detections: Mapping[int, Detections], frames: NDArray[np.int64], shape: tuple[int, int]
) -> NDArray[np.bool_]:
    """Return (P, F, H, W): the masks of each of the best tracks."""
    totals: dict[int, float] = defaultdict(float)
    for frame in frames.tolist():
        found = detections.get(frame)
        if found is not None:
            for track, score in zip(found.track_ids.tolist(), found.scores.tolist(), strict=True):
                totals[track] += score
    totals.pop(NO_TRACK, None)
    best = sorted(totals, key=lambda track: (-totals[track], track))[:MAX_PROPOSALS]
    proposals = np.zeros((len(best), len(frames), *shape), np.bool_)
    place_of = {track: place for place, track in enumerate(best)}
    for row, frame in enumerate(frames.tolist()):
        found = detections.get(frame)
        if found is None or found.masks is None:
            continue
        for track, mask in zip(found.track_ids.tolist(), found.masks, strict=True):
            if track in place_of:
                proposals[place_of[track], row] |= mask
    return proposals
