"""`yowo`: boxes on the last frame of a clip (Köpüklü et al. 2019), with paper 2's frame head.

    last frame -> Darknet-19 with its COCO head -> (B, 425, 7, 7)  --+-> fusion -> 1x1 -> anchors
    clip -> 3D-ResNeXt-101 -> (B, 2048, 1, 7, 7) -> (B, 2048, 7, 7) -+        `-> max -> frame head

Parameters are named as in the released checkpoints, so that they load; the frame head has a name of
its own.

Legend: B clips, T frames, H, W of the input, A anchors, K classes, gh, gw rows and columns of the
    grid, N = gh * gw * A boxes.
"""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from vadsdk.kernels.grid_boxes import NUM_BOX_LOGITS
from vadsdk.models.backbones.darknet19 import STRIDE, Darknet19
from vadsdk.models.backbones.resnext3d import ResNeXt3d
from vadsdk.models.box_grid import BoxNetworkSettings, decode_grid
from vadsdk.models.channel_fusion import ChannelFusion
from vadsdk.models.frame_head import FrameHead
from vadsdk.models.outputs import BoxClipOutputs
from vadsdk.structures import ModelKind, ModelSpec


class YowoSettings(BoxNetworkSettings):
    """Options of the network; the defaults are YOWO's for UCF101-24, and paper 2's frame head."""

    clip_length: Literal[8, 16, 32] = 16
    """T; the release takes 32 for JHMDB-21."""
    frame_stride: int = Field(default=1, ge=1)
    """Source frames from one clip frame to the next."""
    input_size: int = Field(default=224, ge=64, multiple_of=STRIDE)
    """Rows and columns."""


class Yowo(nn.Module):
    """The network; 121.1 M parameters for 24 classes, and 0.3 M of the frame head.

    Args:
        num_classes: K.
        settings: its options.
    """

    kind: ModelKind = "box"
    stage_names = tuple(f"backbone_3d.{name}" for name in ResNeXt3d.stage_names)
    """Modules whose outputs are the stages' feature maps."""
    convolves_pixels = True
    """Nothing else is done with them before."""
    anchors: Tensor

    def __init__(self, num_classes: int, settings: YowoSettings | None = None) -> None:
        super().__init__()
        self.settings = settings = settings or YowoSettings()
        self.num_classes = num_classes
        anchors = settings.anchors_in_cells(settings.input_size // STRIDE)
        self.register_buffer("anchors", anchors, persistent=False)
        self.backbone_2d = Darknet19()
        self.backbone_3d = ResNeXt3d()
        self.cfam = ChannelFusion(self.backbone_3d.out_channels + self.backbone_2d.out_channels)
        outputs = len(anchors) * (NUM_BOX_LOGITS + num_classes)
        self.conv_final = nn.Conv2d(self.cfam.out_channels, outputs, 1, bias=False)
        self.frame_head = None
        if settings.frame_head:
            self.frame_head = FrameHead(
                self.cfam.out_channels, num_classes, multi_label=settings.multi_label
            )

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
            clips: (B, 3, T, H, W) RGB in [0, 1] at the settings' size.
        """
        flat = self.backbone_2d(clips[:, :, -1])
        deep = self.backbone_3d(clips).squeeze(2)
        fused = self.cfam(torch.cat([deep, flat], 1))
        predictions = self.conv_final(fused).unflatten(1, (len(self.anchors), -1))
        frame_logits = fused.new_zeros(fused.shape[0], 0)  # len() would fix an export to one B
        if self.frame_head is not None:
            frame_logits = self.frame_head(fused)
        return BoxClipOutputs(predictions=predictions, frame_logits=frame_logits)

    def decode(self, predictions: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return boxes (B, N, 4), objectness (B, N), class scores (B, N, K); see `decode_grid`."""
        return decode_grid(predictions, self.anchors, multi_label=self.multi_label)
