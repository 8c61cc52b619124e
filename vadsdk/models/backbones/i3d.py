"""I3D: Inception inflated to three dimensions (Carreira and Zisserman 2017).

Parameter names are those of the public pytorch-i3d files, so that their weights load by name.
Paper 1 takes the same network with two strides changed and cut after Mixed_4f: 8 frames become
4, 2, 1 while space stays at an eighth of the input.

Legend: B clips, T frames, H, W, C channels, K classes; triples are (time, height, width).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vadsdk.errors import unknown_name

Triple = tuple[int, int, int]


@dataclass(frozen=True, kw_only=True, slots=True)
class I3DConfig:
    """Which I3D: its head, width, strides and end; by default the published Kinetics network."""

    num_classes: int | None = 400
    """Rows of the classifier; None for no head: then the network ends at `final_endpoint`."""
    final_endpoint: str = "Mixed_5c"
    """The last layer before the head."""
    conv_2c_stride: Triple = (1, 1, 1)
    pool_4a_stride: Triple = (2, 2, 2)
    width: float = 1.0
    """Multiplies every channel count (rounded to a multiple of 8, at least 8)."""
    in_channels: int = 3
    dropout: float = 0.5
    """Of the features before the classifier."""


PAPER1_I3D = I3DConfig(
    num_classes=None,
    final_endpoint="Mixed_4f",
    conv_2c_stride=(2, 1, 1),
    pool_4a_stride=(2, 1, 1),
)
"""Paper 1's backbone: time collapses inside the network, space does not (reference.md 2.1)."""


class Layer(NamedTuple):
    """A row of the network's plan."""

    name: str
    channels: tuple[int, ...]
    """None: a max pool. One: a unit. Six: a Mixed block's units b0, b1a, b1b, b2a, b2b, b3b."""
    kernel: Triple = (1, 1, 1)
    stride: Triple = (1, 1, 1)


def plan_layers(config: I3DConfig) -> tuple[Layer, ...]:
    """Return the rows of the network up to its final endpoint."""
    rows = (
        Layer("Conv3d_1a_7x7", (64,), (7, 7, 7), (2, 2, 2)),
        Layer("MaxPool3d_2a_3x3", (), (1, 3, 3), (1, 2, 2)),
        Layer("Conv3d_2b_1x1", (64,)),
        Layer("Conv3d_2c_3x3", (192,), (3, 3, 3), config.conv_2c_stride),
        Layer("MaxPool3d_3a_3x3", (), (1, 3, 3), (1, 2, 2)),
        Layer("Mixed_3b", (64, 96, 128, 16, 32, 32)),
        Layer("Mixed_3c", (128, 128, 192, 32, 96, 64)),
        Layer("MaxPool3d_4a_3x3", (), (3, 3, 3), config.pool_4a_stride),
        Layer("Mixed_4b", (192, 96, 208, 16, 48, 64)),
        Layer("Mixed_4c", (160, 112, 224, 24, 64, 64)),
        Layer("Mixed_4d", (128, 128, 256, 24, 64, 64)),
        Layer("Mixed_4e", (112, 144, 288, 32, 64, 64)),
        Layer("Mixed_4f", (256, 160, 320, 32, 128, 128)),
        Layer("MaxPool3d_5a_2x2", (), (2, 2, 2), (2, 2, 2)),
        Layer("Mixed_5b", (256, 160, 320, 32, 128, 128)),
        Layer("Mixed_5c", (384, 192, 384, 48, 128, 128)),
    )
    names = [row.name for row in rows]
    if config.final_endpoint not in names:
        raise unknown_name("I3D endpoint", config.final_endpoint, names)
    return rows[: names.index(config.final_endpoint) + 1]


def same_padding(length: int, kernel: int, stride: int) -> tuple[int, int]:
    """Return the zeros before and after an axis, TensorFlow's SAME rule: the odd one goes after."""
    total = max(kernel - (length % stride or stride), 0)
    return total // 2, total - total // 2


class Unit3D(nn.Module):
    """SAME-padded 3D convolution, batch norm and ReLU."""

    def __init__(
        self, in_channels: int, out_channels: int, kernel: Triple, stride: Triple = (1, 1, 1)
    ) -> None:
        super().__init__()
        self.kernel, self.stride = kernel, stride
        self.conv3d = nn.Conv3d(in_channels, out_channels, kernel, stride, bias=False)
        self.bn = nn.BatchNorm3d(out_channels, eps=1e-3, momentum=0.01)
        nn.init.kaiming_normal_(self.conv3d.weight, nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, out_channels, ceil(T / stride), ...), never negative."""
        pads = _paddings(x, self.kernel, self.stride)
        surplus = [after - before for before, after in pads]
        if any(surplus):  # what the convolution's own symmetric padding cannot give
            x = F.pad(x, (0, surplus[2], 0, surplus[1], 0, surplus[0]))
        before = [before for before, _ in pads]
        if before[0] and x.shape[2] == 2:
            # Two frames padded by the convolution itself: on CPUs, oneDNN's bf16 gradient of the
            # weights reads memory that nobody wrote and is now and then NaN (torch 2.13).
            x, before[0] = F.pad(x, (0, 0, 0, 0, before[0], before[0])), 0
        x = F.conv3d(x, self.conv3d.weight, None, self.stride, before)
        return F.relu(self.bn(x), inplace=True)


class SamePool3d(nn.Module):
    """SAME-padded max pool, as if padded with zeros; its input must not be negative.

    For such an input the zeros of the reference and the minus infinity of `max_pool3d` give the
    same maxima, and `ceil_mode` gives the row that SAME adds after the axis, without a copy.

    Of one or two frames, windows of three frames hold all: one pass over them makes every output
    frame. (It is quicker, and torch's compiler for a GPU takes windows of up to 25 pixels only.)
    """

    def __init__(self, kernel: Triple, stride: Triple) -> None:
        super().__init__()
        self.kernel, self.stride = kernel, stride

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, C, ceil(T / stride), ...)."""
        before = [before for before, _ in _paddings(x, self.kernel, self.stride)]
        frames = x.shape[2]
        if self.kernel[0] == 3 and frames <= 2:
            kernel, stride = (frames, *self.kernel[1:]), (1, *self.stride[1:])
            pooled = F.max_pool3d(x, kernel, stride, (0, *before[1:]), ceil_mode=True)
            return pooled.expand(-1, -1, math.ceil(frames / self.stride[0]), -1, -1)
        return F.max_pool3d(x, self.kernel, self.stride, before, ceil_mode=True)


class MixedBlock(nn.Module):
    """Inception block: units 1^3, 1^3 then 3^3 twice, and pool then 1^3; concatenated so."""

    def __init__(self, in_channels: int, channels: Sequence[int]) -> None:
        super().__init__()
        b0, b1a, b1b, b2a, b2b, b3b = channels
        self.b0 = Unit3D(in_channels, b0, (1, 1, 1))
        self.b1a = Unit3D(in_channels, b1a, (1, 1, 1))
        self.b1b = Unit3D(b1a, b1b, (3, 3, 3))
        self.b2a = Unit3D(in_channels, b2a, (1, 1, 1))
        self.b2b = Unit3D(b2a, b2b, (3, 3, 3))
        self.b3a = SamePool3d((3, 3, 3), (1, 1, 1))
        self.b3b = Unit3D(in_channels, b3b, (1, 1, 1))
        self.out_channels = b0 + b1b + b2b + b3b

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, out_channels, T, H, W)."""
        branches = (self.b0(x), self.b1b(self.b1a(x)), self.b2b(self.b2a(x)), self.b3b(self.b3a(x)))
        return torch.cat(branches, dim=1)


class Classifier(nn.Module):
    """A 1x1x1 convolution with bias, under the name that the public weights give it."""

    def __init__(self, in_channels: int, num_classes: int) -> None:
        super().__init__()
        self.conv3d = nn.Conv3d(in_channels, num_classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, K, T, H, W)."""
        return self.conv3d(x)  # type: ignore[no-any-return]


class I3D(nn.Module):
    """I3D with named endpoints; every endpoint is a submodule of that name."""

    def __init__(self, config: I3DConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or I3DConfig()
        layers, self.channels = _build_layers(config)
        self.endpoints = tuple(self.channels)
        if config.num_classes is not None:
            # Added first: the public state dict starts with it.
            self.logits = Classifier(self.channels[config.final_endpoint], config.num_classes)
            self.avg_pool = nn.AvgPool3d((2, 7, 7), stride=1)
            self.dropout = nn.Dropout(config.dropout)
        for name, layer in zip(self.endpoints, layers, strict=True):
            self.add_module(name, layer)

    def features(self, clips: Tensor, endpoints: Sequence[str]) -> tuple[Tensor, ...]:
        """Return the outputs of the named layers, in that order; nothing beyond them is computed.

        Args:
            clips: (B, in_channels, T, H, W).
            endpoints: names among `self.endpoints`.
        """
        for name in endpoints:
            if name not in self.endpoints:
                raise unknown_name("I3D endpoint", name, self.endpoints)
        kept: dict[str, Tensor] = {}
        x = clips
        for name in self.endpoints:
            x = getattr(self, name)(x)
            if name in endpoints:
                kept[name] = x
            if len(kept) == len(set(endpoints)):
                break
        return tuple(kept[name] for name in endpoints)

    def forward(self, clips: Tensor) -> Tensor:
        """Return class logits (B, K, T') over time; without a head, the final endpoint."""
        (x,) = self.features(clips, [self.config.final_endpoint])
        if self.config.num_classes is None:
            return x
        logits: Tensor = self.logits(self.dropout(self.avg_pool(x)))  # (B, K, T', H', W')
        if logits.shape[3:] == (1, 1):  # so at 224
            return logits.squeeze(4).squeeze(3)
        return logits.mean((3, 4))


def scaled_channels(count: int, width: float) -> int:
    """Return a channel count times the width, rounded to a multiple of 8, at least 8."""
    return count if width == 1.0 else max(8, round(count * width / 8) * 8)


def _paddings(x: Tensor, kernel: Triple, stride: Triple) -> list[tuple[int, int]]:
    return [same_padding(*sizes) for sizes in zip(x.shape[2:], kernel, stride, strict=True)]


def _build_layers(config: I3DConfig) -> tuple[list[nn.Module], dict[str, int]]:
    """Return the layers in order, and the output channels of each by name."""
    layers: list[nn.Module] = []
    out_channels: dict[str, int] = {}
    x = config.in_channels
    for row in plan_layers(config):
        widths = [scaled_channels(count, config.width) for count in row.channels]
        if not widths:
            layers.append(SamePool3d(row.kernel, row.stride))
        elif len(widths) == 1:
            layers.append(Unit3D(x, widths[0], row.kernel, row.stride))
            x = widths[0]
        else:
            block = MixedBlock(x, widths)
            layers.append(block)
            x = block.out_channels
        out_channels[row.name] = x
    return layers, out_channels
