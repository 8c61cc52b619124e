"""The recall protocol: what the released script of paper 1 calls f-mAP and v-mAP.

It is no average precision. Of every annotated frame, or video, it asks one thing: do the pixels of
the predicted and of the true mask overlap enough? The predicted class is never looked at, nothing
has a score, and pixels outside annotated frames cost nothing. The tables of paper 1, and of the
works that reuse its script (Stable Mean Teacher among them), hold these numbers: compare only like
with like.

Legend: F frames, K classes, R thresholds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vadsdk.errors import unknown_name


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class MaskOverlap:
    """How the predicted mask of one video agrees with the true one, in its annotated frames."""

    label: str
    """The true class of the video."""
    intersections: NDArray[np.int64]
    """(F,) pixels in both masks."""
    unions: NDArray[np.int64]
    """(F,) pixels in either."""
    weight: float = 1.0
    """How much the video counts.

    The released script scores a video of n actors against one of them, drawn by chance. An overlap
    for each actor with weight 1/n counts as that draw does on average.
    """


def measure_masks(
    label: str,
    predicted_masks: NDArray[np.bool_],
    true_masks: NDArray[np.bool_],
    *,
    weight: float = 1.0,
) -> MaskOverlap:
    """Compare (F, H, W) masks; frames whose true mask is empty count as not annotated."""
    if predicted_masks.shape != true_masks.shape or predicted_masks.ndim != 3:
        raise ValueError(
            f"both masks are (F, H, W), not {predicted_masks.shape} and {true_masks.shape}"
        )
    annotated = true_masks.any(axis=(1, 2))
    predicted, true = predicted_masks[annotated], true_masks[annotated]
    return MaskOverlap(
        label=label,
        intersections=_count_pixels(predicted & true),
        unions=_count_pixels(predicted | true),
        weight=weight,
    )


def _count_pixels(masks: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return (F,); frame by frame, since `count_nonzero` is 30 times slower along an axis."""
    return np.array([np.count_nonzero(mask) for mask in masks], np.int64)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class RecallProtocol:
    """Share of the ground truth, class by class, whose pixels were found well enough."""

    labels: tuple[str, ...]
    """Names of the K classes."""
    iou_thresholds: tuple[float, ...]
    """R pixel IoUs from which on a frame or video is found."""
    frame_recalls: NDArray[np.float64]
    """(R, K) of annotated frames; NaN for a class without any."""
    video_recalls: NDArray[np.float64]
    """(R, K) of videos, pixels summed over their annotated frames; NaN for a class without any."""

    @property
    def mean_frame_recalls(self) -> NDArray[np.float64]:
        """(R,) the script's "f-mAP": mean over the classes that occur."""
        return _mean_over_classes(self.frame_recalls)

    @property
    def mean_video_recalls(self) -> NDArray[np.float64]:
        """(R,) the script's "v-mAP": mean over the classes that occur."""
        return _mean_over_classes(self.video_recalls)


def recall_protocol(
    overlaps: Sequence[MaskOverlap],
    labels: Sequence[str],
    iou_thresholds: Sequence[float] = (0.2, 0.5),
) -> RecallProtocol:
    """Return the shares of found frames and videos of every class.

    Raises:
        ConfigError: an overlap with an unknown label.
    """
    indices = {label: index for index, label in enumerate(labels)}
    thresholds = np.array(iou_thresholds)
    frames, videos = np.zeros(len(labels)), np.zeros(len(labels))
    found_frames, found_videos = np.zeros((2, len(thresholds), len(labels)))
    for overlap in overlaps:
        if overlap.label not in indices:
            raise unknown_name("label", overlap.label, labels)
        if not len(overlap.unions):
            continue
        index = indices[overlap.label]
        frame_ious = overlap.intersections / overlap.unions
        video_iou = overlap.intersections.sum() / overlap.unions.sum()
        frames[index] += overlap.weight * len(frame_ious)
        videos[index] += overlap.weight
        found = (frame_ious >= thresholds[:, None]).sum(axis=1)
        found_frames[:, index] += overlap.weight * found
        found_videos[:, index] += overlap.weight * (video_iou >= thresholds)
    return RecallProtocol(
        labels=tuple(labels),
        iou_thresholds=tuple(iou_thresholds),
        frame_recalls=_share(found_frames, frames),
        video_recalls=_share(found_videos, videos),
    )


def _share(found: NDArray[np.float64], counts: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.divide(found, counts, out=np.full_like(found, np.nan), where=counts > 0)


def _mean_over_classes(shares: NDArray[np.float64]) -> NDArray[np.float64]:
    known = np.isfinite(shares).any(axis=0)
    return shares[:, known].mean(axis=1) if known.any() else np.full(len(shares), np.nan)
