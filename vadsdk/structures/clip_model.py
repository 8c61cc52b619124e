"""The one interface that streaming, evaluation and benchmarks see of a model, whatever runs it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from vadsdk.structures.model_spec import ModelSpec


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class RawOutputs:
    """What a mask model says of B clips before decoding: K classes, T frames, h x w input."""

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
        """
