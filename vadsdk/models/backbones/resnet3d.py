"""R3D: a ResNet of basic blocks inflated to three dimensions, as paper 3's release builds R3D-18.

Parameter names are those of its checkpoints (mmcv's), so that they load by name.

Legend: B clips, T frames, H, W, C channels; triples are (time, height, width).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor, nn

from vadsdk.models.backbones.i3d import scaled_channels

Triple = tuple[int, int, int]


@dataclass(frozen=True, kw_only=True, slots=True)
class ResNet3dConfig:
    """Which R3D; by default R3D-18 as released."""

    num_blocks: tuple[int, int, int, int] = (2, 2, 2, 2)
    """Basic blocks of each stage."""
    width: float = 1.0
    """Multiplies every channel count (rounded to a multiple of 8, at least 8)."""
    in_channels: int = 3
    pool_after_first_stage: bool = True
    """Halve the frames after the first stage. The release does, by a default of its framework that
    its own configuration does not mention: 8 frames become 4, 2, 1, 1, not 8, 4, 2, 1."""


class ConvNorm(nn.Module):
    """Convolution without bias and batch norm, with ReLU unless told otherwise."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: Triple = (3, 3, 3),
        stride: Triple = (1, 1, 1),
        *,
        relu: bool = True,
    ) -> None:
        super().__init__()
        padding = (kernel[0] // 2, kernel[1] // 2, kernel[2] // 2)
        self.conv = nn.Conv3d(in_channels, out_channels, kernel, stride, padding, bias=False)
        self.bn = nn.BatchNorm3d(out_channels, eps=1e-3)  # the release's epsilon
        self.relu = relu
        nn.init.kaiming_normal_(self.conv.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, out_channels, ...), each axis divided by its stride and rounded up."""
        x = self.bn(self.conv(x))
        return F.relu(x, inplace=True) if self.relu else x


class BasicBlock(nn.Module):
    """Two 3^3 convolutions and a shortcut, which a 1^3 convolution brings to size where needed."""

    def __init__(self, in_channels: int, out_channels: int, stride: Triple) -> None:
        super().__init__()
        self.conv1 = ConvNorm(in_channels, out_channels, stride=stride)
        self.conv2 = ConvNorm(out_channels, out_channels, relu=False)
        self.downsample = None
        if stride != (1, 1, 1) or in_channels != out_channels:
            self.downsample = ConvNorm(in_channels, out_channels, (1, 1, 1), stride, relu=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, out_channels, ...), never negative."""
        shortcut = x if self.downsample is None else self.downsample(x)
        return F.relu(self.conv2(self.conv1(x)) + shortcut, inplace=True)


class ResNet3d(nn.Module):
    """Stem and four stages."""

    stage_names = ("pool2", "layer2", "layer3", "layer4")
    """Modules whose outputs are the stages' feature maps, res2 to res5."""

    def __init__(self, config: ResNet3dConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or ResNet3dConfig()
        widths = [scaled_channels(count, config.width) for count in (64, 128, 256, 512)]
        self.conv1 = ConvNorm(config.in_channels, widths[0], (3, 7, 7), (1, 2, 2))
        self.maxpool = nn.MaxPool3d((1, 3, 3), (1, 2, 2), (0, 1, 1))
        first, second, third, fourth = config.num_blocks
        self.layer1 = _stage(widths[0], widths[0], first, (1, 1, 1))
        self.pool2 = nn.MaxPool3d((2, 1, 1)) if config.pool_after_first_stage else nn.Identity()
        self.layer2 = _stage(widths[0], widths[1], second, (2, 2, 2))
        self.layer3 = _stage(widths[1], widths[2], third, (2, 2, 2))
        self.layer4 = _stage(widths[2], widths[3], fourth, (2, 2, 2))
        self.out_channels = widths[3]

    def forward(self, clips: Tensor) -> Tensor:
        """Return the last stage's feature map (B, out_channels, T', H / 32, W / 32).

        Args:
            clips: (B, in_channels, T, H, W), at least 2 frames if they are pooled.
        """
        x = self.pool2(self.layer1(self.maxpool(self.conv1(clips))))
        return self.layer4(self.layer3(self.layer2(x)))  # type: ignore[no-any-return]


def _stage(in_channels: int, out_channels: int, num_blocks: int, stride: Triple) -> nn.Sequential:
    blocks = [BasicBlock(in_channels, out_channels, stride)]
    blocks += [BasicBlock(out_channels, out_channels, (1, 1, 1)) for _ in range(num_blocks - 1)]
    return nn.Sequential(*blocks)
