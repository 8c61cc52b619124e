"""What a box model says of key frames, spread over the frames between them.

    frame          0   1   2   3   4   5   6   7   8      hop 4
    key frames     #---+---+---+---#---+---+---+---#
    actor a        a . . . . . . . a . . . . . . . a      matched: box and scores linear in time
    actor b                        b . . .                no match at 8: lasts to the middle, 6
    actor c                                    c . c      none at 4: begins after the middle

A frame is final as soon as the key frame after it is known, a key frame at once.
"""

from __future__ import annotations

import numpy as np

from vadsdk.decoding import decode_boxes
from vadsdk.linking import LinkingSpec
from vadsdk.linking.matching import match_scored_boxes
from vadsdk.structures import (
    BoxDecodingSpec,
    BoxOutputs,
    Clip,
    Detections,
    ModelSpec,
    RawOutputs,
)


class KeyFrameFusion:
    """A `Fusion` of box models; holds the detections of frames not taken, and one key frame's.

    Args:
        spec: of the model.
        frame_size: height and width of the source.
        linking: who is who on neighbouring key frames, by the rules that make tubes.
    """

    def __init__(self, spec: ModelSpec, frame_size: tuple[int, int], linking: LinkingSpec) -> None:
        assert isinstance(spec.decoding, BoxDecodingSpec)
        self._decoding = spec.decoding
        self._frame_size = frame_size
        self._linking = linking
        self._ready: dict[int, Detections] = {}
        self._last: Detections | None = None  # of the newest key frame, num_final - 1
        self.num_final = 0
        """As `Fusion` says."""

    def add(self, clip: Clip, outputs: RawOutputs, row: int) -> None:
        """As `Fusion` says; the clip's key frame is its last one."""
        assert isinstance(outputs, BoxOutputs)
        height, width = self._frame_size
        found = decode_boxes(
            outputs.boxes_xyxy01[row],
            outputs.objectness[row],
            outputs.class_scores[row],
            height=height,
            width=width,
            spec=self._decoding,
        )
        key = int(clip.frame_indices[-1])
        frames = range(self.num_final, key)
        if self._last is not None:
            between = interpolate_detections(self._last, found, len(frames) + 1, self._linking)
            self._ready.update(zip(frames, between, strict=True))
        self._ready[key] = self._last = found
        self.num_final = key + 1

    def take(self, position: int) -> Detections:
        """As `Fusion` says."""
        return self._ready.pop(position)


def interpolate_detections(
    first: Detections, second: Detections, num_steps: int, linking: LinkingSpec
) -> list[Detections]:
    """Return the detections of the `num_steps - 1` frames between two, without masks or track ids.

    Args:
        first: of a frame.
        second: of the frame that is `num_steps` later.
        num_steps: 1 or more.
        linking: who is who.
    """
    rows, columns = match_scored_boxes(
        first.boxes_xyxy, first.class_scores, second.boxes_xyxy, second.class_scores, linking
    )
    left = np.setdiff1d(np.arange(len(first)), rows)
    come = np.setdiff1d(np.arange(len(second)), columns)
    before, after = first[rows], second[columns]
    return [
        _joined(
            _mixed(before, after, step / num_steps),
            first[left] if 2 * step <= num_steps else second[come],
        )
        for step in range(1, num_steps)
    ]


def _mixed(before: Detections, after: Detections, share: float) -> Detections:
    weights = np.float32(1 - share), np.float32(share)
    return Detections(
        boxes_xyxy=weights[0] * before.boxes_xyxy + weights[1] * after.boxes_xyxy,
        class_scores=weights[0] * before.class_scores + weights[1] * after.class_scores,
        track_ids=before.track_ids,
    )


def _joined(some: Detections, others: Detections) -> Detections:
    return Detections(
        boxes_xyxy=np.concatenate([some.boxes_xyxy, others.boxes_xyxy]),
        class_scores=np.concatenate([some.class_scores, others.class_scores]),
        track_ids=np.concatenate([some.track_ids, others.track_ids]),
    )
