"""Scores and actor map of one frame -> its actors.

Legend: K classes, N detections, h and w of the network's maps, H and W of the source frame.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from vadsdk.decoding.finite import require_finite
from vadsdk.structures import Detections, MaskDecodingSpec
from vadsdk.structures.detections import NO_TRACK


def decode_frame(
    class_scores: NDArray[np.float32],
    mask_probabilities: NDArray[np.float32],
    *,
    height: int,
    width: int,
    spec: MaskDecodingSpec,
) -> Detections:
    """Turn one frame's scores and actor map into actors: each connected component is one.

    The map is enlarged to the source frame first and thresholded there, so that boxes and masks are
    as fine as the map allows. A component's score for a class is the class score times the mean
    probability inside the component.

    Args:
        class_scores: (K,) in [0, 1], of the clip around the frame.
        mask_probabilities: (h, w) in [0, 1], probability that a pixel belongs to an actor.
        height: H of the source frame.
        width: W of the source frame.
        spec: thresholds.

    Returns:
        At most `spec.max_detections`, the largest first; masks are (N, H, W), no track ids yet.

    Raises:
        ModelFileError: the network gave NaN or infinity.
    """
    _check(class_scores, mask_probabilities)
    probabilities = resize_map(mask_probabilities, height, width)
    labelled, boxes_xyxy, areas = _components(probabilities >= spec.mask_threshold)
    largest = np.argsort(-areas, kind="stable")[: spec.max_detections]
    chosen = largest[areas[largest] >= spec.min_area_fraction * height * width]

    masks = labelled == (chosen + 1).astype(np.int32)[:, None, None]  # (N, H, W); 0 is background
    means = [
        _mean_inside(probabilities, mask, box)
        for mask, box in zip(masks, boxes_xyxy[chosen], strict=True)
    ]
    scores = np.asarray(means, np.float32).reshape(-1, 1) * class_scores.astype(np.float32)
    detections = Detections(
        boxes_xyxy=boxes_xyxy[chosen].astype(np.float32),
        class_scores=scores,  # (N, K)
        track_ids=np.full(len(chosen), NO_TRACK, np.int64),
        masks=masks,
    )
    keep = detections.scores >= spec.min_score
    return detections if keep.all() else detections[keep]


def resize_map(values: NDArray[np.float32], height: int, width: int) -> NDArray[np.float32]:
    """Return a (h, w) map at another size: bilinear to enlarge, area average to shrink."""
    shrinks = height <= values.shape[0] and width <= values.shape[1]
    resized = cv2.resize(
        np.ascontiguousarray(values, np.float32),
        (width, height),
        interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR,
    )
    return np.asarray(resized, np.float32)


def _check(class_scores: NDArray[np.float32], mask_probabilities: NDArray[np.float32]) -> None:
    if class_scores.ndim != 1 or mask_probabilities.ndim != 2:
        raise ValueError(
            "one frame has class_scores (K,) and mask_probabilities (h, w), not "
            f"{class_scores.shape} and {mask_probabilities.shape}"
        )
    require_finite(class_scores, mask_probabilities)


def _components(
    foreground: NDArray[np.bool_],
) -> tuple[NDArray[np.int32], NDArray[np.int64], NDArray[np.int64]]:
    """Return the (H, W) component number of each pixel (0 background), boxes (C, 4), areas (C,)."""
    _, labelled, stats, _ = cv2.connectedComponentsWithStats(
        foreground.view(np.uint8), connectivity=8
    )
    table = np.asarray(stats[1:], np.int64)  # (C, 5): left, top, width, height, area
    corners = table[:, :2]
    boxes_xyxy = np.concatenate([corners, corners + table[:, 2:4]], axis=1)
    return np.asarray(labelled, np.int32), boxes_xyxy, table[:, 4]


def _mean_inside(
    probabilities: NDArray[np.float32], mask: NDArray[np.bool_], box_xyxy: NDArray[np.int64]
) -> float:
    left, top, right, bottom = box_xyxy.tolist()
    inside = mask[top:bottom, left:right]
    return float(probabilities[top:bottom, left:right][inside].mean(dtype=np.float64))
