"""Models that see what is bright and say how blue a clip is: outputs in closed form.

Frames are (H, W, 3) whose red channel is 255 on the actor, and green on another one; blue carries a
number of the frame.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vadsdk.structures import (
    BoxDecodingSpec,
    BoxOutputs,
    DecodingSpec,
    Frame,
    MaskDecodingSpec,
    MaskOutputs,
    ModelSpec,
    RawOutputs,
    RecognitionDecodingSpec,
    RecognitionOutputs,
)
from vadsdk.structures.model_spec import ModelKind

FPS = 25.0


DECODING: dict[ModelKind, DecodingSpec] = {
    "mask": MaskDecodingSpec(min_score=0.0, min_area_fraction=0.0),
    "box": BoxDecodingSpec(),
    "recognition": RecognitionDecodingSpec(min_score=0.0),
}


def make_spec(
    clip_length: int = 4,
    stride: int = 2,
    *,
    height: int = 24,
    width: int = 32,
    kind: ModelKind = "mask",
) -> ModelSpec:
    return ModelSpec(
        kind=kind,
        model="bright-square",
        labels=("blue", "rest"),
        clip_length=clip_length,
        frame_stride=stride,
        input_height=height,
        input_width=width,
        decoding=DECODING[kind],
    )


class BrightSquareModel:
    """Class scores: mean blue / 255 of the clip, and 1 minus that. Where it is bright:

    mask: the logit of a pixel is (red - 128) / 16; box: the boxes of what is red, and of what is
    green, on the last frame, with objectness 1, or 0 if nothing is; recognition: not asked.
    """

    def __init__(self, spec: ModelSpec) -> None:
        self._spec = spec
        self.clips: list[NDArray[np.uint8]] = []
        self.batch_sizes: list[int] = []

    @property
    def spec(self) -> ModelSpec:
        return self._spec

    def infer(self, clips: NDArray[np.uint8]) -> RawOutputs:
        self.clips += list(clips.copy())
        self.batch_sizes.append(len(clips))
        blue = clips[..., 2].mean(axis=(1, 2, 3), dtype=np.float64) / 255
        scores = np.stack([blue, 1 - blue], axis=1).astype(np.float32)
        if self._spec.kind == "recognition":
            return RecognitionOutputs(class_scores=scores)
        if self._spec.kind == "mask":
            logits = (clips[..., 0].astype(np.float32) - 128) / 16
            return MaskOutputs(class_scores=scores, mask_logits=logits)
        found = [[bright_box(clip[-1, :, :, c]) for c in (0, 1)] for clip in clips]
        return BoxOutputs(
            boxes_xyxy01=np.array([[box or (0, 0, 1, 1) for box in row] for row in found], "f4"),
            objectness=np.array([[float(box is not None) for box in row] for row in found], "f4"),
            class_scores=scores[:, None].repeat(2, axis=1),
        )


def bright_box(image: NDArray[np.uint8]) -> tuple[float, float, float, float] | None:
    rows, columns = np.nonzero(image > 128)
    if not len(rows):
        return None
    height, width = image.shape
    corners = (columns.min() / width, rows.min() / height)
    return *corners, (columns.max() + 1) / width, (rows.max() + 1) / height


def numbered_frame(index: int, number: int, *, height: int = 24, width: int = 32) -> Frame:
    """A frame that is bright all over and carries a number in blue."""
    image = np.full((height, width, 3), 255, np.uint8)
    image[..., 2] = number
    return Frame(index=index, pts_seconds=index / FPS, image=image)


def square_frame(
    index: int, left: int, top: int, *, side: int = 60, height: int = 240, width: int = 320
) -> Frame:
    """A dark frame with one bright square."""
    image = np.zeros((height, width, 3), np.uint8)
    image[top : top + side, left : left + side, 0] = 255
    return Frame(index=index, pts_seconds=index / FPS, image=image)
