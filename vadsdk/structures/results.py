"""What applications receive: a result for each frame, and one for a whole video."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from vadsdk.structures.detections import Detections
from vadsdk.structures.tubes import Tube


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class TubeEvent:
    """A tube began or ended."""

    kind: Literal["started", "ended"]
    """"started" comes with the first confirmed frame, "ended" when the tube is known to be over."""
    tube_id: int
    """Equal to the `track_ids` of its detections."""
    tube: Tube | None = None
    """The finished, trimmed tube of an "ended" event; None if it was too short or too weak."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class FrameResult:
    """Everything known of one frame; frames come once each and in order."""

    index: int
    """Position of the frame in its source, from 0."""
    pts_seconds: float
    """Presentation time of the frame in seconds."""
    detections: Detections
    """The actors, in pixels of the source frame."""
    labels: tuple[str, ...]
    """Names that `detections.labels` indexes."""
    events: tuple[TubeEvent, ...] = ()
    """Tubes that began or ended with this frame."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class VideoResult:
    """Everything known of one video."""

    frames: list[FrameResult]
    """One for each frame, in order."""
    tubes: list[Tube]
    """Finished tubes, best score first."""
    labels: tuple[str, ...]
    """Names of the classes, in the model's order."""
