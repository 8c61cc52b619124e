"""How Stable Mean Teacher learns."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from vadsdk.methods.settings import ViewStrength
from vadsdk.methods.supervised_terms import TermSettings
from vadsdk.methods.teacher import Buffers, TeacherMode


class StableMeanTeacherSettings(BaseModel):
    """Settings of `StableMeanTeacher`; `released` gives those of its public code.

    w is an exponential ramp over `ramp_fraction` of the training, in all of them.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    lambda_total: float = Field(default=0.1, ge=0)
    """Of the consistency, beside w."""
    ramp_fraction: float = Field(default=0.3, ge=0, le=1)
    """Share of the training over which w rises to 1; 0 is 1 at once."""
    blend: Literal["sum", "ramped_sum", "ramped_dop", "ramped_l2"] = "sum"
    """How L2 and difference of pixels (DoP) make one consistency: their sum; w times it, so that w
    counts twice (the release's opt3); w DoP + (1 - w) L2 (opt1); w L2 + (1 - w) DoP (opt2)."""
    auxiliary: Literal["full", "ramped"] = "full"
    """What agreeing with the recovered teacher weighs beside agreeing with the teacher: 1 (opt4) or
    w (opt5)."""
    consistency_on: Literal["logits", "probabilities"] = "logits"
    """What is compared; all recorded losses of the release are on logits."""

    decay: float = Field(default=0.99, ge=0, le=1)
    """Of both teachers' moving averages."""
    warm_decay: bool = True
    """Approach the decay from below in the first updates."""
    teacher_buffers: Buffers = "copy"
    """The student's running statistics, or (release) the teacher's own; see `Teacher`."""
    teacher_mode: TeacherMode = "eval"
    """How the teacher runs; the release's has dropout and batch statistics."""

    recovery_width: int = Field(default=16, ge=1)
    """Channels of the error-recovery network at full resolution."""
    recovery_sees_video: bool = False
    """It corrects a mask knowing the clip, too."""
    recovery_weight: float = Field(default=1.0, ge=0)
    """Of its supervised losses."""
    recovery_weights: str | None = None
    """File that the error-recovery network starts from, such as a public checkpoint of one."""

    teacher_view: ViewStrength = "weak"
    """What the teacher sees."""
    student_view: ViewStrength = "strong"
    """What the student sees."""
    shared_geometry: bool = True
    """The student's view has the teacher's flip, crop and direction of time, and differs in colours
    and cut-outs alone; else maps are moved from the one to the other."""
    shared_condition: bool = True
    """Decode both networks' masks of an unlabelled clip for the teacher's class; the release lets
    each choose its own."""
    all_classes_until: float = Field(default=0.1, ge=0, le=1)
    """Progress up to which unlabelled masks are decoded for all classes, as in `e2e`."""
    terms: TermSettings = TermSettings()
    """Weights and forms of the supervised losses."""
    seed: int = 0
    """Of the views and of the error-recovery network."""

    @model_validator(mode="after")
    def _statistics_are_kept_up(self) -> Self:
        if self.teacher_buffers == "keep" and self.teacher_mode == "eval":
            raise ValueError("teacher_buffers = keep needs teacher_mode = train")
        return self

    @classmethod
    def released(cls, **changes: object) -> StableMeanTeacherSettings:
        """Return the arithmetic of the release with its `--opt3 --opt4`.

        Args:
            **changes: fields that differ, such as `blend="ramped_dop"` for `--opt1`.
        """
        values: dict[str, object] = {
            "blend": "ramped_sum",
            "teacher_buffers": "keep",
            "teacher_mode": "train",
            "shared_condition": False,
            "terms": TermSettings(classification="released_spread"),
        }
        return cls.model_validate(values | changes)
