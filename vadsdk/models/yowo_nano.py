"""`yowo-n`: YOWO's idea in a network of our own that trains and runs on a CPU.

As in `yowo`, one branch looks at the key frame and another at the clip, channel attention fuses
them, and anchors in a grid of cells answer. What differs:

* 160 pixels and a cell every 16: small actors have cells of their own on a grid of 10 x 10.
* Motion is an input. Both branches see the change of brightness beside the colours; the key frame
  has it over 1, 2, 4 and all frames, so that even the 2D branch tells what moves. Training blanks
  the colours of some clips, so that memorised looks count for less (`videocapsnet-s` says more).
* The clip's branch joins two frames into one, three times, until a single one is left; all
  convolutions are 2D, most of them depthwise and pointwise (`videocapsnet-n` says why).
* The finer map of the key frame is folded beside the coarse one, as YOLOv2 does, for small actors.
* Boxes and classes have a head each, so that each looks at what it needs (Ge et al. 2021).

    key frame -> (B, C, 20, 20) -> (B, C, 10, 10) -+
                       `-- folded -----------------+-> fusion (B, C, 10, 10) -> heads -> anchors
    clip -> (T/2, 80, 80) -> .. -> (1, 20, 20) ----+        `-> max -> frame head

Legend: B clips, T frames, H, W of the input, C channels, A anchors, K classes, gh, gw rows and
    columns of the grid, N = gh * gw * A boxes.
"""

from __future__ import annotations

import math

import torch
from pydantic import Field
from torch import Tensor, nn

from vadsdk.kernels.grid_boxes import CONFIDENCE, NUM_BOX_LOGITS
from vadsdk.models.backbones.darknet19 import FoldPixels
from vadsdk.models.backbones.joining import JoiningStage, SeparableBlock
from vadsdk.models.box_grid import BoxNetworkSettings, decode_grid
from vadsdk.models.channel_fusion import ChannelAttention
from vadsdk.models.frame_head import FrameHead
from vadsdk.models.motion_input import drop_colours, with_motion
from vadsdk.models.outputs import BoxClipOutputs
from vadsdk.structures import ModelKind, ModelSpec

STRIDE = 16
"""Pixels of the input, in rows and columns, that a cell stands for."""
_NUM_COLOURS, _NUM_MOTIONS = 3, 1
_LAGS = (1, 2, 4)  # frames over which the key frame's change is taken, beside the whole clip
_PRIOR = 0.1


class NanoYowoSettings(BoxNetworkSettings):
    """Options of the network."""

    input_size: int = Field(default=160, ge=64, multiple_of=STRIDE)
    """Rows and columns."""
    clip_length: int = Field(default=8, ge=8, multiple_of=8)
    """T."""
    frame_stride: int = Field(default=2, ge=1)
    """Source frames from one clip frame to the next."""
    channels: tuple[int, int, int, int] = (16, 48, 96, 160)
    """Of both branches at a half, a quarter, an eighth and a sixteenth of the resolution."""
    blocks: tuple[int, int] = (2, 3)
    """Residual blocks of both branches at an eighth and a sixteenth."""
    dropout: float = Field(default=0.1, ge=0, lt=1)
    """Of whole channels of the fused features."""
    colour_dropout: float = Field(default=0.4, ge=0, le=1)
    """Share of training clips that are seen by their motion alone."""


class NanoYowo(nn.Module):
    """The network; 0.7 M parameters.

    Args:
        num_classes: K.
        settings: its options.
    """

    kind: ModelKind = "box"
    stage_names = ("clip_half", "clip_quarter", "clip_eighth", "clip_sixteenth")
    """Modules whose outputs are the stages' feature maps; the last one is (B, C, H', W')."""
    anchors: Tensor

    def __init__(self, num_classes: int, settings: NanoYowoSettings | None = None) -> None:
        super().__init__()
        self.settings = settings = settings or NanoYowoSettings()
        self.num_classes = num_classes
        anchors = settings.anchors_in_cells(settings.input_size // STRIDE)
        self.register_buffer("anchors", anchors, persistent=False)
        half, quarter, eighth, deep = settings.channels
        key = _NUM_COLOURS + len(_LAGS) + 1
        self.key_half = _halved(key, half, kernel=6)
        self.key_quarter = _halved(half, quarter, num_blocks=1)
        self.key_eighth = _halved(quarter, eighth, num_blocks=settings.blocks[0])
        self.key_sixteenth = _halved(eighth, deep, num_blocks=settings.blocks[1])
        self.fold = FoldPixels()
        self.clip_half = JoiningStage(_NUM_COLOURS + _NUM_MOTIONS, half, kernel=6)
        self.clip_quarter = JoiningStage(half, quarter, num_blocks=1)
        self.clip_eighth = JoiningStage(quarter, eighth, num_blocks=settings.blocks[0])
        self.clip_sixteenth = _halved(eighth, deep, num_blocks=settings.blocks[1])
        self.fusion = nn.Sequential(
            nn.Conv2d(2 * deep + 4 * eighth, deep, 1, bias=False),
            nn.BatchNorm2d(deep),
            nn.ReLU(inplace=True),
            SeparableBlock(deep),
            ChannelAttention(),
            SeparableBlock(deep),
            nn.Dropout2d(settings.dropout),
        )
        confidence = torch.zeros(len(anchors), NUM_BOX_LOGITS)
        confidence[:, CONFIDENCE] = math.log(_PRIOR / (1 - _PRIOR))
        self.box_head = _head(deep, confidence.flatten())
        self.class_head = _head(deep, torch.zeros(len(anchors) * num_classes))
        self.frame_head = None
        if settings.frame_head:
            self.frame_head = FrameHead(deep, num_classes, multi_label=settings.multi_label)

    @property
    def input_size(self) -> int:
        """Rows and columns of the input."""
        return self.settings.input_size

    @property
    def multi_label(self) -> bool:
        """Whether boxes and frames may show several classes."""
        return self.settings.multi_label

    @property
    def has_frame_head(self) -> bool:
        """Whether it says what the frame shows as a whole."""
        return self.settings.frame_head

    def spec(self, name: str, labels: tuple[str, ...]) -> ModelSpec:
        """Return the spec of a file of this network, without provenance."""
        settings = self.settings
        return ModelSpec(
            kind=self.kind,
            model=name,
            labels=labels,
            clip_length=settings.clip_length,
            frame_stride=settings.frame_stride,
            input_height=settings.input_size,
            input_width=settings.input_size,
            model_settings=settings.model_dump(mode="json", exclude_defaults=True),
        )

    def forward(self, clips: Tensor) -> BoxClipOutputs:
        """Return raw answers of every anchor, and what the last frame shows.

        Args:
            clips: (B, 3, T, H, W) RGB in [0, 1] at the settings' sizes.
        """
        pixels = with_motion(clips)
        if self.training:
            pixels = drop_colours(pixels, self.settings.colour_dropout)
        fine = self.key_eighth(self.key_quarter(self.key_half(_key_pixels(pixels))))
        whole = self.clip_eighth(self.clip_quarter(self.clip_half(pixels))).mean(2)
        maps = (self.key_sixteenth(fine), self.fold(fine), self.clip_sixteenth(whole))
        fused = self.fusion(torch.cat(maps, 1))  # (B, C, gh, gw)
        heads = (self.box_head, self.class_head)
        answers = [head(fused).unflatten(1, (len(self.anchors), -1)) for head in heads]
        predictions = torch.cat(answers, 2)  # (B, A, 5 + K, gh, gw)
        frame_logits = fused.new_zeros(fused.shape[0], 0)  # len() would fix an export to one B
        if self.frame_head is not None:
            frame_logits = self.frame_head(fused)
        return BoxClipOutputs(predictions=predictions, frame_logits=frame_logits)

    def decode(self, predictions: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return boxes (B, N, 4), objectness (B, N), class scores (B, N, K); see `decode_grid`."""
        return decode_grid(predictions, self.anchors, multi_label=self.multi_label)


def _key_pixels(pixels: Tensor) -> Tensor:
    """Return (B, 7, H, W): the last frame's colours and its change over `_LAGS` and all frames.

    Args:
        pixels: (B, 4, T, H, W), see `with_motion`; changes from frame to frame add up.
    """
    changes = pixels[:, _NUM_COLOURS]  # (B, T, H, W)
    sums = [changes[:, -lag:].sum(1) for lag in (*_LAGS, changes.shape[1])]
    return torch.cat([pixels[:, :_NUM_COLOURS, -1], torch.stack(sums, 1)], 1)


def _halved(
    in_channels: int, out_channels: int, *, kernel: int = 2, num_blocks: int = 0
) -> nn.Sequential:
    """Return what halves the resolution by a strided convolution, then refines."""
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, kernel, 2, kernel // 2 - 1, bias=False),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(inplace=True),
        *(SeparableBlock(out_channels) for _ in range(num_blocks)),
    )


def _head(in_channels: int, bias: Tensor) -> nn.Sequential:
    """Return what answers for each cell, at the start with little more than a bias."""
    last = nn.Conv2d(in_channels, len(bias), 1)
    nn.init.normal_(last.weight, std=0.01)
    last.bias = nn.Parameter(bias)
    return nn.Sequential(SeparableBlock(in_channels), last)
