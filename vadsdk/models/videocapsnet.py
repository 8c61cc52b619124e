"""`videocapsnet`: paper 1's detector, VideoCapsuleNet with 2D routing (Kumar & Rawat 2022, 3.1).

    clip -> I3D with paper 1's strides -> Mixed_4f -> primary capsules -> one capsule a class
         -> poses of one class -> decoder with skips from all three depths -> mask logits

Layers and their names are those of the released code (reference.md 2.1), so that its checkpoints
load.

Legend: B clips, T = 8 frames, K classes, P = 400 positions of the 20 x 20 capsule grid.
"""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from vadsdk.kernels.routing import RoutingMode
from vadsdk.kernels.smoothed_upsampling import upsample_and_smooth
from vadsdk.models.backbones.i3d import I3D, PAPER1_I3D
from vadsdk.models.capsules import POSE_SIZE, ClassCapsules, PrimaryCapsules
from vadsdk.models.cpu_precision import full_precision_on_cpu
from vadsdk.models.outputs import ClipOutputs, condition_or_own_class
from vadsdk.structures import ModelKind, ModelSpec

NUM_PRIMARY_CAPSULES = 32
SKIPS = ("Conv3d_1a_7x7", "Conv3d_2c_3x3", "Mixed_4f")
"""Layers of the I3D whose outputs the decoder sees."""
STAGE_NAMES = ("conv1.Conv3d_2c_3x3", "conv1.Mixed_3c", "conv1.Mixed_4f")
"""Modules whose outputs are the stages' feature maps."""
INPUT_SIZE = 224
_CLIP_LENGTH, _FRAME_STRIDE = 8, 2  # paper 1, section 4


class VideoCapsNetSettings(BaseModel):
    """Options of the network."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    routing: RoutingMode = "em"
    """"em": the mathematics of EM routing with a true standard deviation; "released": the
    arithmetic that published checkpoints were trained with."""
    routing_dims: Literal[2, 3] = 2
    """2: capsules of space, after time is pooled (paper 1); 3: capsules of space and time, as in
    the original VideoCapsuleNet; see `videocapsnet_spacetime`."""
    dropout: float = Field(default=0.5, ge=0, lt=1)
    """Of whole channels, after the backbone and before the last layer."""


class VideoCapsNet(nn.Module):
    """The network; 48.0 M parameters for 24 classes.

    Args:
        num_classes: K.
        settings: its options, with `routing_dims` 2.
    """

    kind: ModelKind = "mask"
    stage_names = STAGE_NAMES
    convolves_pixels = True
    """Nothing else is done with them before."""

    def __init__(self, num_classes: int, settings: VideoCapsNetSettings | None = None) -> None:
        super().__init__()
        self.settings = settings = settings or VideoCapsNetSettings()
        assert settings.routing_dims == 2, "build_videocapsnet chooses"
        self.num_classes = num_classes
        self.conv1 = I3D(PAPER1_I3D)
        fine, middle, deep = (self.conv1.channels[name] for name in SKIPS)
        self.primary_caps = PrimaryCapsules(deep, NUM_PRIMARY_CAPSULES, kernel=9)
        self.conv_caps = ClassCapsules(NUM_PRIMARY_CAPSULES, num_classes, settings.routing)
        self.upsample1 = nn.ConvTranspose2d(num_classes * POSE_SIZE, 64, 9)
        self.upsample2 = nn.ConvTranspose3d(128, 64, 3, stride=2, padding=1, output_padding=1)
        self.upsample3 = nn.ConvTranspose3d(128, 64, 3, stride=2, padding=1, output_padding=1)
        self.upsample4 = nn.ConvTranspose3d(128, 128, 3, stride=2, padding=1, output_padding=1)
        self.smooth = nn.ConvTranspose3d(128, 1, 3, padding=1)
        self.conv28 = nn.Conv2d(deep, 64, 3, padding=1)
        self.conv56 = nn.Conv3d(middle, 64, 3, padding=(0, 1, 1))  # frames: see _decode
        self.conv112 = nn.Conv3d(fine, 64, 3, padding=1)
        self.dropout3d = nn.Dropout3d(settings.dropout)
        for name, module in self.named_children():
            if name.startswith(("upsample", "smooth")):
                nn.init.normal_(module.weight, std=0.02)  # type: ignore[arg-type]

    @property
    def input_size(self) -> int:
        """Rows and columns of the input."""
        return INPUT_SIZE

    def spec(self, name: str, labels: tuple[str, ...]) -> ModelSpec:
        """Return the spec of a file of this network, without provenance."""
        return videocapsnet_spec(name, labels, self.settings)

    def forward(self, clips: Tensor, condition: Tensor | None = None) -> ClipOutputs:
        """Return class scores, mask logits and class activations by position.

        Args:
            clips: (B, 3, 8, 224, 224) RGB in [0, 1], without mean or deviation.
            condition: (B, K) weights of the classes whose poses are decoded; a row of zeros, or
                None, decodes the clip's own best class.
        """
        with full_precision_on_cpu(clips):
            return self._answer(clips, condition)

    def _answer(self, clips: Tensor, condition: Tensor | None) -> ClipOutputs:
        fine, middle, deep = self.conv1.features(clips, SKIPS)
        deep = self.dropout3d(deep).squeeze(2)  # (B, 832, 1, 28, 28) -> (B, 832, 28, 28)
        routed = self.conv_caps(self.primary_caps(deep))  # (B, 20, 20, K * 16 + K)
        poses, activations = routed.split([self.num_classes * POSE_SIZE, self.num_classes], dim=3)
        features = activations.flatten(1, 2)  # (B, P, K)
        class_scores = features.mean(1)
        weights = condition_or_own_class(condition, class_scores)
        masked = poses.unflatten(3, (self.num_classes, POSE_SIZE)) * weights[:, None, None, :, None]
        mask_logits = self._decode(masked.flatten(3).permute(0, 3, 1, 2), fine, middle, deep)
        return ClipOutputs(class_scores=class_scores, mask_logits=mask_logits, features=features)

    def _decode(self, poses: Tensor, fine: Tensor, middle: Tensor, deep: Tensor) -> Tensor:
        """Return mask logits (B, T, H, W) for masked poses (B, K * 16, 20, 20)."""
        x = F.relu(self.upsample1(poses))  # (B, 64, 28, 28)
        x = torch.cat([x, F.relu(self.conv28(deep))], 1).unsqueeze(2)
        x = F.relu(self.upsample2(x))  # (B, 64, 2, 56, 56)
        # Two frames are padded here, not by the convolution: oneDNN's fault, see `Unit3D`.
        skip = self.conv56(F.pad(middle, (0, 0, 0, 0, 1, 1)))
        x = torch.cat([x, F.relu(skip)], 1)
        x = F.relu(self.upsample3(x))  # (B, 64, 4, 112, 112)
        x = torch.cat([x, F.relu(self.conv112(fine))], 1)
        # No ReLU from here on in the reference, so the last two layers are one.
        scales = x.new_ones(
            len(x) if self.training else 1, 128, 1, 1, 1, dtype=self.smooth.weight.dtype
        )
        scales = self.dropout3d(scales).flatten(1)
        return upsample_and_smooth(x, self.upsample4, self.smooth, scales).squeeze(1)


def videocapsnet_spec(
    name: str, labels: tuple[str, ...], settings: VideoCapsNetSettings
) -> ModelSpec:
    """Return the spec of a file of either network, without provenance."""
    return ModelSpec(
        kind="mask",
        model=name,
        labels=labels,
        clip_length=_CLIP_LENGTH,
        frame_stride=_FRAME_STRIDE,
        input_height=INPUT_SIZE,
        input_width=INPUT_SIZE,
        model_settings=settings.model_dump(mode="json", exclude_defaults=True),
    )
