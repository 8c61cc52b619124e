"""Frame mAP: average precision of scored boxes, frame by frame.

Legend: N boxes, K classes, F annotated frames, M the most actors of any frame.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vadsdk.boxes import box_iou
from vadsdk.evaluation.average_precision import ClassScores
from vadsdk.evaluation.conventions import Convention, FrameRules, frame_rules
from vadsdk.evaluation.ground_truth import check_videos, label_indices
from vadsdk.evaluation.matching import NOBODY, Answers, join_answers, score_classes
from vadsdk.structures import FrameResult, Tube


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class FrameBoxes:
    """Scored boxes of one video."""

    frame_indices: NDArray[np.int64]
    """(N,) the frame of each box, in any order."""
    boxes_xyxy: NDArray[np.float32]
    """(N, 4) pixels of the source frame, max edge exclusive."""
    class_scores: NDArray[np.float32]
    """(N, K): a box counts for every class that it scores above 0."""

    def __post_init__(self) -> None:
        count = len(self.frame_indices)
        if self.frame_indices.shape != (count,) or self.boxes_xyxy.shape != (count, 4):
            raise ValueError(
                f"frame_indices is (N,) and boxes_xyxy (N, 4), not {self.frame_indices.shape} "
                f"and {self.boxes_xyxy.shape}"
            )
        if self.class_scores.ndim != 2 or len(self.class_scores) != count:
            raise ValueError(f"class_scores is ({count}, K), not {self.class_scores.shape}")
        if not np.isfinite(self.boxes_xyxy).all() or not np.isfinite(self.class_scores).all():
            raise ValueError("boxes and scores must be finite")


def boxes_of_frames(frames: Iterable[FrameResult], num_classes: int) -> FrameBoxes:
    """Gather the detections of one video's frames, each scored for all K classes."""
    found = [(frame.index, frame.detections) for frame in frames if len(frame.detections)]
    if not found:
        return FrameBoxes(
            frame_indices=np.zeros(0, np.int64),
            boxes_xyxy=np.zeros((0, 4), np.float32),
            class_scores=np.zeros((0, num_classes), np.float32),
        )
    return FrameBoxes(
        frame_indices=np.repeat([index for index, _ in found], [len(one) for _, one in found]),
        boxes_xyxy=np.concatenate([detections.boxes_xyxy for _, detections in found]),
        class_scores=np.concatenate([detections.class_scores for _, detections in found]),
    )


def frame_map(
    ground_truth: Mapping[str, Sequence[Tube]],
    predictions: Mapping[str, FrameBoxes],
    labels: Sequence[str],
    iou_threshold: float = 0.5,
) -> ClassScores:
    """Return the frame AP of every class over all frames of all videos.

    Every predicted box counts: one in a frame or a video without actions is a false positive.

    Args:
        ground_truth: annotated tubes of every evaluated video; none for one without actions.
        predictions: scored boxes; a video that is left out has none.
        labels: names of the K classes, in the order of the scores.
        iou_threshold: a box is right from this IoU on; in (0, 1].

    Raises:
        ConfigError: a tube with an unknown label.
        DatasetError: predictions for a video that `ground_truth` does not list.
        ValueError: scores for another number of classes.
    """
    return frame_average_precisions(ground_truth, predictions, labels, (iou_threshold,))[0]


def frame_average_precisions(
    ground_truth: Mapping[str, Sequence[Tube]],
    predictions: Mapping[str, FrameBoxes],
    labels: Sequence[str],
    iou_thresholds: Sequence[float],
    *,
    convention: str | Convention = "vadsdk",
) -> list[ClassScores]:
    """Return the frame AP of every class under one convention, at each of several thresholds.

    Args:
        ground_truth: as in `frame_map`; so are the next two.
        predictions: scored boxes.
        labels: names of the K classes.
        iou_thresholds: each in (0, 1].
        convention: a name in `CONVENTIONS`, or one of your own; ours gives `frame_map`.

    Raises:
        ConfigError: an unknown convention, one without frame AP, or what `frame_map` raises.
        DatasetError: as `frame_map`.
        ValueError: as `frame_map`.
    """
    rules = frame_rules(convention)
    check_videos(ground_truth, predictions)
    indices = label_indices(ground_truth, labels)
    num_ground_truth = np.zeros(len(labels), np.int64)
    for tubes in ground_truth.values():
        for tube in tubes:
            num_ground_truth[indices[tube.label]] += len(tube)
    parts = []
    for name, boxes in predictions.items():
        if boxes.class_scores.shape[1] != len(labels):
            raise ValueError(
                f"{name}: {len(labels)} labels need as many scores a box, "
                f"not {boxes.class_scores.shape[1]}"
            )
        parts.append(_answers_of_video(boxes, ground_truth[name], indices, rules))
    answers = join_answers(parts, len(labels))
    return [
        score_classes(answers, num_ground_truth, tuple(labels), threshold, rules)
        for threshold in iou_thresholds
    ]


def _answers_of_video(
    boxes: FrameBoxes, tubes: Sequence[Tube], indices: Mapping[str, int], rules: FrameRules
) -> Answers:
    """Return the boxes of one video against the actors of their frames; a place is a frame."""
    frames, actor_boxes, actor_classes = _actors_by_frame(tubes, indices, rules)
    rows = np.searchsorted(frames, boxes.frame_indices)
    is_annotated = np.append(frames, -1)[rows] == boxes.frame_indices
    rows = np.where(is_annotated, rows, len(frames))
    _, places = np.unique(boxes.frame_indices, return_inverse=True)
    compared = boxes.boxes_xyxy + np.array(rules.predicted_offset)
    return Answers(
        places=places,
        class_scores=boxes.class_scores.astype(np.float64),
        overlaps=box_iou(  # (N, 1, 4), (N, M, 4)
            compared[:, None], actor_boxes[rows], inclusive=rules.inclusive_pixels
        ),
        labels=actor_classes[rows],
    )


def _actors_by_frame(
    tubes: Sequence[Tube], indices: Mapping[str, int], rules: FrameRules
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.int64]]:
    """Return annotated frames (F,), and boxes (F + 1, M, 4) and classes (F + 1, M) of their actors.

    The last row is that of every other frame: it has nobody.
    """
    nothing = np.zeros(0, np.int64)
    frames, rows = np.unique(
        np.concatenate([nothing, *(tube.frame_indices for tube in tubes)]), return_inverse=True
    )
    boxes = np.concatenate([np.zeros((0, 4)), *(tube.boxes_xyxy for tube in tubes)])
    classes = np.concatenate(
        [nothing, *(np.full(len(tube), indices[tube.label]) for tube in tubes)]
    )
    order = np.argsort(rows, kind="stable")
    if rules.equal_scores == "together":
        order = np.lexsort((*boxes.T, rows))  # a frame's columns depend on its boxes alone
    rows, boxes, classes = rows[order], boxes[order], classes[order]
    columns = np.arange(len(rows)) - np.searchsorted(rows, rows)
    shape = (len(frames) + 1, int(columns.max(initial=-1)) + 1)
    actor_boxes, actor_classes = np.zeros((*shape, 4)), np.full(shape, NOBODY)
    actor_boxes[rows, columns] = boxes
    actor_classes[rows, columns] = classes
    return frames, actor_boxes, actor_classes
