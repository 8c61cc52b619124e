"""How box networks are taught: paper 2's symbols by name."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from vadsdk.losses import RegionSettings


class BoxTermSettings(RegionSettings):
    """Weights and forms of the supervised losses (eq. 6): the region loss and the frame's."""

    frame_weight: float = Field(default=1.0, ge=0)
    """Beta, of the frame loss (eq. 5)."""
    background_frames: bool = True
    """Annotated key frames without action count: boxes should find nothing there, and the frame
    head should say background (section 4.5.1)."""
    frame_positive_weight: float = Field(default=1.0, gt=0)
    """Of actions that are shown, in a multi-label network's frame loss: "weighted" in section 3.2,
    which gives no weights."""
    min_visible_share: float = Field(default=0.25, ge=0, le=1)
    """A box of which a view shows less of the area is none there."""


class PseudoBoxSettings(BaseModel):
    """When an answer of a box network is trusted, and what agreement is worth."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    objectness_threshold: float = Field(default=0.4, ge=0, le=1)
    """O_th: a box must be more confident to teach (section 4.5.2)."""
    frame_threshold: float = Field(default=0.8, ge=0, le=1)
    """F_th: a frame's class must be more probable to teach (section 4.5.2). An action of a
    multi-label network is trusted to be absent if it is as probable not to be there."""
    class_agreement: bool = False
    """Boxes teach only where the frame head is sure of the same class (section 3.3); without it,
    all confident boxes do, as in the paper's baselines (section 4.3)."""
    class_threshold: float = Field(default=0.5, ge=0, le=1)
    """Multi-label: a box has the actions that are more probable."""
    min_class_probability: float = Field(default=0.0, ge=0, le=1)
    """One class a box: a clip teaches none of its boxes if the class of a confident one is less
    probable; without that one its place would be taught to be empty. 0 is paper 2's baselines
    (section 4.3), which trust the best class of every confident box."""
    nms_iou_threshold: float = Field(default=0.4, ge=0, le=1)
    """Boxes that overlap a more confident one by more are its repetitions (YOWO)."""
    max_boxes: int = Field(default=20, ge=1)
    """Most boxes of a frame that teach."""
    negative_frames: Literal["none", "frame", "frame+boxes"] = "frame"
    """What a frame teaches that is surely background: nothing; the frame head (eq. 7, whose C + 1
    classes have background among them); the boxes as well, which should then find nothing."""
    box_weight: float = Field(default=1.0, ge=0)
    """Of the losses of boxes (eq. 8) and of their consistency."""
    frame_weight: float = Field(default=1.0, ge=0)
    """Delta, of the frame loss (eq. 9) and of its consistency."""
