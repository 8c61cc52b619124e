"""3D-ResNeXt-101 (Hara et al. 2018), YOWO's look at the whole clip.

Parameter names are those of the public Kinetics checkpoints and of YOWO's.

Legend: B clips, T frames, H, W, C channels.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from vadsdk.models.backbones.i3d import scaled_channels
from vadsdk.models.cpu_precision import full_precision_on_cpu

_NUM_BLOCKS = (3, 4, 23, 3)
_PLANES = (128, 256, 512, 1024)
_EXPANSION = 2
_GROUPS = 32
_STEM = 64


class Bottleneck(nn.Module):
    """Pointwise, grouped 3^3, pointwise, and a shortcut.

    Args:
        in_channels: of the input.
        planes: C of the convolutions in between; the output has twice as many.
        stride: of time, rows and columns.
        project: whether a convolution brings the shortcut to size.
    """

    def __init__(self, in_channels: int, planes: int, stride: int, *, project: bool) -> None:
        super().__init__()
        out_channels = planes * _EXPANSION
        self.conv1 = nn.Conv3d(in_channels, planes, 1, bias=False)
        self.bn1 = nn.BatchNorm3d(planes)
        self.conv2 = nn.Conv3d(planes, planes, 3, stride, 1, groups=_GROUPS, bias=False)
        self.bn2 = nn.BatchNorm3d(planes)
        self.conv3 = nn.Conv3d(planes, out_channels, 1, bias=False)
        self.bn3 = nn.BatchNorm3d(out_channels)
        self.downsample = None
        if project:
            self.downsample = nn.Sequential(
                nn.Conv3d(in_channels, out_channels, 1, stride, bias=False),
                nn.BatchNorm3d(out_channels),
            )

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, 2 planes, ...), never negative, axes divided by the stride, rounded up."""
        shortcut = x if self.downsample is None else self.downsample(x)
        x = F.relu(self.bn1(self.conv1(x)), inplace=True)
        x = F.relu(self.bn2(self.conv2(x)), inplace=True)
        return F.relu(self.bn3(self.conv3(x)) + shortcut, inplace=True)


class ResNeXt3d(nn.Module):
    """The network; 47.5 M parameters.

    Args:
        width: multiplies every channel count; that of a grouped convolution is rounded to a
            multiple of its 32 groups.
    """

    stage_names = ("layer1", "layer2", "layer3", "layer4")
    """Modules whose outputs are the stages' feature maps."""

    def __init__(self, width: float = 1.0) -> None:
        super().__init__()
        channels = scaled_channels(_STEM, width)
        self.conv1 = nn.Conv3d(3, channels, 7, (1, 2, 2), 3, bias=False)
        self.bn1 = nn.BatchNorm3d(channels)
        self.maxpool = nn.MaxPool3d(3, 2, 1)
        widths = [max(1, round(planes * width / _GROUPS)) * _GROUPS for planes in _PLANES]
        for name, planes, count in zip(self.stage_names, widths, _NUM_BLOCKS, strict=True):
            stride = 1 if name == "layer1" else 2
            self.add_module(name, _stage(channels, planes, count, stride))
            channels = planes * _EXPANSION
        self.out_channels = channels
        for module in self.modules():
            if isinstance(module, nn.Conv3d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, clips: Tensor) -> Tensor:
        """Return (B, out_channels, 1, H / 32, W / 32): what is left of time is averaged.

        Args:
            clips: (B, 3, T, H, W) RGB; T of 16 or less leaves one frame, 32 leaves two.
        """
        with full_precision_on_cpu(clips):
            x = self.maxpool(F.relu(self.bn1(self.conv1(clips)), inplace=True))
            for name in self.stage_names:
                x = self.get_submodule(name)(x)
        left: Tensor = x if x.shape[2] == 1 else x.mean(2, keepdim=True)
        return left


def _stage(in_channels: int, planes: int, count: int, stride: int) -> nn.Sequential:
    blocks = [Bottleneck(in_channels, planes, stride, project=True)]
    blocks += [Bottleneck(planes * _EXPANSION, planes, 1, project=False) for _ in range(count - 1)]
    return nn.Sequential(*blocks)
