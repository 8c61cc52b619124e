"""How the method of paper 3 learns; defaults are the release's (reference.md section 4)."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from vadsdk.methods.families import FamilySettings
from vadsdk.methods.settings import ViewStrength


class TemporalGradientSettings(FamilySettings):
    """Settings of `TemporalGradient`."""

    weak_view: ViewStrength = "weak"
    """Of labelled clips and where pseudo labels come from: crop and flip, the same for both
    modalities. Unlike the release's, it changes colours a little."""
    strong_view: ViewStrength = "strong"
    """Where pseudo labels are learned; the release takes RandAugment (n = 2, m = 9)."""
    strong_gradient: Literal["own", "shared"] = "own"
    """Strong views of the modalities are drawn apart (release), or are one and the same."""
    gradient: Literal["adjacent", "sampled"] = "adjacent"
    """Each frame less the one after it in the video, or in the clip (the paper's slow ablation,
    whose last gradient is that of a still)."""
    gradient_start: Literal["copy", "random"] = "copy"
    """The gradient network starts as a copy of the other, so that weights to start from serve both;
    or with random weights of its own, as both do in the release."""

    supervised_weight: float = Field(default=0.5, ge=0)
    """Of the labelled clips' losses, for each modality (a)."""
    pseudo_weight: float = Field(default=0.5, ge=0)
    """Of the cross entropy with pseudo labels, for each modality (b)."""
    pseudo_threshold: float = Field(default=0.3, ge=0, le=1)
    """Least probability of a pseudo label (b)."""
    warmup_fraction: float = Field(default=1 / 6, ge=0, le=1)
    """Progress from which pseudo labels are used (b): 30 of 180 epochs on UCF101, 60 of 360 on
    HMDB51, 15 of 90 on Kinetics-400."""
    alignment_weight: float = Field(default=1.0, ge=0)
    """Of the alignment of each stage (c)."""
    contrast_weight: float = Field(default=1.0, ge=0)
    """Of the mean of both ways of the contrast; the release's 0.5 is that mean's (d)."""
    contrast_temperature: float = Field(default=0.5, gt=0)
    """Of the contrast (d)."""
    embedding_width: int = Field(default=512, ge=1)
    """Of the contrast heads (d)."""
