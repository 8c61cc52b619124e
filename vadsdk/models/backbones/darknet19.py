"""Darknet-19 with the detection head of YOLOv2 (Redmon and Farhadi 2017), YOWO's look at one frame.

YOWO keeps the head that was trained on COCO, so that the features are its 425 = 5 * (5 + 80)
outputs. Parameter names are those of YOWO's checkpoints (`models.0.conv1.weight`), and layers are
numbered as in Darknet's configuration file.

Legend: B images, C channels, H, W of the input.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

OUT_CHANNELS = 425
"""Outputs of the COCO head for each cell."""
STRIDE = 32
"""Pixels of the input, in rows and columns, that a cell of the output stands for."""


class Conv(NamedTuple):
    """A convolution's output channels and kernel."""

    channels: int
    kernel: int


POOL, FINE, FOLD, JOIN = "pool", "fine", "fold", "join"
LAYERS: tuple[Conv | str, ...] = (
    *(Conv(32, 3), POOL, Conv(64, 3), POOL),
    *(Conv(128, 3), Conv(64, 1), Conv(128, 3), POOL),
    *(Conv(256, 3), Conv(128, 1), Conv(256, 3), POOL),
    *(Conv(512, 3), Conv(256, 1), Conv(512, 3), Conv(256, 1), Conv(512, 3), POOL),
    *(Conv(1024, 3), Conv(512, 1), Conv(1024, 3), Conv(512, 1), Conv(1024, 3)),
    *(Conv(1024, 3), Conv(1024, 3)),
    *(FINE, Conv(64, 1), FOLD, JOIN),  # the finer map of layer 16 beside the last one
    *(Conv(1024, 3), Conv(OUT_CHANNELS, 1)),
)
"""Every layer; its place is its number in the parameter names."""
_FINE_LAYER = 16
_COARSE_LAYER = 24
_FINE_SIZE = 2 * 2


class FoldPixels(nn.Module):
    """Turns 2 x 2 pixels into channels, those of one pixel side by side (Darknet's reorg)."""

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, 4 C, H / 2, W / 2).

        Channel (2 dy + dx) C + c at (y, x) is channel c of the input at (2 y + dy, 2 x + dx).
        """
        batch, channels, height, width = x.shape
        x = x.reshape(batch, channels, height // 2, 2, width // 2, 2)
        return x.permute(0, 3, 5, 1, 2, 4).reshape(batch, 4 * channels, height // 2, width // 2)


class Darknet19(nn.Module):
    """The network; 51.0 M parameters."""

    out_channels = OUT_CHANNELS

    def __init__(self) -> None:
        super().__init__()
        self.models = nn.ModuleList()
        channels, number, made = 3, 0, dict[int, int]()
        for place, layer in enumerate(LAYERS):
            if isinstance(layer, Conv):
                number += 1
                last = place == len(LAYERS) - 1
                self.models.append(_convolution(channels, layer, number, last=last))
                channels = layer.channels
            else:
                self.models.append(_PLAIN[layer]())
                channels = {
                    POOL: channels,
                    FINE: made.get(_FINE_LAYER, 0),
                    FOLD: _FINE_SIZE * channels,
                    JOIN: channels + made.get(_COARSE_LAYER, 0),
                }[layer]
            made[place] = channels

    def forward(self, images: Tensor) -> Tensor:
        """Return the head's raw outputs (B, 425, H / 32, W / 32).

        Args:
            images: (B, 3, H, W) RGB in [0, 1], sides that 32 divides.
        """
        x, fine, coarse = images, images, images
        for place, (layer, module) in enumerate(zip(LAYERS, self.models, strict=True)):
            if layer == FINE:
                x = fine
            elif layer == JOIN:
                x = torch.cat([x, coarse], 1)
            x = module(x)
            fine = x if place == _FINE_LAYER else fine
            coarse = x if place == _COARSE_LAYER else coarse
        return x


_PLAIN: dict[str, Callable[[], nn.Module]] = {
    POOL: lambda: nn.MaxPool2d(2),
    FINE: nn.Identity,
    FOLD: FoldPixels,
    JOIN: nn.Identity,
}


class _LeakyReLU(nn.Module):
    """Leaky ReLU of slope 0.1."""

    def forward(self, x: Tensor) -> Tensor:
        """Return it in place of its input."""
        return F.leaky_relu(x, 0.1, inplace=True)


def _convolution(in_channels: int, layer: Conv, number: int, *, last: bool) -> nn.Sequential:
    """Return convolution, batch norm and leaky ReLU; the last one is a convolution with a bias."""
    channels, kernel = layer
    convolution = nn.Conv2d(in_channels, channels, kernel, padding=kernel // 2, bias=last)
    nn.init.kaiming_normal_(convolution.weight, a=0.1)
    module = nn.Sequential()
    module.add_module(f"conv{number}", convolution)
    if not last:
        module.add_module(f"bn{number}", nn.BatchNorm2d(channels))
        module.add_module(f"leaky{number}", _LeakyReLU())
    return module
