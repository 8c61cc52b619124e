"""`videocapsnet-n`: a capsule network of our own design that runs in real time on a CPU.

The task and the contract are those of `videocapsnet-s` (capsules routed per position, evidence,
motion, colour dropout: its docstring says why each helps). What costs time is another:

* 3D convolutions are factorised: depthwise and pointwise over each frame, and a strided one over
  two frames at once wherever the resolution halves, so that 8 frames become 4, 2, 1 and nothing but
  2D convolutions is left. Engines for CPUs have quick kernels for these and none for depthwise 3D
  ones; and bf16 training does not meet the faults of `cpu_precision`.
* The first layer already halves space and time, and the last unfolds 2 x 2 x 2 pixels, so that no
  layer works at full resolution.
* The windows of primary capsules and the decoder's inverse of them are depthwise as well.
* Upsampling is a pointwise convolution whose channels become the 2 x 2 x 2 finer pixels; skips are
  added, not concatenated. A CPU's time goes into reading and writing wide maps, not into sums, so
  wide maps (and batch norms, which read them twice more) are what this network has few of.

    pixels -> fine (4, 56, 56) -> middle (2, 28, 28) -> deep (1, 14, 14) -> capsules
    logits <- +    (4, 56, 56) <- +      (2, 28, 28) <- +    (1, 14, 14) <- of one class

Legend: B clips, T = 8 frames, K classes, P positions of the capsule grid, C channels.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from vadsdk.kernels.routing import em_routing
from vadsdk.models.backbones.joining import JoiningStage, depthwise
from vadsdk.models.capsules import POSE_SIDE, POSE_SIZE, capsule_activations
from vadsdk.models.motion_input import drop_colours, with_motion
from vadsdk.models.outputs import ClipOutputs, condition_or_own_class
from vadsdk.models.videocapsnet_small import capsule_scores, unfold_pixels
from vadsdk.structures import ModelKind, ModelSpec

_CLIP_LENGTH, _FRAME_STRIDE = 8, 2
_IN_CHANNELS = 4  # RGB and motion
_FINE = 2 * 2 * 2
_WINDOW = 9  # positions of a capsule window's side at an eighth of the resolution, as in paper 1


class NanoVideoCapsNetSettings(BaseModel):
    """Sizes of the network."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    channels: tuple[int, int, int] = (16, 48, 128)
    """At half, a quarter and an eighth of the resolution."""
    blocks: tuple[int, int] = (2, 5)
    """Residual blocks at a quarter and an eighth."""
    input_size: int = Field(default=112, ge=80, multiple_of=16)
    """Rows and columns."""
    num_capsules: int = Field(default=8, ge=1)
    """Primary capsules a position."""
    decoder: tuple[int, int] = (32, 24)
    """Channels at an eighth and a quarter of the resolution; at half it has the encoder's."""
    dropout: float = Field(default=0.3, ge=0, lt=1)
    """Of whole channels of the deepest features."""
    colour_dropout: float = Field(default=0.4, ge=0, le=1)
    """Share of training clips that are seen by their motion alone."""


class NanoVideoCapsNet(nn.Module):
    """The network; 0.2 M parameters.

    Args:
        num_classes: K.
        settings: its sizes.
    """

    kind: ModelKind = "mask"
    stage_names = ("fine", "middle", "deep")
    """Modules whose outputs are the stages' feature maps, (B, C, T', H', W')."""

    def __init__(self, num_classes: int, settings: NanoVideoCapsNetSettings | None = None) -> None:
        super().__init__()
        self.settings = settings = settings or NanoVideoCapsNetSettings()
        self.num_classes = num_classes
        fine, middle, deep = settings.channels
        self.fine = JoiningStage(_IN_CHANNELS, fine, kernel=6)
        self.middle = JoiningStage(fine, middle, num_blocks=settings.blocks[0])
        self.deep = JoiningStage(middle, deep, num_blocks=settings.blocks[1])
        self.dropout = nn.Dropout2d(settings.dropout)
        capsules = settings.num_capsules
        self.window = nn.Conv2d(deep, deep, _WINDOW, groups=deep)
        self.poses = nn.Conv2d(deep, capsules * POSE_SIZE, 1)
        self.activations = nn.Conv2d(deep, capsules, 1)
        self.evidence = nn.Conv2d(deep, num_classes, 1)
        self.transforms = nn.Parameter(
            torch.randn(capsules, num_classes, POSE_SIDE, POSE_SIDE) / POSE_SIDE**0.5
        )
        self.beta_u = nn.Parameter(torch.zeros(num_classes, POSE_SIZE))
        self.beta_a = nn.Parameter(torch.zeros(num_classes))
        first, second = settings.decoder
        self.describe = nn.Conv2d(num_classes * POSE_SIZE, first, 1)
        self.unfold = nn.Conv2d(first, first, _WINDOW, padding=_WINDOW - 1, groups=first)
        self.skip_deep = nn.Conv2d(deep, first, 1)
        self.rise_middle = RisingStage(first, second)
        self.skip_middle = FrameStage(nn.Conv2d(middle, second, 1))
        self.rise_fine = RisingStage(second, fine)
        self.last = FrameStage(
            nn.Sequential(
                nn.Conv2d(fine, fine, 3, padding=1), nn.ReLU(), nn.Conv2d(fine, _FINE, 3, padding=1)
            )
        )

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
            clip_length=_CLIP_LENGTH,
            frame_stride=_FRAME_STRIDE,
            input_height=settings.input_size,
            input_width=settings.input_size,
            model_settings=settings.model_dump(mode="json", exclude_defaults=True),
        )

    def forward(self, clips: Tensor, condition: Tensor | None = None) -> ClipOutputs:
        """Return class scores, mask logits and class activations by position.

        Args:
            clips: (B, 3, 8, H, W) RGB in [0, 1] at the settings' size.
            condition: (B, K) weights of the classes whose poses are decoded; a row of zeros, or
                None, decodes the clip's own best class.
        """
        pixels = with_motion(clips)
        if self.training:
            pixels = drop_colours(pixels, self.settings.colour_dropout)
        fine = self.fine(pixels)
        middle = self.middle(fine)
        deep = self.dropout(self.deep(middle).squeeze(2))  # (B, C, 14, 14)
        poses, features = self._route(deep)  # (B, P, K, 16), (B, P, K)
        class_scores = features.mean(1)
        weights = condition_or_own_class(condition, class_scores)
        masked = poses * weights[:, None, :, None]
        side = deep.shape[-1] - _WINDOW + 1
        grid = masked.flatten(2).mT.unflatten(2, (side, side))  # (B, K * 16, side, side)
        mask_logits = self._decode(grid, (fine, middle, deep))
        return ClipOutputs(class_scores=class_scores, mask_logits=mask_logits, features=features)

    def _route(self, deep: Tensor) -> tuple[Tensor, Tensor]:
        capsules = self.settings.num_capsules
        seen = self.window(deep)
        poses = self.poses(seen).flatten(2).mT.float()  # (B, P, capsules * 16)
        activations = capsule_activations(self.activations(seen).flatten(2).mT.float())
        evidence = F.avg_pool2d(self.evidence(deep).float(), _WINDOW, stride=1).flatten(2).mT
        routed = em_routing(
            poses.reshape(-1, capsules, POSE_SIDE, POSE_SIDE),
            activations.reshape(-1, capsules),
            self.transforms,
            self.beta_u,
            self.beta_a,
        )
        poses = routed.poses.flatten(2).unflatten(0, poses.shape[:2])
        agreement = routed.activations.unflatten(0, activations.shape[:2])
        return poses, capsule_scores(agreement, evidence, activations)

    def _decode(self, grid: Tensor, skips: tuple[Tensor, Tensor, Tensor]) -> Tensor:
        """Return mask logits (B, T, H, W) for masked poses and the features of three depths."""
        fine, middle, deep = skips
        x = F.relu(self.unfold(self.describe(grid)) + self.skip_deep(deep)).unsqueeze(2)
        x = F.relu(self.rise_middle(x) + self.skip_middle(middle))  # (B, C, 2, 28, 28)
        x = F.relu(self.rise_fine(x) + fine)  # (B, C, 4, 56, 56)
        return unfold_pixels(self.last(x))


class FrameStage(nn.Module):
    """Runs a 2D module on each frame of a clip.

    Args:
        module: (N, C, H, W) in, the same N out.
    """

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, clips: Tensor) -> Tensor:
        """Return (B, C', T, H', W') for (B, C, T, H, W)."""
        frames = clips.transpose(1, 2).flatten(0, 1)
        answer: Tensor = self.module(frames).unflatten(0, (-1, clips.shape[2])).transpose(1, 2)
        return answer


class RisingStage(nn.Module):
    """Doubles space and time: a pointwise convolution makes each pixel's eight finer ones."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.look_around = depthwise(in_channels)
        self.spread = nn.Conv2d(in_channels, out_channels * _FINE, 1)

    def forward(self, clips: Tensor) -> Tensor:
        """Return (B, C', 2 T, 2 H, 2 W) for (B, C, T, H, W)."""
        x = self.spread(self.look_around(clips.transpose(1, 2).flatten(0, 1)))
        x = F.pixel_shuffle(x, 2)  # (B T, 2 C', 2 H, 2 W): two frames' channels side by side
        x = x.unflatten(1, (2, -1)).flatten(0, 1)
        answer: Tensor = x.unflatten(0, (-1, 2 * clips.shape[2])).transpose(1, 2)
        return answer
