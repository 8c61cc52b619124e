"""Localisation and classification recall, by which paper 2 motivates its dual guidance.

Singh et al., *Dual Guidance Semi-Supervised Action Detection*, section 1: "Localization recall is
defined as the number of predicted frames having IoU > 0.5 over total ground truth frames, whereas
classification recall is denoted as the number of predicted frames having IoU > 0.5 with the correct
class label over total ground truth frames." A wide gap between both says that a detector finds the
actors but does not know what they do.

Legend: N boxes, K classes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vadsdk.boxes import box_iou
from vadsdk.errors import ConfigError, DatasetError
from vadsdk.evaluation.frame_map import FrameBoxes
from vadsdk.evaluation.ground_truth import check_videos, label_indices
from vadsdk.structures import Tube


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class LocalisationRecall:
    """How many annotated frames were found, by place alone and by place and class."""

    labels: tuple[str, ...]
    """Names of the K classes."""
    num_frames: NDArray[np.int64]
    """(K,) annotated frames; one with several actors counts once for each."""
    num_localised: NDArray[np.int64]
    """(K,) of them, those that a box overlaps enough."""
    num_classified: NDArray[np.int64]
    """(K,) of them, those that a box of their class overlaps enough."""

    @property
    def localisation_recall(self) -> float:
        """Share of all annotated frames that were found; NaN without any."""
        return _share(self.num_localised.sum(), self.num_frames.sum())

    @property
    def classification_recall(self) -> float:
        """Share of all annotated frames found with the right class; NaN without any."""
        return _share(self.num_classified.sum(), self.num_frames.sum())


def localisation_recall(
    ground_truth: Mapping[str, Sequence[Tube]],
    predictions: Mapping[str, FrameBoxes],
    labels: Sequence[str],
    *,
    iou_threshold: float = 0.5,
    min_score: float = 0.0,
) -> LocalisationRecall:
    """Count the annotated frames that predicted boxes find.

    The paper leaves open how frames of several actors count: here each actor of a frame counts, and
    one box may find several. The class of a box is its best-scored one; as for the frame mAP, a box
    that scores no class above 0 is none.

    Args:
        ground_truth: annotated tubes of every evaluated video.
        predictions: scored boxes; a video that is left out has none.
        labels: names of the K classes, in the order of the scores.
        iou_threshold: a box finds an actor *above* this IoU; in [0, 1).
        min_score: a box whose best class scores less does not count.

    Raises:
        ConfigError: a tube with an unknown label, or a threshold out of range.
        DatasetError: predictions for a video that `ground_truth` does not list, or with scores for
            another number of classes.
    """
    if not 0.0 <= iou_threshold < 1.0:
        raise ConfigError(f"iou_threshold must lie in [0, 1), not {iou_threshold}")
    check_videos(ground_truth, predictions)
    indices = label_indices(ground_truth, labels)
    counts = np.zeros((3, len(labels)), np.int64)
    for name, tubes in ground_truth.items():
        boxes = predictions.get(name)
        if boxes is not None and boxes.class_scores.shape[1] != len(labels):
            raise DatasetError(
                f"{name}: {len(labels)} labels need as many scores a box, "
                f"not {boxes.class_scores.shape[1]}; give the labels that the model knows"
            )
        for tube in tubes:
            index = indices[tube.label]
            counts[0, index] += len(tube)
            if boxes is not None:
                counts[1:, index] += _found(tube, index, boxes, iou_threshold, min_score)
    return LocalisationRecall(
        labels=tuple(labels),
        num_frames=counts[0],
        num_localised=counts[1],
        num_classified=counts[2],
    )


def _found(
    tube: Tube, label_index: int, boxes: FrameBoxes, iou_threshold: float, min_score: float
) -> tuple[int, int]:
    """Return how many frames of a tube are found, and how many with its class."""
    if not len(boxes.frame_indices) or not boxes.class_scores.shape[1]:
        return 0, 0
    rows = np.searchsorted(tube.frame_indices, boxes.frame_indices).clip(max=len(tube) - 1)
    overlaps = box_iou(boxes.boxes_xyxy, tube.boxes_xyxy[rows])  # (N,)
    is_near = (tube.frame_indices[rows] == boxes.frame_indices) & (overlaps > iou_threshold)
    best = boxes.class_scores.max(axis=1)
    is_near &= (best > 0) & (best >= min_score)
    is_right = is_near & (boxes.class_scores.argmax(axis=1) == label_index)
    return len(np.unique(rows[is_near])), len(np.unique(rows[is_right]))


def _share(found: np.int64, total: np.int64) -> float:
    return float(found / total) if total else math.nan
