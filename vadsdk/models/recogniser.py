"""Recognisers: a class head on any backbone of clips. One class a clip; no boxes, no masks.

    clip -> backbone -> feature map -> global mean -> dropout -> linear -> class logits

`r3d18` is paper 3's; its parameters are named as in the released checkpoints (`backbone.`,
`cls_head.fc_cls.`), so that they load. `BACKBONES` are all that take clips; Darknet-19, the other
one here, sees single frames.

Legend: B clips, T frames, H, W, C channels, K classes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from torch import Tensor, nn

from vadsdk.models.backbones.i3d import I3D, I3DConfig
from vadsdk.models.backbones.joining import JoiningBackbone
from vadsdk.models.backbones.resnet3d import ResNet3d, ResNet3dConfig
from vadsdk.models.backbones.resnext3d import ResNeXt3d
from vadsdk.models.outputs import RecognitionClipOutputs
from vadsdk.structures import ModelKind, ModelSpec

Colour = tuple[float, float, float]


class RecogniserSettings(BaseModel):
    """Sizes of a recogniser; the defaults are those of `r3d18` (reference.md section 4)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    backbone: Literal["r3d18", "i3d", "resnext101", "joining"] = "r3d18"
    """What turns clips into features; see `BACKBONES`."""
    width: float = Field(default=1.0, gt=0)
    """Multiplies the backbone's channel counts."""
    pool_after_first_stage: bool = True
    """Of r3d18: halve the frames after its first stage, as released."""
    input_size: int = Field(default=224, ge=32)
    """Rows and columns; 112 is four times as fast."""
    clip_length: int = Field(default=8, ge=2)
    """T."""
    frame_stride: int = Field(default=8, ge=1)
    """Source frames from one clip frame to the next."""
    dropout: float = Field(default=0.5, ge=0, lt=1)
    """Of the features before the classifier."""

    @model_validator(mode="after")
    def _fits_the_backbone(self) -> Self:
        if not self.pool_after_first_stage and self.backbone != "r3d18":
            raise ValueError("pool_after_first_stage is an option of backbone = r3d18")
        if self.backbone == "joining" and self.clip_length % 8:
            raise ValueError("clip_length of backbone = joining is 8 or a multiple of it")
        return self


class NanoRecogniserSettings(RecogniserSettings):
    """Sizes of `r3d-n`, for laptops: r3d18, smaller, with a span that suits short clips.

    At half the side and a quarter of the channels a clip costs a 43rd of r3d18's work.
    """

    width: float = Field(default=0.25, gt=0)
    input_size: int = Field(default=112, ge=32)
    frame_stride: int = Field(default=4, ge=1)


@dataclass(frozen=True, kw_only=True, slots=True)
class RecogniserBackbone:
    """How a backbone serves a recogniser."""

    build: Callable[[RecogniserSettings], tuple[nn.Module, int]]
    """Returns the network and the channels of its feature map."""
    stage_names: tuple[str, ...]
    """Its modules whose outputs are the stages' feature maps."""
    pixel_mean: Colour
    """Subtracted from RGB in [0, 1]."""
    pixel_std: Colour
    """Divides what remains."""
    convolves_pixels: bool = True
    """Whether nothing else is done with them before."""


def _r3d18(settings: RecogniserSettings) -> tuple[nn.Module, int]:
    network = ResNet3d(
        ResNet3dConfig(width=settings.width, pool_after_first_stage=settings.pool_after_first_stage)
    )
    return network, network.out_channels


def _i3d(settings: RecogniserSettings) -> tuple[nn.Module, int]:
    network = I3D(I3DConfig(num_classes=None, width=settings.width))
    return network, network.channels[network.config.final_endpoint]


def _resnext101(settings: RecogniserSettings) -> tuple[nn.Module, int]:
    network = ResNeXt3d(settings.width)
    return network, network.out_channels


def _joining(settings: RecogniserSettings) -> tuple[nn.Module, int]:
    network = JoiningBackbone(settings.width)
    return network, network.out_channels


BACKBONES: dict[str, RecogniserBackbone] = {
    "r3d18": RecogniserBackbone(
        build=_r3d18,
        stage_names=ResNet3d.stage_names,
        pixel_mean=(0.485, 0.456, 0.406),  # (123.675, 116.28, 103.53) of 255, as released
        pixel_std=(0.229, 0.224, 0.225),  # (58.395, 57.12, 57.375) of 255
    ),
    "i3d": RecogniserBackbone(
        build=_i3d,
        stage_names=("Conv3d_2c_3x3", "Mixed_3c", "Mixed_4f", "Mixed_5c"),
        pixel_mean=(0.5, 0.5, 0.5),  # [-1, 1], as the public weights were trained
        pixel_std=(0.5, 0.5, 0.5),
    ),
    "resnext101": RecogniserBackbone(
        build=_resnext101,
        stage_names=ResNeXt3d.stage_names,
        pixel_mean=(0.450097, 0.422492, 0.390098),  # (114.7748, 107.7354, 99.475) of 255 and
        pixel_std=(1 / 255, 1 / 255, 1 / 255),  # no other scale: as its Kinetics files were trained
    ),
    "joining": RecogniserBackbone(
        build=_joining,
        stage_names=JoiningBackbone.stage_names,
        pixel_mean=(0.0, 0.0, 0.0),  # it centres colours itself, once it has seen what changes
        pixel_std=(1.0, 1.0, 1.0),
        convolves_pixels=False,
    ),
}
"""Every backbone of clips by name. The first three have public weights: paper 3's R3D-18, I3D, and
YOWO's 3D-ResNeXt-101. "joining" is the encoder of `videocapsnet-n`, for CPUs; a checkpoint of that
starts it where both have the same width (that network's is 1, `r3d-n`'s 0.25)."""


class ClassHead(nn.Module):
    """Global mean, dropout and a linear classifier.

    Args:
        in_channels: C.
        num_classes: K.
        dropout: share of the features that training drops.
    """

    def __init__(self, in_channels: int, num_classes: int, dropout: float) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.fc_cls = nn.Linear(in_channels, num_classes)
        nn.init.normal_(self.fc_cls.weight, std=0.01)
        nn.init.zeros_(self.fc_cls.bias)

    def forward(self, features: Tensor) -> Tensor:
        """Return class logits (B, K) of a feature map (B, C, T, H, W)."""
        logits: Tensor = self.fc_cls(self.dropout(features.mean((2, 3, 4))))
        return logits


class Recogniser(nn.Module):
    """The network; `r3d18` has 33.2 M parameters for 101 classes.

    Args:
        num_classes: K.
        settings: its options.
    """

    kind: ModelKind = "recognition"

    def __init__(self, num_classes: int, settings: RecogniserSettings | None = None) -> None:
        super().__init__()
        self.settings = settings = settings or RecogniserSettings()
        self.num_classes = num_classes
        chosen = BACKBONES[settings.backbone]
        self.backbone, channels = chosen.build(settings)
        self.cls_head = ClassHead(channels, num_classes, settings.dropout)
        self.stage_names = tuple(f"backbone.{name}" for name in chosen.stage_names)
        """Modules whose outputs are the stages' feature maps."""
        self.pixel_mean, self.pixel_std = chosen.pixel_mean, chosen.pixel_std
        self.convolves_pixels = chosen.convolves_pixels

    @property
    def input_size(self) -> int:
        """Rows and columns of the input."""
        return self.settings.input_size

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
            pixel_mean=self.pixel_mean,
            pixel_std=self.pixel_std,
            model_settings=settings.model_dump(mode="json", exclude_defaults=True),
        )

    def forward(self, clips: Tensor) -> RecognitionClipOutputs:
        """Return class logits.

        Args:
            clips: (B, 3, T, H, W) RGB in [0, 1], less `pixel_mean` and divided by `pixel_std`.
        """
        return RecognitionClipOutputs(class_logits=self.cls_head(self.backbone(clips)))
