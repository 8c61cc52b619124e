"""A network as a model file runs it: pre-processing and the decoding of boxes inside.

Legend: B clips, T frames, h and w of the model's input, K classes, N boxes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from vadsdk.structures import ModelSpec
from vadsdk.structures.model_spec import ModelKind


class RawContract(nn.Module):
    """uint8 clips in, `RawOutputs` out; what the checkpoint backend runs and export writes.

    Args:
        network: `(B, 3, T, h, w)` float in, the outputs of its kind out; shared, not copied.
        spec: gives the pre-processing and the kind.
    """

    scale: Tensor
    offset: Tensor

    def __init__(self, network: nn.Module, spec: ModelSpec) -> None:
        super().__init__()
        self.network = network
        self._answer = _ANSWERS[spec.kind]
        device = next((tensor.device for tensor in network.parameters()), torch.device("cpu"))
        mean = torch.tensor(spec.pixel_mean, device=device)
        std = torch.tensor(spec.pixel_std, device=device)
        # (x / 255 - mean) / std as one multiply and one add a channel
        self.register_buffer("scale", (1 / (255 * std)).view(1, 3, 1, 1, 1), persistent=False)
        self.register_buffer("offset", (-mean / std).view(1, 3, 1, 1, 1), persistent=False)

    def forward(self, clips: Tensor) -> tuple[Tensor, ...]:
        """Return the fields of the kind's `RawOutputs` for (B, T, h, w, 3) RGB clips."""
        pixels = clips.permute(0, 4, 1, 2, 3).to(self.scale.dtype)  # -> (B, 3, T, h, w)
        return self._answer(self.network, self.network(pixels * self.scale + self.offset))


def _masks(network: Any, outputs: Any) -> tuple[Tensor, ...]:
    """Return class scores (B, K) and mask logits (B, T, h, w)."""
    return outputs.class_scores, outputs.mask_logits


def _boxes(network: Any, outputs: Any) -> tuple[Tensor, ...]:
    """Return boxes (B, N, 4) in shares of the input, objectness (B, N), class scores (B, N, K)."""
    boxes_xyxy01, objectness, class_scores = network.decode(outputs.predictions)
    return boxes_xyxy01, objectness, class_scores


def _classes(network: Any, outputs: Any) -> tuple[Tensor, ...]:
    """Return class scores (B, K)."""
    return (outputs.class_logits.softmax(1),)


_ANSWERS: dict[ModelKind, Callable[[Any, Any], tuple[Tensor, ...]]] = {
    "mask": _masks,
    "box": _boxes,
    "recognition": _classes,
}
