"""Networks of some hundred weights, one a kind, that keep the contract of `vadsdk.models`."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor, nn

from vadsdk.structures import (
    BoxDecodingSpec,
    MaskDecodingSpec,
    ModelKind,
    ModelSpec,
    RecognitionDecodingSpec,
)

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


SPECS: dict[ModelKind, ModelSpec] = {
    "mask": SPEC,
    "box": replace(SPEC, kind="box", decoding=BoxDecodingSpec()),
    "recognition": replace(SPEC, kind="recognition", decoding=RecognitionDecodingSpec()),
}


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


class BoxPredictions(NamedTuple):
    predictions: Tensor
    frame_logits: Tensor


class TinyBoxNetwork(nn.Module):
    """Two anchors on a grid of 3 x 4; an `exported_factor` makes the graph's objectness differ."""

    anchors: Tensor

    def __init__(self, seed: int = 0, exported_factor: float = 1.0) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.body = nn.Conv3d(3, 8, 3, padding=1)
            self.head = nn.Conv2d(8, 2 * (5 + len(SPEC.labels)), 1)
        nn.init.normal_(self.head.bias, std=0.5, generator=torch.Generator().manual_seed(seed))
        self.register_buffer("anchors", torch.tensor([[1.0, 1.0], [2.0, 1.5]]))
        self.exported_factor = exported_factor

    def forward(self, clips: Tensor) -> BoxPredictions:
        features = torch.relu(self.body(clips))[:, :, -1]  # the key frame's
        raw = self.head(nn.functional.adaptive_avg_pool2d(features, (3, 4)))
        return BoxPredictions(raw.unflatten(1, (2, -1)), features.mean((2, 3)))

    def decode(self, predictions: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        height, width = predictions.shape[-2:]
        raw = predictions.permute(0, 3, 4, 1, 2)  # (B, row, column, anchor, 5 + K)
        columns = torch.arange(width, device=raw.device).view(1, 1, width, 1)
        rows = torch.arange(height, device=raw.device).view(1, height, 1, 1)
        x = (raw[..., 0].sigmoid() + columns) / width
        y = (raw[..., 1].sigmoid() + rows) / height
        half_w = raw[..., 2].exp() * self.anchors[:, 0] / width / 2
        half_h = raw[..., 3].exp() * self.anchors[:, 1] / height / 2
        boxes = torch.stack([x - half_w, y - half_h, x + half_w, y + half_h], -1)
        objectness = raw[..., 4].sigmoid()
        if torch.compiler.is_exporting():
            objectness = objectness * self.exported_factor
        scores = raw[..., 5:].softmax(-1)
        return boxes.flatten(1, 3), objectness.flatten(1), scores.flatten(1, 3)


class Classes(NamedTuple):
    class_logits: Tensor


class TinyRecogniser(nn.Module):
    """A convolution and a mean; an `exported_factor` makes the exported graph's logits differ."""

    def __init__(self, seed: int = 0, exported_factor: float = 1.0) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.body = nn.Conv3d(3, 8, 3, padding=1)
            self.head = nn.Linear(8, len(SPEC.labels))
        self.exported_factor = exported_factor

    def forward(self, clips: Tensor) -> Classes:
        logits = 3 * self.head(torch.relu(self.body(clips)).mean((2, 3, 4)))
        if torch.compiler.is_exporting():
            logits = logits * self.exported_factor
        return Classes(logits)


NETWORKS: dict[ModelKind, type[TinyNetwork] | type[TinyBoxNetwork] | type[TinyRecogniser]] = {
    "mask": TinyNetwork,
    "box": TinyBoxNetwork,
    "recognition": TinyRecogniser,
}
