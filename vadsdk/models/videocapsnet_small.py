"""`videocapsnet-s`: paper 1's detector at 112 pixels and quarter width, for laptops.

Built like `videocapsnet` (I3D with paper 1's strides, 2D EM-routed capsules, class-masked decoder),
with departures that learning from a few dozen clips asks for:

* The class score of a position is not the agreement of the capsules alone. Features add evidence
  for
  each class to the capsule's logit, which is a beta_a of its own for every position. Agreement
  alone
  hardly learned in the steps that a laptop affords.
* A position counts for the class score by how active its primary capsules are, so that a small
  actor
  is not outvoted by the background; in paper 1 all positions count alike.
* A fourth input channel holds the change of brightness since the frame before. Actions that differ
  by
  motion alone were learned several times faster with it, and memorised looks count for less.
* The decoder ends at half the resolution in space and time, and its last layer gives each of the
  2 x 2 x 2 fine pixels of a coarse one, seeing the input's own pixels; a full-resolution decoder
  took half of a training step.

Legend: B clips, T frames, K classes, P positions of the capsule grid.
"""

from __future__ import annotations

from dataclasses import replace

import torch
import torch.nn.functional as F
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from vadsdk.kernels.routing import em_routing
from vadsdk.models.backbones.i3d import I3D, PAPER1_I3D
from vadsdk.models.capsules import capsule_activations
from vadsdk.models.motion_input import drop_colours, with_motion
from vadsdk.models.outputs import ClipOutputs, condition_or_own_class
from vadsdk.structures import MaskDecodingSpec, ModelKind, ModelSpec

POSE_SIDE = 4
POSE_SIZE = POSE_SIDE**2
_SKIPS = ("Conv3d_1a_7x7", "Conv3d_2c_3x3", "Mixed_4f")
_IN_CHANNELS = 4  # RGB and motion
_FINE = 2 * 2 * 2  # pixels of the output in one of the decoder's last layer
_LOGIT_EDGE = 1e-4
_LEAST_ACTIVITY = 1e-30  # a clip without any active capsule scores 0, not 0 / 0
_BN_MOMENTUM = 0.1  # I3D's 0.01 needs thousands of steps to follow weights learned from scratch


class SmallVideoCapsNetSettings(BaseModel):
    """Sizes of the network."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    width: float = Field(default=0.25, gt=0)
    """Of the I3D."""
    input_size: int = Field(default=112, ge=80, multiple_of=16)
    """Rows and columns."""
    clip_length: int = Field(default=8, ge=8, multiple_of=8)
    """T."""
    frame_stride: int = Field(default=2, ge=1)
    """Source frames from one clip frame to the next (paper 1, section 4)."""
    num_capsules: int = Field(default=8, ge=1)
    """Primary capsules a position; 32 in paper 1."""
    capsule_kernel: int = Field(default=9, ge=1)
    """Side of the primary capsules' window, without padding (paper 1's code)."""
    decoder: tuple[int, int, int] = (32, 24, 16)
    """Channels at an eighth, a quarter and half of the resolution."""
    dropout: float = Field(default=0.3, ge=0, lt=1)
    """Of whole channels of the deepest features."""
    colour_dropout: float = Field(default=0.4, ge=0, le=1)
    """Share of training clips that are seen by their motion alone."""


class SmallVideoCapsNet(nn.Module):
    """The network.

    Args:
        num_classes: K.
        settings: its sizes.
    """

    kind: ModelKind = "mask"
    stage_names = ("backbone.Conv3d_2c_3x3", "backbone.Mixed_3c", "backbone.Mixed_4f")
    """Modules whose outputs are the stages' feature maps."""

    def __init__(self, num_classes: int, settings: SmallVideoCapsNetSettings | None = None) -> None:
        super().__init__()
        self.settings = settings = settings or SmallVideoCapsNetSettings()
        self.num_classes = num_classes
        self.backbone = I3D(replace(PAPER1_I3D, width=settings.width, in_channels=_IN_CHANNELS))
        for module in self.backbone.modules():
            if isinstance(module, nn.BatchNorm3d):
                module.momentum = _BN_MOMENTUM
        fine, middle, deep = (self.backbone.channels[name] for name in _SKIPS)
        capsules, kernel = settings.num_capsules, settings.capsule_kernel
        self.dropout = nn.Dropout2d(settings.dropout)
        self.poses = nn.Conv2d(deep, capsules * POSE_SIZE, kernel)
        self.activations = nn.Conv2d(deep, capsules, kernel)
        self.evidence = nn.Conv2d(deep, num_classes, 1)
        self.transforms = nn.Parameter(
            torch.randn(capsules, num_classes, POSE_SIDE, POSE_SIDE) / POSE_SIDE**0.5
        )
        self.beta_u = nn.Parameter(torch.zeros(num_classes, POSE_SIZE))
        self.beta_a = nn.Parameter(torch.zeros(num_classes))
        first, second, third = settings.decoder
        self.unfold = nn.ConvTranspose2d(num_classes * POSE_SIZE, first, kernel)
        self.skip_deep = nn.Conv2d(deep, first, 3, padding=1)
        self.rise_middle = nn.ConvTranspose3d(2 * first, second, 3, 2, 1, 1)
        self.skip_middle = nn.Conv3d(middle, second, (1, 3, 3), padding=(0, 1, 1))
        self.rise_fine = nn.ConvTranspose3d(2 * second, third, 3, 2, 1, 1)
        self.skip_fine = nn.Conv3d(fine, third, 3, padding=1)
        self.mix = nn.Conv3d(2 * third + _IN_CHANNELS * _FINE, third, (1, 3, 3), padding=(0, 1, 1))
        self.last = nn.Conv3d(third, _FINE, 3, padding=1)

    @property
    def input_size(self) -> int:
        """Rows and columns of the input."""
        return self.settings.input_size

    def spec(self, name: str, labels: tuple[str, ...]) -> ModelSpec:
        """Return the spec of a file of this network, without provenance."""
        settings = self.settings
        return ModelSpec(
            kind="mask",
            model=name,
            labels=labels,
            clip_length=settings.clip_length,
            frame_stride=settings.frame_stride,
            input_height=settings.input_size,
            input_width=settings.input_size,
            decoding=MaskDecodingSpec(),
            model_settings=settings.model_dump(mode="json", exclude_defaults=True),
        )

    def forward(self, clips: Tensor, condition: Tensor | None = None) -> ClipOutputs:
        """Return class scores, mask logits and class activations by position.

        Args:
            clips: (B, 3, T, H, W) RGB in [0, 1] at the settings' sizes.
            condition: (B, K) weights of the classes whose poses are decoded; a row of zeros, or
                None, decodes the clip's own best class.
        """
        pixels = with_motion(clips)
        if self.training:
            pixels = drop_colours(pixels, self.settings.colour_dropout)
        fine, middle, deep = self.backbone.features(pixels, _SKIPS)
        deep = self.dropout(deep.mean(2))  # (B, C, 1, 14, 14) -> (B, C, 14, 14)
        poses, features = self._route(deep)  # (B, P, K, 16), (B, P, K)
        class_scores = features.mean(1)
        weights = condition_or_own_class(condition, class_scores)
        masked = poses * weights[:, None, :, None]
        side = deep.shape[-1] - self.settings.capsule_kernel + 1
        grid = masked.flatten(2).mT.unflatten(2, (side, side))  # (B, K * 16, side, side)
        mask_logits = self._decode(grid, (pixels, fine, middle, deep))
        return ClipOutputs(class_scores=class_scores, mask_logits=mask_logits, features=features)

    def _route(self, deep: Tensor) -> tuple[Tensor, Tensor]:
        capsules, kernel = self.settings.num_capsules, self.settings.capsule_kernel
        poses = self.poses(deep).flatten(2).mT.float()  # (B, P, capsules * 16)
        activations = capsule_activations(self.activations(deep).flatten(2).mT.float())
        evidence = F.avg_pool2d(self.evidence(deep).float(), kernel, stride=1).flatten(2).mT
        positions = poses.shape[:2]
        routed = em_routing(
            poses.reshape(-1, capsules, POSE_SIDE, POSE_SIDE),
            activations.reshape(-1, capsules),
            self.transforms,
            self.beta_u,
            self.beta_a,
        )
        agreement = routed.activations.unflatten(0, positions)
        poses = routed.poses.flatten(2).unflatten(0, positions)
        return poses, capsule_scores(agreement, evidence, activations)

    def _decode(self, grid: Tensor, skips: tuple[Tensor, Tensor, Tensor, Tensor]) -> Tensor:
        """Return mask logits (B, T, H, W) for masked poses and the features of four depths."""
        pixels, fine, middle, deep = skips
        x = torch.cat([F.relu(self.unfold(grid)), F.relu(self.skip_deep(deep))], 1).unsqueeze(2)
        x = F.relu(self.rise_middle(x))  # (B, C, 2, 28, 28)
        x = torch.cat([x, F.relu(self.skip_middle(middle))], 1)
        x = F.relu(self.rise_fine(x))  # (B, C, 4, 56, 56)
        x = torch.cat([x, F.relu(self.skip_fine(fine)), fold_pixels(pixels)], 1)
        return unfold_pixels(self.last(F.relu(self.mix(x))))


def capsule_scores(agreement: Tensor, evidence: Tensor, activations: Tensor) -> Tensor:
    """Return (B, P, K) class activations by position; their mean over P is the class score.

    Args:
        agreement: (B, P, K) in (0, 1), how active routing left the class capsules.
        evidence: (B, P, K) logits that features add.
        activations: (B, P, M) of the primary capsules: positions count by their mean.
    """
    activity = activations.mean(2, keepdim=True)  # (B, P, 1)
    share = activity / activity.mean(1, keepdim=True).clamp_min(_LEAST_ACTIVITY)
    return torch.sigmoid(torch.logit(agreement, _LOGIT_EDGE) + evidence) * share


def fold_pixels(x: Tensor) -> Tensor:
    """Return (B, C * 8, T / 2, H / 2, W / 2): each 2 x 2 x 2 block of pixels becomes channels."""
    batch, channels, frames, height, width = x.shape
    x = x.reshape(batch, channels, frames // 2, 2, height // 2, 2, width // 2, 2)
    return x.permute(0, 1, 3, 5, 7, 2, 4, 6).flatten(1, 4)


def unfold_pixels(x: Tensor) -> Tensor:
    """Return (B, T, H, W) for (B, 8, T / 2, H / 2, W / 2), the inverse of `fold_pixels`."""
    x = x.unflatten(1, (2, 2, 2)).permute(0, 4, 1, 5, 2, 6, 3)
    return x.flatten(5, 6).flatten(3, 4).flatten(1, 2)
