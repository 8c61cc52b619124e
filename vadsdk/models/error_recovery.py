"""The error-recovery network of Stable Mean Teacher: a 3D U-Net that corrects masks.

    mask 16 -> 32 -> 64 -> 128      two convolutions a depth, max pools between
         16 <- 32 <- 64 <-'         trilinear upsampling, the skip first, two convolutions

It is taught beside the detector and never deployed. Layers and names are those of the released code
(golden README, section 10), so that its checkpoints load; the release's dropout is left out, as its
place and rate are not recorded.

Legend: B clips, T, H, W of the masks, C channels.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vadsdk.models.cpu_precision import full_precision_on_cpu


class ErrorRecoveryNet(nn.Module):
    """The network; 1.46 M parameters at full width.

    Args:
        in_channels: 1 for masks alone, 4 for RGB and then the mask.
        width: channels at full resolution, doubled at each depth; 16 in the release.
    """

    def __init__(self, in_channels: int = 1, width: int = 16) -> None:
        super().__init__()
        self.conv1 = DoubleConvolution(in_channels, width)
        self.conv2 = DoubleConvolution(width, 2 * width)
        self.conv3 = DoubleConvolution(2 * width, 4 * width)
        self.center = DoubleConvolution(4 * width, 8 * width)
        self.up_concat3 = Rise(12 * width, 4 * width)
        self.up_concat2 = Rise(6 * width, 2 * width)
        self.up_concat1 = Rise(3 * width, width)
        self.final = nn.Conv3d(width, 1, 1)

    def forward(self, probabilities: Tensor, video: Tensor | None = None) -> Tensor:
        """Return corrected mask logits (B, T, H, W).

        Args:
            probabilities: (B, T, H, W) in [0, 1]; H and W at least 16, T at least 1.
            video: (B, 3, T, H, W), for a network of 4 input channels.
        """
        x = probabilities.unsqueeze(1)
        if video is not None:
            x = torch.cat([video, x], 1)
        with full_precision_on_cpu(x):
            return self._corrected(x if x.dtype == torch.float64 else x.float())

    def _corrected(self, x: Tensor) -> Tensor:
        first = self.conv1(x)
        second = self.conv2(_halved(first))
        third = self.conv3(_halved(second))
        x = self.center(_halved(third))
        x = self.up_concat1(first, self.up_concat2(second, self.up_concat3(third, x)))
        logits: Tensor = self.final(x).squeeze(1)
        return logits


class DoubleConvolution(nn.Module):
    """Twice: 3^3 convolution, instance norm, ReLU."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv1 = _normed_convolution(in_channels, out_channels)
        self.conv2 = _normed_convolution(out_channels, out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, C', T, H, W) for (B, C, T, H, W)."""
        answer: Tensor = self.conv2(self.conv1(x))
        return answer


class Rise(nn.Module):
    """Doubles a deep map, puts it behind the skip of that size, and convolves both."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv = DoubleConvolution(in_channels, out_channels)

    def forward(self, skip: Tensor, deep: Tensor) -> Tensor:
        """Return (B, C', T, H, W) of the skip's size."""
        size = skip.shape[2:]
        risen = F.interpolate(deep, size=size, mode="trilinear", align_corners=False)
        answer: Tensor = self.conv(torch.cat([skip, risen], 1))
        return answer


def _normed_convolution(in_channels: int, out_channels: int) -> nn.Sequential:
    convolution = nn.Conv3d(in_channels, out_channels, 3, padding=1)
    nn.init.kaiming_normal_(convolution.weight, nonlinearity="relu")
    return nn.Sequential(convolution, nn.InstanceNorm3d(out_channels), nn.ReLU(inplace=True))


def _halved(x: Tensor) -> Tensor:
    """Return the maxima of 2^3 blocks; a last odd frame or row stands alone."""
    return F.max_pool3d(x, 2, ceil_mode=True)
