"""J and F, the measures of video object segmentation (Perazzi et al. 2016, DAVIS).

J is how well the regions of two masks agree, F how well their outlines do; see
`object_segmentation` for the protocols that average them.

Legend: F frames, H and W of a frame.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from vadsdk.errors import DatasetError

BOUND_FRACTION = 0.008
"""An outline counts as found within this share of the frame's diagonal, rounded up to pixels."""
GOOD_FRAME = 0.5
"""Recall is the share of frames that score more than this."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class FrameStatistics:
    """What DAVIS reports of a score over the frames of one object."""

    mean: float
    recall: float
    """Share of frames above 0.5."""
    decay: float
    """Mean of the first quarter of the frames less that of the last: 0 where nothing is lost."""


def region_similarity(
    predicted: NDArray[np.bool_],
    true: NDArray[np.bool_],
    void: NDArray[np.bool_] | None = None,
) -> NDArray[np.float64]:
    """Return J, the intersection over union of masks; 1 where both are empty.

    Args:
        predicted: (..., H, W).
        true: (..., H, W); leading axes broadcast.
        void: (..., H, W) pixels that do not count.

    Raises:
        DatasetError: what came are not masks of one size.
    """
    predicted, true = _visible(predicted, true, void)
    intersections, unions = _count_pixels(predicted & true), _count_pixels(predicted | true)
    return np.where(unions > 0, intersections / unions.clip(1), 1.0)


def boundary_accuracy(
    predicted: NDArray[np.bool_],
    true: NDArray[np.bool_],
    void: NDArray[np.bool_] | None = None,
) -> NDArray[np.float64]:
    """Return F, the harmonic mean of precision and recall of the masks' outlines.

    A pixel of one outline is found where the other passes within `BOUND_FRACTION`. Of two empty
    outlines F is 1, of one it is 0.

    Args:
        predicted: (..., H, W).
        true: (..., H, W); leading axes broadcast.
        void: (..., H, W) pixels that are cleared in both masks first.

    Raises:
        DatasetError: what came are not masks of one size.
    """
    predicted, true = _visible(predicted, true, void)
    outline, true_outline = boundary_map(predicted), boundary_map(true)
    found = _count_pixels(outline & _near(true_outline))
    true_found = _count_pixels(true_outline & _near(outline))
    count, true_count = _count_pixels(outline), _count_pixels(true_outline)
    precision, recall = found / count.clip(1), true_found / true_count.clip(1)
    total = precision + recall
    score = np.divide(2 * precision * recall, total, out=np.zeros(total.shape), where=total > 0)
    return np.where((count == 0) & (true_count == 0), 1.0, score)


def boundary_map(masks: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return (..., H, W): the pixels that differ from the next one right, below or right below."""
    padded = np.pad(masks, [(0, 0)] * (masks.ndim - 2) + [(0, 1), (0, 1)], mode="edge")
    here = padded[..., :-1, :-1]
    below, right = padded[..., 1:, :-1], padded[..., :-1, 1:]
    outline: NDArray[np.bool_] = (here != below) | (here != right) | (here != padded[..., 1:, 1:])
    return outline


def frame_statistics(values: NDArray[np.float64]) -> FrameStatistics:
    """Return mean, recall and decay of (F,) scores of one object.

    Raises:
        DatasetError: no frames.
    """
    if not len(values):
        raise DatasetError("an object without frames has no statistics; give one value a frame")
    # Quarters share their border frames; 1e-10 rounds halves up, as the released numbers have it.
    borders = np.round(np.linspace(1, len(values), 5) + 1e-10).astype(np.int64) - 1
    first = values[borders[0] : borders[1] + 1].mean()
    last = values[borders[3] : borders[4] + 1].mean()
    return FrameStatistics(
        mean=float(values.mean()),
        recall=float((values > GOOD_FRAME).mean()),
        decay=float(first - last),
    )


def _visible(
    predicted: NDArray[np.bool_], true: NDArray[np.bool_], void: NDArray[np.bool_] | None
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return both masks without void pixels, once all are masks of one size."""
    for name, masks in (("true", true), ("predicted", predicted), ("void", void)):
        if masks is None:
            continue
        if masks.dtype != np.bool_ or masks.ndim < 2 or masks.shape[-2:] != true.shape[-2:]:
            raise DatasetError(
                f"masks are (..., H, W) of bool at the size of the true ones, {true.shape[-2:]}; "
                f"those named {name} are {masks.shape} of {masks.dtype}"
            )
    return (predicted, true) if void is None else (predicted & ~void, true & ~void)


def _near(outlines: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return (..., H, W): the pixels within `BOUND_FRACTION` of the diagonal of an outline."""
    height, width = outlines.shape[-2:]
    radius = math.ceil(BOUND_FRACTION * math.hypot(height, width))
    flat = outlines.reshape(-1, height, width)
    near = np.zeros(flat.shape, np.bool_)
    for outline, target in zip(flat, near, strict=True):
        rows, columns = (np.flatnonzero(outline.any(axis=axis)) for axis in (1, 0))
        if len(rows):
            around = (_span(rows, radius), _span(columns, radius))  # all others are too far
            away = (~outline[around]).astype(np.uint8)
            distances = cv2.distanceTransform(away, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
            # Squared distances are whole numbers, so half a unit keeps rounding out of it.
            target[around] = distances < math.sqrt(radius**2 + 0.5)
    return near.reshape(outlines.shape)


def _span(positions: NDArray[np.intp], margin: int) -> slice:
    return slice(max(int(positions[0]) - margin, 0), int(positions[-1]) + margin + 1)


def _count_pixels(masks: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return (...); mask by mask, since `count_nonzero` is 30 times slower along axes."""
    flat = masks.reshape(-1, *masks.shape[-2:])
    counts = np.array([np.count_nonzero(mask) for mask in flat], np.int64)
    return counts.reshape(masks.shape[:-2])
