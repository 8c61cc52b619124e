"""Where public implementations of frame and video mAP disagree, and what each of them does.

Numbers of two papers compare only under one convention. `CONVENTIONS` names those of the public
implementations; `frame_average_precisions` and `tube_average_precisions` measure under any of them.
Under all of them a class without ground truth is left out of the mean, and the spatial half of a
tube's IoU is the plain mean of the box IoUs over the common frames.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from vadsdk.errors import ConfigError, unknown_name

Edges = tuple[float, float, float, float]
"""Pixels for x1, y1, x2, y2."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FrameRules:
    """How boxes are matched, and how precision and recall become an average precision."""

    inclusive_pixels: bool = False
    """Whether a box spans x2 - x1 + 1 pixels of its numbers as they come.

    Ours: no, since max edges are exclusive all over vadsdk, where x2 - x1 is the true width.
    """
    predicted_offset: Edges = (0.0, 0.0, 0.0, 0.0)
    """What is added to predicted boxes before they are compared.

    Ours: nothing, since predictions and annotations share one pixel grid.
    """
    rematch: bool = True
    """Whether an answer whose best ground truth is taken is offered the best of those left.

    Ours: yes, or of two actors close together the second is missed though both were detected.
    """
    strict_threshold: bool = False
    """Whether the overlap must exceed the threshold instead of reaching it.

    Ours: no, as in PASCAL VOC's code; then a perfect answer is right at every threshold up to 1.
    """
    equal_scores: Literal["together", "in_order"] = "together"
    """Whether answers of one score enter the curve together, or each one in the order of the input.

    Ours: together, since a score must not depend on the order in which files were listed.
    """
    area: Literal["envelope", "trapezoid"] = "envelope"
    """What the average precision is: the area under the best precision at a recall or beyond, or
    that under straight lines between the raw points, the first of which is recall 0, precision 1.

    Ours: the envelope, PASCAL VOC's measure from 2010 on; the trapezoid credits points that no
    score threshold reaches.
    """
    recall_epsilon: float = 0.0
    """What is added to the number of ground truths that recall divides by.

    Ours: 0, so that a perfect result scores 1 exactly.
    """
    precision_dtype: Literal["float64", "float32"] = "float64"
    """What precision and recall are rounded to.

    Ours: float64, so that no difference between two results is made by rounding.
    """

    _choices: ClassVar[dict[str, tuple[str, ...]]] = {
        "equal_scores": ("together", "in_order"),
        "area": ("envelope", "trapezoid"),
        "precision_dtype": ("float64", "float32"),
        "temporal_iou": ("frames", "last_minus_first"),
        "tube_score": ("mean", "mean_of_40_best", "maximum"),
    }

    def __post_init__(self) -> None:
        for name in (field.name for field in fields(self)):
            value = getattr(self, name)
            if name in self._choices and value not in self._choices[name]:
                raise unknown_name(name, str(value), self._choices[name])
        if not 0.0 <= self.recall_epsilon < np.inf:
            raise ConfigError(
                f"recall_epsilon must be 0 or a small positive number, not {self.recall_epsilon}"
            )
        if len(self.predicted_offset) != 4 or not np.isfinite(self.predicted_offset).all():
            raise ConfigError(
                f"predicted_offset is four finite numbers, not {self.predicted_offset}"
            )


@dataclass(frozen=True, kw_only=True, slots=True)
class TubeRules(FrameRules):
    """How tubes are matched: what `FrameRules` says of boxes, and how time counts."""

    temporal_iou: Literal["frames", "last_minus_first"] = "frames"
    """Common frames over frames of either tube, or the same of spans from first to last frame.

    Ours: frames, since last minus first says of a tube of 2 frames that its length is 1.
    """
    one_common_frame_counts: bool = True
    """Whether tubes with one frame in common overlap at all.

    Ours: yes, or an action of one annotated frame could never be found.
    """
    tube_score: Literal["mean", "mean_of_40_best", "maximum"] = "mean"
    """What `score_tube` makes of the scores of a tube's frames.

    Ours: the mean, since a maximum rewards one lucky frame, and a tube cut short keeps it.
    """

    def score_tube(self, frame_scores: NDArray[np.floating]) -> float:
        """Return the score of a tube from the (F,) scores of its frames, F 1 or more.

        Who links tubes applies this; evaluation takes the scores that tubes come with.

        Raises:
            ValueError: no frames.
        """
        if frame_scores.ndim != 1 or not len(frame_scores):
            raise ValueError(f"frame_scores is (F,) with F 1 or more, not {frame_scores.shape}")
        falling = np.sort(frame_scores.astype(np.float64))[::-1]
        counted = {"mean": len(falling), "mean_of_40_best": 40, "maximum": 1}[self.tube_score]
        return float(falling[:counted].mean())


@dataclass(frozen=True, kw_only=True, slots=True)
class Convention:
    """One way to measure frame mAP and video mAP."""

    frames: FrameRules | None
    """Of frame mAP; None where the implementation has none."""
    tubes: TubeRules
    """Of video mAP."""


OUR_FRAMES = FrameRules()
"""What `frame_map` measures by."""
OUR_TUBES = TubeRules()
"""What `video_map` measures by."""

_AS_LISTED: Literal["in_order"] = "in_order"

CONVENTIONS: dict[str, Convention] = {
    "vadsdk": Convention(frames=OUR_FRAMES, tubes=OUR_TUBES),
    "yowo": Convention(
        frames=FrameRules(inclusive_pixels=True, rematch=False, equal_scores=_AS_LISTED),
        tubes=TubeRules(
            inclusive_pixels=True,
            equal_scores=_AS_LISTED,
            recall_epsilon=1e-5,
            precision_dtype="float32",
            one_common_frame_counts=False,
        ),
    ),
    "multisports": Convention(  # as mmaction2 has it
        frames=FrameRules(rematch=False, equal_scores=_AS_LISTED),
        tubes=TubeRules(
            rematch=False,
            equal_scores=_AS_LISTED,
            temporal_iou="last_minus_first",
            one_common_frame_counts=False,
        ),
    ),
    "moc": Convention(  # and ACT, whose evaluation it took over
        frames=FrameRules(
            inclusive_pixels=True,
            equal_scores=_AS_LISTED,
            area="trapezoid",
            precision_dtype="float32",
        ),
        tubes=TubeRules(
            inclusive_pixels=True,
            equal_scores=_AS_LISTED,
            area="trapezoid",
            precision_dtype="float32",
        ),
    ),
    "3d-retinanet": Convention(
        frames=FrameRules(equal_scores=_AS_LISTED, area="trapezoid", precision_dtype="float32"),
        tubes=TubeRules(
            inclusive_pixels=True,
            equal_scores=_AS_LISTED,
            area="trapezoid",
            precision_dtype="float32",
        ),
    ),
    "road": Convention(
        frames=None,
        tubes=TubeRules(
            predicted_offset=(2.0, 2.0, 3.0, 3.0),  # min edges + 2, then width and height + 1
            strict_threshold=True,
            equal_scores=_AS_LISTED,
            one_common_frame_counts=False,
            tube_score="mean_of_40_best",
        ),
    ),
}
"""Conventions by the name of the code that has them, on tubes and boxes as that code has them.

"yowo", "moc" and the tubes of "3d-retinanet" add 1 to max edges whatever these mean. To repeat such
a code's number of boxes whose max edges name their last pixel, give x2 and y2 in that form, one
less than vadsdk has them. `vadsdk evaluate` gives boxes as they are, as YOWO gives its own (they
reach from 0 to the width of the frame), so that each counts one pixel more a side, as there. YOWO's
code also rounds predicted boxes to whole pixels before frame AP, which is left out here.
"""


def convention_named(convention: str | Convention) -> Convention:
    """Return a convention of `CONVENTIONS`, or the given one as it is.

    Raises:
        ConfigError: an unknown name.
    """
    if isinstance(convention, Convention):
        return convention
    if convention not in CONVENTIONS:
        raise unknown_name("convention", convention, CONVENTIONS)
    return CONVENTIONS[convention]


def frame_rules(convention: str | Convention) -> FrameRules:
    """Return how a convention measures frame mAP.

    Raises:
        ConfigError: an unknown name, or a convention without frame mAP.
    """
    rules = convention_named(convention).frames
    if rules is None:
        known = sorted(name for name, one in CONVENTIONS.items() if one.frames is not None)
        named = f"{convention!r} " if isinstance(convention, str) else ""
        raise ConfigError(
            f"the convention {named}has no frame mAP; choose one of: {', '.join(known)}"
        )
    return rules
