"""`videocapsnet` with `routing_dims = 3`: capsules in space and time, as VideoCapsuleNet has them.

    clip -> I3D that keeps 4 frames -> Mixed_4f (832, 4, 28, 28)
         -> primary capsules (4, 20, 20) -> votes of each 3 x 3 x 3 field -> class capsules
         -> poses of one class -> decoder with time, skips from all three depths -> mask logits

Paper 1 replaces this by 2D routing after time is pooled, "more efficient without much performance
drop" (section 3.1); this network is there to compare the two.

* From the original (Duarte, Rawat and Shah 2018): capsules over space-time; a transformation that
  all capsules of a type share, whose votes are averaged over a receptive field before they are
  routed (capsule pooling), so that routing costs no more for a larger field; EM routing; a decoder
  of the class-masked poses with skips.
* From paper 1: the I3D, without its extra temporal strides; 9 x 9 windows of the primary capsules;
  one layer of class capsules, routed at every position, whose mean activation is the class score;
  the decoder's widths.
* Ours: a 3 x 1 x 1 convolution to 256 channels before the 1 x 9 x 9 windows of the primary
  capsules (one of 3 x 9 x 9 from 832 channels would have 110 M parameters); a field at the border
  is the mean of what lies inside.

Legend: B clips, T = 8 frames, K classes, M primary capsules, P = 1600 positions (4 x 20 x 20).
"""

from __future__ import annotations

from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vadsdk.kernels.smoothed_upsampling import upsample_and_smooth
from vadsdk.models.backbones.i3d import I3D, PAPER1_I3D
from vadsdk.models.capsules import (
    POSE_SIZE,
    ClassCapsules,
    capsule_activations,
    initialise_primary_capsules,
)
from vadsdk.models.cpu_precision import full_precision_on_cpu
from vadsdk.models.outputs import ClipOutputs, condition_or_own_class
from vadsdk.models.videocapsnet import (
    INPUT_SIZE,
    NUM_PRIMARY_CAPSULES,
    SKIPS,
    STAGE_NAMES,
    VideoCapsNet,
    VideoCapsNetSettings,
    videocapsnet_spec,
)
from vadsdk.structures import ModelKind, ModelSpec

FIELD = 3
"""Side of a class capsule's receptive field, in frames, rows and columns of primary capsules."""
_REDUCED = 256
_WINDOW = (1, 9, 9)
_SPACE = {"kernel_size": 3, "stride": (1, 2, 2), "padding": 1, "output_padding": (0, 1, 1)}
_TIME_KEEPING_I3D = replace(PAPER1_I3D, conv_2c_stride=(1, 1, 1), pool_4a_stride=(1, 1, 1))


class SpaceTimeCapsNet(nn.Module):
    """The network; 24.2 M parameters for 24 classes.

    Args:
        num_classes: K.
        settings: its options, with `routing_dims` 3.
    """

    kind: ModelKind = "mask"
    stage_names = STAGE_NAMES
    convolves_pixels = True
    """Nothing else is done with them before."""

    def __init__(self, num_classes: int, settings: VideoCapsNetSettings) -> None:
        super().__init__()
        self.settings = settings
        self.num_classes = num_classes
        self.conv1 = I3D(_TIME_KEEPING_I3D)
        fine, middle, deep = (self.conv1.channels[name] for name in SKIPS)
        self.primary_caps = PrimaryCapsules3D(deep, NUM_PRIMARY_CAPSULES)
        self.conv_caps = ClassCapsules(NUM_PRIMARY_CAPSULES, num_classes, settings.routing)
        self.upsample1 = nn.ConvTranspose3d(num_classes * POSE_SIZE, 64, _WINDOW)
        self.upsample2 = nn.ConvTranspose3d(128, 64, **_SPACE)  # type: ignore[arg-type]
        self.upsample3 = nn.ConvTranspose3d(128, 64, **_SPACE)  # type: ignore[arg-type]
        self.upsample4 = nn.ConvTranspose3d(128, 128, 3, stride=2, padding=1, output_padding=1)
        self.smooth = nn.ConvTranspose3d(128, 1, 3, padding=1)
        self.conv28 = nn.Conv3d(deep, 64, 3, padding=1)
        self.conv56 = nn.Conv3d(middle, 64, 3, padding=1)
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
        deep = self.dropout3d(deep)  # (B, 832, 4, 28, 28)
        pooled = pool_capsules(self.primary_caps(deep))  # (B, 4, 20, 20, M * 16 + M)
        grid = pooled.shape[1:4]
        routed = self.conv_caps(pooled.flatten(1, 2))  # (B, 4 * 20, 20, K * 16 + K)
        poses, activations = routed.split([self.num_classes * POSE_SIZE, self.num_classes], dim=3)
        features = activations.flatten(1, 2)  # (B, P, K)
        class_scores = features.mean(1)
        weights = condition_or_own_class(condition, class_scores)
        masked = poses.unflatten(3, (self.num_classes, POSE_SIZE)) * weights[:, None, None, :, None]
        masked = masked.flatten(3).unflatten(1, grid[:2]).permute(0, 4, 1, 2, 3)
        mask_logits = self._decode(masked, fine, middle, deep)
        return ClipOutputs(class_scores=class_scores, mask_logits=mask_logits, features=features)

    def _decode(self, poses: Tensor, fine: Tensor, middle: Tensor, deep: Tensor) -> Tensor:
        """Return mask logits (B, T, H, W) for masked poses (B, K * 16, 4, 20, 20)."""
        x = F.relu(self.upsample1(poses))  # (B, 64, 4, 28, 28)
        x = F.relu(self.upsample2(torch.cat([x, F.relu(self.conv28(deep))], 1)))
        x = F.relu(self.upsample3(torch.cat([x, F.relu(self.conv56(middle))], 1)))
        x = torch.cat([x, F.relu(self.conv112(fine))], 1)  # (B, 128, 4, 112, 112)
        scales = x.new_ones(len(x) if self.training else 1, 128, 1, 1, 1)
        scales = self.dropout3d(scales).flatten(1)
        return upsample_and_smooth(x, self.upsample4, self.smooth, scales).squeeze(1)


class PrimaryCapsules3D(nn.Module):
    """Poses and activations of M capsules a position of space and time."""

    def __init__(self, in_channels: int, num_capsules: int) -> None:
        super().__init__()
        self.reduce = nn.Conv3d(in_channels, _REDUCED, (3, 1, 1), padding=(1, 0, 0))
        self.pose = nn.Conv3d(_REDUCED, num_capsules * POSE_SIZE, _WINDOW)
        self.a = nn.Conv3d(_REDUCED, num_capsules, _WINDOW)
        initialise_primary_capsules(self.pose, self.a)

    def forward(self, features: Tensor) -> Tensor:
        """Return (B, T, H, W, M * 16 + M): poses, then activations in (0, 1)."""
        x = F.relu(self.reduce(features))
        capsules = torch.cat([self.pose(x), capsule_activations(self.a(x))], dim=1)
        return capsules.permute(0, 2, 3, 4, 1)


def pool_capsules(capsules: Tensor) -> Tensor:
    """Return the mean capsule of each type over the receptive field of each position.

    A vote is linear in its pose and all capsules of a type share their transformation, so the vote
    of the mean is the mean of the votes.

    Args:
        capsules: (B, T, H, W, C), poses and activations.
    """
    channels_first = capsules.permute(0, 4, 1, 2, 3)
    pooled = F.avg_pool3d(channels_first, FIELD, 1, FIELD // 2, count_include_pad=False)
    return pooled.permute(0, 2, 3, 4, 1)


def build_videocapsnet(num_classes: int, settings: VideoCapsNetSettings) -> nn.Module:
    """Return the network with as many dimensions of routing as its settings say."""
    kind = VideoCapsNet if settings.routing_dims == 2 else SpaceTimeCapsNet
    return kind(num_classes, settings)
