"""How the method of paper 2 learns; its ablations by setting."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from vadsdk.methods.box_settings import PseudoBoxSettings
from vadsdk.methods.families import FamilySettings
from vadsdk.methods.settings import ViewStrength


class GuidedBoxSettings(PseudoBoxSettings):
    """Pseudo boxes that the frame head must agree with."""

    class_agreement: bool = True


class DualGuidanceSettings(FamilySettings):
    """Settings of `DualGuidance`; symbols of the paper that are not here are in the parts.

    | paper | settings |
    |---|---|
    | Tables 2 to 4, supervised | method `supervised` |
    | Tables 2 to 4, Mean-Teacher | `temporal_weight=0`, and of `pseudo_boxes` |
    | | `class_agreement=False, frame_weight=0` |
    | Tables 2 to 4, FixMatch | the same and `teacher="student"` |
    | Table 5, without negative sampling | none; the run's `data.unlabelled_part="actions"` |
    | Table 6, without temporal | `temporal_weight=0` |
    | Fig. 4a | `pseudo_boxes.frame_threshold` |
    | Fig. 4b | `pseudo_boxes.objectness_threshold` |
    """

    pseudo_boxes: GuidedBoxSettings = GuidedBoxSettings()
    """What is trusted of the teacher's answer: F_th, O_th, agreement, delta."""
    burn_in_fraction: float = Field(default=0.2, ge=0, le=1)
    """Share of the training that learns from labelled clips alone; "some epochs" in section 3.3."""
    labelled_view: ViewStrength = "paper2"
    """Of labelled clips, for which the paper gives none."""
    weak_view: ViewStrength = "identity"
    """What the teacher sees: "resized input images" (section 4.2)."""
    strong_view: ViewStrength = "paper2"
    """What the student sees of unlabelled clips."""
    teacher: Literal["average", "student"] = "average"
    """A moving average of the student, or the student itself; section 3.3 makes "two copies" and
    cites Mean Teacher."""
    teacher_decay: float = Field(default=0.99, ge=0, le=1)
    """Share of the average that stays at each step; the paper gives none."""
    unlabelled_weight: float = Field(default=1.0, ge=0)
    """Of L_u (eq. 11: 1)."""
    temporal_weight: float = Field(default=1.0, ge=0)
    """Of both temporal losses (eq. 11: 1); 0 leaves them and their work out."""
