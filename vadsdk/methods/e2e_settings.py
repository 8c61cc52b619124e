"""How paper 1's method learns: every row of its Tables 1 and 3 by configuration."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from vadsdk.methods.settings import ViewStrength
from vadsdk.methods.supervised_terms import TermSettings

MapScale = Literal["probabilities", "logits"]


class E2ESettings(BaseModel):
    """Settings of `E2E`.

    | paper | settings |
    |---|---|
    | Table 1, supervised | `classification_consistency=False, localisation="none"` |
    | Table 1, CC | `localisation="none"` |
    | Table 1, LC | `classification_consistency=False, localisation="l2"` |
    | Table 1, CC + LC | `localisation="l2"` |
    | Table 3, V | `classification_consistency=False, cyclic=False, non_attentive_l2=False` |
    | Table 3, V + VC | `classification_consistency=False, non_attentive_l2=False` |
    | Table 3, V + L2 | `classification_consistency=False, cyclic=False` |
    | Table 3, V + VC + L2 | `classification_consistency=False` |
    | Table 3, G | `classification_consistency=False, localisation="gradient"` |
    | Table 3, G + L2 | `... localisation="gradient", non_attentive_l2=True` |
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    classification_consistency: bool = True
    """CC: Jensen-Shannon divergence of the views' classes (eq. 1)."""
    localisation: Literal["none", "l2", "variance", "gradient", "variance+gradient"] = "variance"
    """LC: nothing, eq. 2, eq. 3, eq. 5, or half of each of the last two."""
    cyclic: bool = True
    """VC: the variance runs on into the other view's answer."""
    non_attentive_l2: bool | None = None
    """Blend plain L2 with the attended one, ramped as in eq. 3. None: with the variance, not with
    the gradient, the best rows of Table 3."""
    window: int = Field(default=5, ge=1)
    """Frames of a variance, odd."""

    lambda_total: float = Field(default=0.1, ge=0)
    """Lambda of eq. 9."""
    lambda_cls: float = Field(default=0.3, ge=0)
    """Lambda 1 of eq. 8."""
    lambda_loc: float = Field(default=0.7, ge=0)
    """Lambda 2 of eq. 8."""
    lambda_ramp_fraction: float = Field(default=0.0, ge=0, le=1)
    """Share of the training over which lambda is ramped up exponentially; the paper has none."""

    consistency_target: Literal["both", "stop_original"] = "both"
    """Gradient through both views (paper), or the original view as a fixed target for the other."""
    consistency_on: MapScale = "probabilities"
    """What eq. 2 compares. Section 3.3 speaks of probabilities; the release compares logits."""
    attention: Literal["min_max", "paper", "released"] = "min_max"
    """min_max: stretched to [0, 1] for each clip. paper: eq. 4 and |eq. 6| as written; variances of
    probabilities stay near 0.01, so the loss fades as eq. 3 ramps up. released: frames and their
    twins added, stretched, both directions summed; the gradient signed and shared by the whole
    batch."""
    attention_on: MapScale = "probabilities"
    """What the variance is taken of; the gradient is always taken of probabilities."""
    snap_confident: bool = False
    """Take the gradient of probabilities that are 0 below 0.2 and 1 above 0.8 (an option of the
    release)."""
    class_temperature: float = Field(default=1.0, gt=0)
    """Of the class distributions that CC compares; below 1 sharpens."""

    all_classes_until: float = Field(default=0.1, ge=0, le=1)
    """Progress up to which unlabelled masks are decoded for all classes (epochs 1 to 10 of 100)."""
    shared_condition: bool = True
    """Decode both views of an unlabelled clip for the original view's class, so that the maps
    compared are of one action. The release lets each view choose its own."""
    supervise_both_views: bool = False
    """Average the supervised losses over both views; the paper takes the original view."""

    original_view: ViewStrength = "weak"
    """View 1. The paper's is the clip itself; a weak augmentation is what the baseline gets as
    well."""
    augmented_view: ViewStrength = "strong"
    """View 2."""
    terms: TermSettings = TermSettings()
    """Weights and forms of the supervised losses."""
    seed: int = 0
    """Of the views."""

    @field_validator("window")
    @classmethod
    def _odd(cls, window: int) -> int:
        if window % 2 == 0:
            raise ValueError("a window is centred on its frame, so its length must be odd")
        return window

    @classmethod
    def released(cls, **changes: object) -> E2ESettings:
        """Return the arithmetic of paper 1's release (reference section 2.4), the `--bv` form.

        Args:
            **changes: fields that differ, such as `localisation="gradient"` for `--gv`.
        """
        values: dict[str, object] = {
            "classification_consistency": False,
            "lambda_loc": 1.0,
            "consistency_on": "logits",
            "attention": "released",
            "attention_on": "logits",
            "shared_condition": False,
            "original_view": "identity",
            "augmented_view": "mirror",
            "terms": TermSettings(classification="released_spread"),
        }
        return cls.model_validate(values | changes)
