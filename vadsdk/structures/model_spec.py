"""What travels with every model file, so that the file alone is enough to run it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal, get_args

from vadsdk.structures.decoding_spec import (
    BoxDecodingSpec,
    DecodingSpec,
    MaskDecodingSpec,
    RecognitionDecodingSpec,
)

ModelKind = Literal["mask", "box", "recognition"]
Precision = Literal["fp32", "fp16", "bf16", "int8"]

SPEC_KEY = "vadsdk.model_spec"
"""Name of the spec's JSON in the metadata of safetensors and ONNX files."""
SPEC_VERSION = 1
"""Raised when a field changes its meaning; a newer file is refused."""
DECODING_OF_KIND: dict[ModelKind, type[DecodingSpec]] = {
    "mask": MaskDecodingSpec,
    "box": BoxDecodingSpec,
    "recognition": RecognitionDecodingSpec,
}
"""Kind of a model -> how its output becomes detections."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelSpec:
    """What a model detects and how it wants to be fed."""

    kind: ModelKind
    """"mask": class scores and mask logits; "box": boxes of the clip's last frame, its key frame;
    "recognition": classes only."""
    model: str
    """Name of the network, as in `vadsdk train --model`."""
    labels: tuple[str, ...]
    """Names of the classes, in the order of the scores."""
    clip_length: int
    """T, frames a clip."""
    frame_stride: int
    """Source frames from one clip frame to the next: `x.x.x.x.` has stride 2."""
    input_height: int
    """Rows of the model's input; frames are resized to it without keeping their aspect."""
    input_width: int
    """Columns of the model's input."""
    pixel_mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """Subtracted from RGB values in [0, 1]."""
    pixel_std: tuple[float, float, float] = (1.0, 1.0, 1.0)
    """Divides what remains."""
    decoding: DecodingSpec = None  # type: ignore[assignment]  # None only until __post_init__
    """How raw output becomes detections, of the kind's type; its defaults if not given."""
    precision: Precision = "fp32"
    """Arithmetic of the file as built."""
    model_settings: Mapping[str, Any] = field(default_factory=dict)
    """Settings of the network that are not its defaults, as JSON has them; a checkpoint's network
    is built with them."""
    provenance: tuple[tuple[str, str], ...] = ()
    """Where the file comes from: pairs such as ("method", "e2e"), ("commit", ...)."""

    def __post_init__(self) -> None:
        if self.kind not in get_args(ModelKind) or self.precision not in get_args(Precision):
            raise ValueError(f"unknown kind {self.kind!r} or precision {self.precision!r}")
        decoding = DECODING_OF_KIND[self.kind]
        if self.decoding is None:
            object.__setattr__(self, "decoding", decoding())
        if not isinstance(self.decoding, decoding):
            raise ValueError(
                f"the decoding of a {self.kind} model is a {decoding.__name__}, "
                f"not a {type(self.decoding).__name__}"
            )
        if not self.labels or len(set(self.labels)) != len(self.labels):
            raise ValueError(f"labels must be distinct and at least one, not {self.labels}")
        for name in ("clip_length", "frame_stride", "input_height", "input_width"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be 1 or more, not {getattr(self, name)}")
        if min(self.pixel_std) <= 0:
            raise ValueError(f"pixel_std must be positive, not {self.pixel_std}")

    @property
    def span(self) -> int:
        """Source frames that a clip stands for: clip_length * frame_stride (`x.x.x.x.` spans 8)."""
        return self.clip_length * self.frame_stride

    def to_json(self) -> str:
        """Return the spec as one JSON object."""
        return json.dumps({"spec_version": SPEC_VERSION, **asdict(self)})

    @staticmethod
    def from_json(text: str) -> ModelSpec:
        """Read what `to_json` wrote.

        Raises:
            ValueError: not a spec, of a newer version, or with a field missing or out of range.
        """
        try:
            values = json.loads(text)
            version = values.pop("spec_version")
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"not a vadsdk model spec: {error}") from None
        if version != SPEC_VERSION:
            raise ValueError(f"model spec version {version}; this vadsdk reads {SPEC_VERSION}")
        if not isinstance(values.get("model_settings", {}), dict):
            raise ValueError("not a vadsdk model spec: model_settings is no JSON object")
        unknown = set(values) - {entry.name for entry in fields(ModelSpec)}
        if unknown:
            raise ValueError(f"model spec with unknown fields {sorted(unknown)}")
        try:
            decoding = DECODING_OF_KIND[values["kind"]](**values.pop("decoding"))
            for name in ("labels", "pixel_mean", "pixel_std"):
                values[name] = tuple(values.get(name, ()))
            values["provenance"] = tuple((str(k), str(v)) for k, v in values.get("provenance", ()))
            return ModelSpec(decoding=decoding, **values)
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"not a vadsdk model spec: {error}") from None
