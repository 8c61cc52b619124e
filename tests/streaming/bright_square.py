"""A model that sees what is bright and says how blue a clip is: outputs in closed form.

Frames are (H, W, 3) whose red channel is 255 on the actor; blue carries a number of the frame.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vadsdk.structures import DecodingSpec, Frame, MaskOutputs, ModelSpec

FPS = 25.0


def make_spec(
    clip_length: int = 4, stride: int = 2, *, height: int = 24, width: int = 32
) -> ModelSpec:
    return ModelSpec(
        kind="mask",
        model="bright-square",
        labels=("blue", "rest"),
        clip_length=clip_length,
        frame_stride=stride,
        input_height=height,
        input_width=width,
        decoding=DecodingSpec(min_score=0.0, min_area_fraction=0.0),
    )


class BrightSquareModel:
    """Logit of a pixel: (red - 128) / 16. Class scores: mean blue / 255, and 1 minus that."""

    def __init__(self, spec: ModelSpec) -> None:
        self._spec = spec
        self.clips: list[NDArray[np.uint8]] = []
        self.batch_sizes: list[int] = []

    @property
    def spec(self) -> ModelSpec:
        return self._spec

    def infer(self, clips: NDArray[np.uint8]) -> MaskOutputs:
        self.clips += list(clips.copy())
        self.batch_sizes.append(len(clips))
        blue = clips[..., 2].mean(axis=(1, 2, 3), dtype=np.float64) / 255
        return MaskOutputs(
            class_scores=np.stack([blue, 1 - blue], axis=1).astype(np.float32),
            mask_logits=(clips[..., 0].astype(np.float32) - 128) / 16,
        )


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
