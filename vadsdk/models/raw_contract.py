"""A network as a model file runs it: pre-processing inside, raw scores and mask logits out.

Legend: B clips, T frames, h and w of the model's input, K classes.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from vadsdk.structures import ModelSpec


class RawContract(nn.Module):
    """uint8 clips in, `RawOutputs` out; what the checkpoint backend runs and export writes.

    Args:
        network: a mask network, `(B, 3, T, h, w)` float in, `ClipOutputs` out; shared, not copied.
        spec: gives the pre-processing.
    """

    scale: Tensor
    offset: Tensor

    def __init__(self, network: nn.Module, spec: ModelSpec) -> None:
        super().__init__()
        self.network = network
        device = next((tensor.device for tensor in network.parameters()), torch.device("cpu"))
        mean = torch.tensor(spec.pixel_mean, device=device)
        std = torch.tensor(spec.pixel_std, device=device)
        # (x / 255 - mean) / std as one multiply and one add a channel
        self.register_buffer("scale", (1 / (255 * std)).view(1, 3, 1, 1, 1), persistent=False)
        self.register_buffer("offset", (-mean / std).view(1, 3, 1, 1, 1), persistent=False)

    def forward(self, clips: Tensor) -> tuple[Tensor, Tensor]:
        """Return class scores (B, K) and mask logits (B, T, h, w) of (B, T, h, w, 3) RGB clips."""
        pixels = clips.permute(0, 4, 1, 2, 3).to(self.scale.dtype)  # -> (B, 3, T, h, w)
        outputs = self.network(pixels * self.scale + self.offset)
        return outputs.class_scores, outputs.mask_logits
