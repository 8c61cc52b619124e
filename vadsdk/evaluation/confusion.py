"""What an annotated action is taken for: true classes against predicted ones, tube by tube.

Legend: K classes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vadsdk.evaluation.ground_truth import check_videos, label_indices
from vadsdk.evaluation.overlaps import tube_ious
from vadsdk.structures import Tube

MISSED = "missed"
"""Column of the annotated tubes that no predicted tube overlaps enough."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class TubeMatch:
    """One annotated tube and what it was taken for."""

    video: str
    """Its video."""
    annotated: Tube
    """The annotated tube."""
    predicted: Tube | None
    """The best-scored tube that overlaps it enough; else the one that overlaps it most; else
    None."""
    iou: float
    """Of the two; 0 if there is no predicted tube."""

    def is_found(self, iou_threshold: float) -> bool:
        """Return whether a tube of the right class lies at the right place."""
        return self.iou >= iou_threshold and self.label == self.annotated.label

    @property
    def label(self) -> str:
        """Predicted class."""
        return MISSED if self.predicted is None else self.predicted.label


def match_tubes(
    ground_truth: Mapping[str, Sequence[Tube]],
    predictions: Mapping[str, Sequence[Tube]],
    iou_threshold: float = 0.5,
) -> list[TubeMatch]:
    """Return what each annotated tube was taken for, video by video.

    Raises:
        DatasetError: predictions for a video that `ground_truth` does not list.
    """
    check_videos(ground_truth, predictions)
    matches = []
    for name, annotated in ground_truth.items():
        tubes = predictions.get(name, ())
        for tube, ious in zip(annotated, tube_ious(annotated, tubes), strict=True):
            matches.append(_match(name, tube, tubes, ious, iou_threshold))
    return matches


def tube_confusions(
    matches: Sequence[TubeMatch], labels: Sequence[str], iou_threshold: float = 0.5
) -> NDArray[np.int64]:
    """Return (K, K + 1) counts of annotated tubes: true class by predicted class, last `MISSED`.

    Args:
        matches: as `match_tubes` gives them for the same threshold.
        labels: names of the K classes.
        iou_threshold: a tube that overlaps less is not taken for the annotated one.

    Raises:
        ConfigError: a tube with an unknown label.
    """
    indices = label_indices({match.video: (match.annotated,) for match in matches}, labels)
    counts = np.zeros((len(labels), len(labels) + 1), np.int64)
    for match in matches:
        column = len(labels)
        if match.predicted is not None and match.iou >= iou_threshold:
            column = indices[match.predicted.label]
        counts[indices[match.annotated.label], column] += 1
    return counts


def _match(
    video: str,
    annotated: Tube,
    tubes: Sequence[Tube],
    ious: NDArray[np.float64],
    iou_threshold: float,
) -> TubeMatch:
    if not len(tubes):
        return TubeMatch(video=video, annotated=annotated, predicted=None, iou=0.0)
    near = np.flatnonzero(ious >= iou_threshold).tolist()
    if near:
        best = max(near, key=lambda index: (tubes[index].score, ious[index]))
    else:
        best = int(ious.argmax())
    predicted = tubes[best] if ious[best] > 0 else None
    return TubeMatch(video=video, annotated=annotated, predicted=predicted, iou=float(ious[best]))
