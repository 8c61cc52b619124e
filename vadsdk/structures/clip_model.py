"""The one interface that streaming, evaluation and benchmarks see of a model, whatever runs it.

Legend: B clips, T frames, h x w input of the model, K classes, N boxes.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from vadsdk.structures.model_spec import ModelKind, ModelSpec


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class MaskOutputs:
    """What a mask model says of B clips before decoding."""

    class_scores: NDArray[np.float32]
    """(B, K) in [0, 1]."""
    mask_logits: NDArray[np.float32]
    """(B, T, h, w): logits that a pixel belongs to an actor."""

    def __post_init__(self) -> None:
        if self.class_scores.ndim != 2 or self.mask_logits.ndim != 4:
            raise ValueError(
                "class_scores is (B, K) and mask_logits (B, T, h, w), not "
                f"{self.class_scores.shape} and {self.mask_logits.shape}"
            )
        if len(self.class_scores) != len(self.mask_logits):
            raise ValueError("class_scores and mask_logits speak of different numbers of clips")


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class BoxOutputs:
    """What a box model says of the key frames (the last ones) of B clips before decoding."""

    boxes_xyxy01: NDArray[np.float32]
    """(B, N, 4) in shares of the model's input, so of the frame; not clipped to it."""
    objectness: NDArray[np.float32]
    """(B, N) in [0, 1]: that a box holds an actor."""
    class_scores: NDArray[np.float32]
    """(B, N, K) in [0, 1]: that the actor of a box, if there is one, does each action."""

    def __post_init__(self) -> None:
        if self.objectness.ndim != 2 or self.class_scores.ndim != 3:
            raise ValueError(
                "objectness is (B, N) and class_scores (B, N, K), not "
                f"{self.objectness.shape} and {self.class_scores.shape}"
            )
        wanted = self.objectness.shape
        if self.boxes_xyxy01.shape != (*wanted, 4) or self.class_scores.shape[:2] != wanted:
            raise ValueError(
                f"objectness {wanted} needs boxes_xyxy01 {(*wanted, 4)} and class_scores "
                f"{(*wanted, 'K')}, not {self.boxes_xyxy01.shape} and {self.class_scores.shape}"
            )


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class RecognitionOutputs:
    """What a recognition model says of B clips before decoding."""

    class_scores: NDArray[np.float32]
    """(B, K) in [0, 1]."""

    def __post_init__(self) -> None:
        if self.class_scores.ndim != 2:
            raise ValueError(f"class_scores is (B, K), not {self.class_scores.shape}")


RawOutputs = MaskOutputs | BoxOutputs | RecognitionOutputs
"""What a model says before decoding; which of them, its kind tells."""
OUTPUTS_OF_KIND: dict[ModelKind, type[RawOutputs]] = {
    "mask": MaskOutputs,
    "box": BoxOutputs,
    "recognition": RecognitionOutputs,
}
"""Kind of a model -> its outputs."""


def output_names(kind: ModelKind) -> tuple[str, ...]:
    """Return the names of a kind's outputs, as an exported graph names them, in their order."""
    return tuple(entry.name for entry in fields(OUTPUTS_OF_KIND[kind]))


@runtime_checkable
class ClipModel(Protocol):
    """A model that runs: onnxruntime, TensorRT, OpenVINO or a torch checkpoint."""

    @property
    def spec(self) -> ModelSpec:
        """What the model detects and how it wants to be fed."""

    def infer(self, clips: NDArray[np.uint8]) -> RawOutputs:
        """Run the model.

        Args:
            clips: (B, T, h, w, 3) RGB at the size that `spec` names; B is 1 or more. Not changed.

        Returns:
            The outputs of the spec's kind (`OUTPUTS_OF_KIND`).
        """
