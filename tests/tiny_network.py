"""A network of some hundred weights that keeps the contract of `vadsdk.models`."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from vadsdk.structures import MaskDecodingSpec, ModelSpec

SPEC = ModelSpec(
    kind="mask",
    model="tiny",
    labels=("wave", "jump", "sit"),
    clip_length=4,
    frame_stride=2,
    input_height=24,
    input_width=32,
    pixel_mean=(0.4, 0.5, 0.6),
    pixel_std=(0.2, 0.3, 0.25),
    decoding=MaskDecodingSpec(min_area_fraction=0.01),
)


class Outputs(NamedTuple):
    class_scores: Tensor
    mask_logits: Tensor


class TinyNetwork(nn.Module):
    """Two convolutions; an `exported_factor` other than 1 makes the exported graph differ."""

    def __init__(self, seed: int = 0, exported_factor: float = 1.0) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.body = nn.Conv3d(3, 8, 3, padding=1)
            self.mask = nn.Conv3d(8, 1, 1)
            self.scores = nn.Linear(8, len(SPEC.labels))
        nn.init.constant_(self.mask.weight, 2.0)
        nn.init.constant_(self.mask.bias, -4.0)
        self.exported_factor = exported_factor

    def forward(self, clips: Tensor, condition: Tensor | None = None) -> Outputs:
        features = torch.relu(self.body(clips))
        scores = self.scores(features.mean((2, 3, 4))).sigmoid()
        if torch.compiler.is_exporting():
            scores = scores * self.exported_factor
        return Outputs(scores, self.mask(features)[:, 0])
