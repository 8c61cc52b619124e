"""Channel fusion and attention of YOWO (CFAM; Köpüklü et al. 2019, section 3.1.3).

Legend: B clips, C channels, H, W of the grid.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

_CHANNELS = 1024
_DROPOUT = 0.1


class ChannelAttention(nn.Module):
    """Adds to each channel what the channels that are least alike say, times a learned gamma.

    Least alike: as in YOWO's release, the weights are the softmax of (greatest - energy). Gamma
    starts at 0, where the module does nothing. Energies differ little for what they are large, so
    autocast does not reach them.
    """

    def __init__(self) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, C, H, W) for (B, C, H, W)."""
        with torch.autocast(x.device.type, enabled=False):
            flat = x.flatten(2).to(self.gamma.dtype)  # (B, C, HW)
            energy = flat @ flat.mT  # (B, C, C)
            weights = (energy.amax(2, keepdim=True) - energy).softmax(2)
            return self.gamma * (weights @ flat).view_as(x) + x


class ChannelFusion(nn.Module):
    """Two convolutions, attention, two convolutions; 22.5 M parameters for YOWO's 2473 channels.

    Args:
        in_channels: of the maps of both backbones together.
    """

    out_channels = _CHANNELS

    def __init__(self, in_channels: int) -> None:
        super().__init__()
        self.conv_bn_relu1 = _unit(in_channels, 1)
        self.conv_bn_relu2 = _unit(_CHANNELS, 3)
        self.sc = ChannelAttention()
        self.conv_bn_relu3 = _unit(_CHANNELS, 3)
        self.conv_out = nn.Sequential(nn.Dropout2d(_DROPOUT), nn.Conv2d(_CHANNELS, _CHANNELS, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, 1024, H, W) for (B, in_channels, H, W)."""
        x = self.sc(self.conv_bn_relu2(self.conv_bn_relu1(x)))
        return self.conv_out(self.conv_bn_relu3(x))  # type: ignore[no-any-return]


def _unit(in_channels: int, kernel: int) -> nn.Sequential:
    convolution = nn.Conv2d(in_channels, _CHANNELS, kernel, padding=kernel // 2, bias=False)
    nn.init.kaiming_normal_(convolution.weight, nonlinearity="relu")
    return nn.Sequential(convolution, nn.BatchNorm2d(_CHANNELS), nn.ReLU(inplace=True))
