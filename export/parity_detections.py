"""Outputs of a network and of its exported file, as comparable numbers and as detections."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from vadsdk.decoding import decode_boxes, decode_frame, decode_whole_frame
from vadsdk.linking.matching import assign, iou_matrix
from vadsdk.structures import (
    BoxDecodingSpec,
    BoxOutputs,
    Detections,
    MaskDecodingSpec,
    MaskOutputs,
    ModelSpec,
    RawOutputs,
    RecognitionDecodingSpec,
)

MATCH_IOU = 0.9
"""Two detections are the same from this overlap of their boxes on."""
_ALL = 1_000_000


def comparable_values(outputs: RawOutputs) -> dict[str, NDArray[np.float32]]:
    """Return what is compared, by the name of its tolerance: mask logits as probabilities."""
    if isinstance(outputs, MaskOutputs):
        probabilities = _sigmoid(outputs.mask_logits)
        return {"class_scores": outputs.class_scores, "mask_probabilities": probabilities}
    if isinstance(outputs, BoxOutputs):
        return {
            "boxes01": outputs.boxes_xyxy01,
            "objectness": outputs.objectness,
            "class_scores": outputs.class_scores,
        }
    return {"class_scores": outputs.class_scores}


def decode_all(outputs: RawOutputs, spec: ModelSpec) -> list[Detections]:
    """Return the detections of every frame that the clips speak for, at the model's input size.

    All scores count, as a little trained network would otherwise be compared on no detections; and
    of boxes all that suppression leaves, as two of equal objectness may change places.
    """
    height, width = spec.input_height, spec.input_width
    decoding = replace(spec.decoding, min_score=0.0)
    if isinstance(outputs, MaskOutputs):
        assert isinstance(decoding, MaskDecodingSpec)
        clips = zip(outputs.class_scores, _sigmoid(outputs.mask_logits), strict=True)
        return [
            decode_frame(scores, probabilities, height=height, width=width, spec=decoding)
            for scores, clip in clips
            for probabilities in clip
        ]
    if isinstance(outputs, BoxOutputs):
        assert isinstance(decoding, BoxDecodingSpec)
        decoding = replace(decoding, max_detections=_ALL)
        key_frames = zip(
            outputs.boxes_xyxy01, outputs.objectness, outputs.class_scores, strict=True
        )
        return [
            decode_boxes(*values, height=height, width=width, spec=decoding)
            for values in key_frames
        ]
    assert isinstance(decoding, RecognitionDecodingSpec)
    return [
        decode_whole_frame(scores, height=height, width=width, spec=decoding)
        for scores in outputs.class_scores
    ]


def match_detections(ours: Detections, theirs: Detections) -> list[tuple[int, int]]:
    """Pair boxes that overlap by `MATCH_IOU`, one to one."""
    overlaps = iou_matrix(ours.boxes_xyxy, theirs.boxes_xyxy)
    rows, columns = assign(overlaps, overlaps >= MATCH_IOU)
    return list(zip(rows.tolist(), columns.tolist(), strict=True))


def _sigmoid(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(1 / (1 + np.exp(-np.clip(logits, -60, 60))), np.float32)
