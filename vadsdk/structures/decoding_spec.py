"""How raw output becomes detections, a type for each kind of model.

Every engine, training and the evaluation share these numbers, which travel with the model file.
"""

from __future__ import annotations

from dataclasses import dataclass, fields


@dataclass(frozen=True, kw_only=True, slots=True)
class MaskDecodingSpec:
    """Of mask models: connected components of the actor map are actors."""

    mask_threshold: float = 0.5
    """A pixel whose actor probability reaches this belongs to an actor."""
    min_area_fraction: float = 0.002
    """Connected components smaller than this share of the frame are noise."""
    min_score: float = 0.05
    """Detections whose best class scores less are dropped."""
    max_detections: int = 5
    """At most so many actors a frame, the largest first."""

    def __post_init__(self) -> None:
        _check_shares(self)
        _check_max_detections(self.max_detections)


@dataclass(frozen=True, kw_only=True, slots=True)
class BoxDecodingSpec:
    """Of box models: non-maximum suppression leaves one box an actor."""

    min_score: float = 0.05
    """Boxes whose best class scores less (objectness times class score) are dropped. For average
    precision, which asks for the weakest boxes too, YOWO's evaluation takes 0.005."""
    nms_iou_threshold: float = 0.4
    """A box that overlaps one of higher objectness by more is a repetition (YOWO's release)."""
    class_agnostic_nms: bool = True
    """Whether boxes of different best classes repeat each other too. As in YOWO's release they do,
    since an actor is one detection with a score for every class, not one a class."""
    max_detections: int = 20
    """At most so many actors a frame, those of highest objectness."""

    def __post_init__(self) -> None:
        _check_shares(self)
        _check_max_detections(self.max_detections)


@dataclass(frozen=True, kw_only=True, slots=True)
class RecognitionDecodingSpec:
    """Of recognition models: the whole frame is one actor."""

    min_score: float = 0.05
    """Frames whose best class scores less have no detection."""

    def __post_init__(self) -> None:
        _check_shares(self)


DecodingSpec = MaskDecodingSpec | BoxDecodingSpec | RecognitionDecodingSpec
"""How raw output becomes detections; which of them, the model's kind tells."""


def _check_shares(spec: DecodingSpec) -> None:
    for entry in fields(spec):
        value = getattr(spec, entry.name)
        if entry.type == "float" and not 0.0 <= value <= 1.0:
            raise ValueError(f"{entry.name} must lie in [0, 1], not {value}")


def _check_max_detections(value: int) -> None:
    if value < 1:
        raise ValueError(f"max_detections must be 1 or more, not {value}")
