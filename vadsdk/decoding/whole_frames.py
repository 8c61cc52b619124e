"""Class scores of one frame -> one actor as large as the frame, so that tubes become segments."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vadsdk.decoding.finite import require_finite
from vadsdk.structures import Detections, RecognitionDecodingSpec
from vadsdk.structures.detections import NO_TRACK


def decode_whole_frame(
    class_scores: NDArray[np.float32], *, height: int, width: int, spec: RecognitionDecodingSpec
) -> Detections:
    """Turn one frame's scores into one detection that covers it, or none.

    Args:
        class_scores: (K,) in [0, 1], of the clip around the frame.
        height: of the source frame.
        width: of the source frame.
        spec: thresholds.

    Raises:
        ModelFileError: the network gave NaN or infinity.
    """
    if class_scores.ndim != 1:
        raise ValueError(f"one frame has class_scores (K,), not {class_scores.shape}")
    require_finite(class_scores)
    if class_scores.max(initial=0.0) < spec.min_score:
        return Detections.empty(len(class_scores))
    return Detections(
        boxes_xyxy=np.array([[0, 0, width, height]], np.float32),
        class_scores=class_scores.astype(np.float32)[None],
        track_ids=np.array([NO_TRACK], np.int64),
    )
