"""Protocols of video object segmentation: DAVIS, told the objects or not, and YouTube-VOS.

DAVIS 2017 averages J and F over the frames of each object, then over all objects of all sequences,
which count alike.

Legend: O objects, P proposals, F frames, H and W of a frame.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from vadsdk.errors import DatasetError
from vadsdk.evaluation.region_boundary import (
    FrameStatistics,
    boundary_accuracy,
    frame_statistics,
    region_similarity,
)

NO_PROPOSAL = -1
"""Proposal of an object that none was left for."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class MaskQuality:
    """J and F of the objects of one sequence, frame by frame."""

    object_ids: NDArray[np.int64]
    """(O,) as in the annotation, rising."""
    regions: NDArray[np.float64]
    """(O, F) J."""
    boundaries: NDArray[np.float64]
    """(O, F) F."""
    first_frames: NDArray[np.int64]
    """(O,) the first frame in which each object is annotated."""
    proposals: NDArray[np.int64]
    """(O,) the predicted id or proposal that stands for each object; `NO_PROPOSAL` without any."""

    def without_ends(self) -> MaskQuality:
        """Return all but the first and the last frame, which semi-supervised DAVIS leaves out.

        Raises:
            DatasetError: nothing is left.
        """
        num_frames = self.regions.shape[1]
        if num_frames < 3:
            raise DatasetError(
                f"a sequence of {num_frames} frames has none but its first and last, which "
                "semi-supervised DAVIS leaves out; evaluate it on all its frames"
            )
        return MaskQuality(
            object_ids=self.object_ids,
            regions=self.regions[:, 1:-1],
            boundaries=self.boundaries[:, 1:-1],
            first_frames=(self.first_frames - 1).clip(0, num_frames - 3),
            proposals=self.proposals,
        )


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class DavisScores:
    """The numbers of a DAVIS table: means over objects, each of which counts alike."""

    region: FrameStatistics
    """J."""
    boundary: FrameStatistics
    """F."""

    @property
    def mean(self) -> float:
        """J&F."""
        return (self.region.mean + self.boundary.mean) / 2


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class YoutubeVosScores:
    """The numbers of a YouTube-VOS table; NaN where no object is of that sort."""

    region_seen: float
    boundary_seen: float
    region_unseen: float
    boundary_unseen: float

    @property
    def overall(self) -> float:
        """Mean of the four; NaN where one is missing."""
        seen = self.region_seen + self.boundary_seen
        return (seen + self.region_unseen + self.boundary_unseen) / 4


def semi_supervised(
    predicted_maps: NDArray[np.integer],
    true_maps: NDArray[np.integer],
    void: NDArray[np.bool_] | None = None,
) -> MaskQuality:
    """Measure one sequence whose predicted objects bear the ids of the annotation.

    Args:
        predicted_maps: (F, H, W) object of each pixel; 0 is background.
        true_maps: (F, H, W) likewise; its ids, void pixels aside, are the objects.
        void: (F, H, W) pixels that do not count, as `true_maps == 255` where 255 marks them.

    Raises:
        DatasetError: shapes that do not fit, or no object at all.
    """
    _check_shapes(predicted_maps.shape, true_maps, void)
    object_ids = _object_ids(true_maps, void)
    regions, boundaries, present = [], [], []
    for index, true_map in enumerate(true_maps):
        predicted = predicted_maps[index] == object_ids[:, None, None]  # (O, H, W)
        true = true_map == object_ids[:, None, None]
        hidden = None if void is None else void[index]
        regions.append(region_similarity(predicted, true, hidden))
        boundaries.append(boundary_accuracy(predicted, true, hidden))
        present.append(true.any(axis=(1, 2)))
    return MaskQuality(
        object_ids=object_ids,
        regions=np.stack(regions, axis=1),
        boundaries=np.stack(boundaries, axis=1),
        first_frames=np.argmax(present, axis=0),
        proposals=object_ids,
    )


def unsupervised(
    proposals: NDArray[np.bool_],
    true_maps: NDArray[np.integer],
    void: NDArray[np.bool_] | None = None,
) -> MaskQuality:
    """Measure one sequence whose predicted masks are not told which object they are (DAVIS 2019).

    Each object gets a proposal of its own, so that the mean of J and F over all objects and frames
    is best. One that none is left for is measured against empty masks.

    Args:
        proposals: (P, F, H, W), in any order; they may overlap, and further ones cost nothing.
        true_maps: (F, H, W) as in `semi_supervised`.
        void: (F, H, W) likewise.

    Raises:
        DatasetError: shapes that do not fit, or no object at all.
    """
    _check_shapes(proposals.shape[1:], true_maps, void)
    object_ids = _object_ids(true_maps, void)
    missing = max(0, len(object_ids) - len(proposals))
    regions, boundaries, present = [], [], []
    for index, true_map in enumerate(true_maps):
        predicted = np.pad(proposals[:, index], ((0, missing), (0, 0), (0, 0)))  # (P, H, W)
        true = true_map == object_ids[:, None, None, None]  # (O, 1, H, W)
        hidden = None if void is None else void[index]
        regions.append(region_similarity(predicted, true, hidden))
        boundaries.append(boundary_accuracy(predicted, true, hidden))
        present.append(true.any(axis=(1, 2, 3)))
    pairs = np.stack([regions, boundaries]).transpose(0, 2, 3, 1)  # (2, O, P, F)
    rows, chosen = linear_sum_assignment(pairs.mean(axis=(0, 3)), maximize=True)
    return MaskQuality(
        object_ids=object_ids,
        regions=pairs[0, rows, chosen],
        boundaries=pairs[1, rows, chosen],
        first_frames=np.argmax(present, axis=0),
        proposals=np.where(chosen < len(proposals), chosen, NO_PROPOSAL),
    )


def davis_scores(sequences: Sequence[MaskQuality]) -> DavisScores:
    """Return the means over all objects; see `MaskQuality.without_ends` for the official frames.

    Raises:
        DatasetError: no sequences.
    """
    regions = [values for sequence in sequences for values in sequence.regions]
    boundaries = [values for sequence in sequences for values in sequence.boundaries]
    return DavisScores(region=_mean_statistics(regions), boundary=_mean_statistics(boundaries))


def youtube_vos_scores(
    sequences: Sequence[MaskQuality], is_seen: Sequence[Sequence[bool]]
) -> YoutubeVosScores:
    """Return J and F averaged over the objects of seen and of unseen categories (Xu et al. 2018).

    An object counts from the first frame on in which it is annotated. The official server's code is
    not public: this follows what the data set's page says of it.

    Args:
        sequences: of all videos.
        is_seen: for each of them, whether the category of each object is in the training set.

    Raises:
        DatasetError: not one flag for each object.
    """
    counts = [len(sequence.object_ids) for sequence in sequences]
    if [len(flags) for flags in is_seen] != counts:
        raise DatasetError(
            f"the sequences have {counts} objects, but is_seen speaks of "
            f"{[len(flags) for flags in is_seen]}; give one flag for each object"
        )
    means: dict[bool, list[tuple[float, float]]] = {True: [], False: []}
    for sequence, flags in zip(sequences, is_seen, strict=True):
        for row, (first, flag) in enumerate(zip(sequence.first_frames, flags, strict=True)):
            region, boundary = sequence.regions[row, first:], sequence.boundaries[row, first:]
            means[bool(flag)].append((float(region.mean()), float(boundary.mean())))
    averages = {
        flag: np.mean(values, axis=0) if values else np.full(2, math.nan)
        for flag, values in means.items()
    }
    return YoutubeVosScores(
        region_seen=float(averages[True][0]),
        boundary_seen=float(averages[True][1]),
        region_unseen=float(averages[False][0]),
        boundary_unseen=float(averages[False][1]),
    )


def _mean_statistics(values: Sequence[NDArray[np.float64]]) -> FrameStatistics:
    if not values:
        raise DatasetError("no objects to average over; give at least one sequence with an object")
    statistics = [frame_statistics(frames) for frames in values]
    return FrameStatistics(
        mean=float(np.mean([one.mean for one in statistics])),
        recall=float(np.mean([one.recall for one in statistics])),
        decay=float(np.mean([one.decay for one in statistics])),
    )


def _check_shapes(
    predicted: tuple[int, ...], true_maps: NDArray[np.integer], void: NDArray[np.bool_] | None
) -> None:
    if true_maps.ndim != 3 or not len(true_maps):
        raise DatasetError(f"label maps are (F, H, W) with 1 frame or more, not {true_maps.shape}")
    for name, shape in (("predicted", predicted), ("void", None if void is None else void.shape)):
        if shape is not None and shape != true_maps.shape:
            raise DatasetError(
                f"the annotation is (F, H, W) = {true_maps.shape}, but what is {name} has {shape}; "
                "give both for the same frames and at the size of the annotation"
            )
    if void is not None and void.dtype != np.bool_:
        raise DatasetError(f"void is a mask of bool, as `maps == 255` is, not of {void.dtype}")


def _object_ids(
    true_maps: NDArray[np.integer], void: NDArray[np.bool_] | None
) -> NDArray[np.int64]:
    """Return the (O,) ids of the annotation, void pixels aside."""
    ids = np.unique(true_maps if void is None else true_maps[~void])
    object_ids: NDArray[np.int64] = ids[ids != 0].astype(np.int64)
    if not len(object_ids):
        raise DatasetError("the annotation has no object: every pixel that counts is background 0")
    return object_ids
