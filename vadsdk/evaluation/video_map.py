"""Video mAP: average precision of scored tubes by spatio-temporal IoU, as in ACT, YOWO and MOC.

Legend: P predicted tubes, G annotated tubes, K classes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from vadsdk.evaluation.average_precision import ClassScores
from vadsdk.evaluation.conventions import Convention, TubeRules, convention_named
from vadsdk.evaluation.ground_truth import check_videos, label_indices
from vadsdk.evaluation.matching import Answers, join_answers, score_classes
from vadsdk.evaluation.overlaps import tube_ious
from vadsdk.structures import Tube

STRICT_THRESHOLDS = tuple(percent / 100 for percent in range(50, 100, 5))
"""The thresholds that "0.5:0.95" averages over."""


def video_map(
    ground_truth: Mapping[str, Sequence[Tube]],
    predictions: Mapping[str, Sequence[Tube]],
    labels: Sequence[str],
    iou_threshold: float,
) -> ClassScores:
    """Return the video AP of every class at one threshold.

    A predicted tube with `class_scores` counts for every class that it scores above 0, else for its
    label. One in a video without ground truth is a false positive.

    Args:
        ground_truth: annotated tubes of every evaluated video; none for one without actions.
        predictions: predicted tubes; a video that is left out has none.
        labels: names of the K classes, in the order of the scores.
        iou_threshold: a tube is right from this spatio-temporal IoU on; in (0, 1].

    Raises:
        ConfigError: a tube with an unknown label.
        DatasetError: predictions for a video that `ground_truth` does not list.
        ValueError: scores for another number of classes.
    """
    return video_maps(ground_truth, predictions, labels, (iou_threshold,))[0]


def video_maps(
    ground_truth: Mapping[str, Sequence[Tube]],
    predictions: Mapping[str, Sequence[Tube]],
    labels: Sequence[str],
    iou_thresholds: Sequence[float],
) -> list[ClassScores]:
    """Return `video_map` at each of several thresholds, measuring the overlaps once."""
    return tube_average_precisions(ground_truth, predictions, labels, iou_thresholds)


def tube_average_precisions(
    ground_truth: Mapping[str, Sequence[Tube]],
    predictions: Mapping[str, Sequence[Tube]],
    labels: Sequence[str],
    iou_thresholds: Sequence[float],
    *,
    convention: str | Convention = "vadsdk",
) -> list[ClassScores]:
    """Return the video AP of every class under one convention, at each of several thresholds.

    Args:
        ground_truth: as in `video_map`; so are the next two.
        predictions: scored tubes.
        labels: names of the K classes.
        iou_thresholds: each in (0, 1].
        convention: a name in `CONVENTIONS`, or one of your own; ours gives `video_maps`.

    Raises:
        ConfigError: an unknown convention, or what `video_map` raises.
        DatasetError: as `video_map`.
        ValueError: as `video_map`.
    """
    rules = convention_named(convention).tubes
    check_videos(ground_truth, predictions)
    indices = label_indices(ground_truth, labels)
    label_indices(predictions, labels)
    num_ground_truth = np.zeros(len(labels), np.int64)
    for tubes in ground_truth.values():
        for tube in tubes:
            num_ground_truth[indices[tube.label]] += 1
    answers = join_answers(
        [
            answers_of_video(tubes, ground_truth[name], indices, rules)
            for name, tubes in predictions.items()
        ],
        len(labels),
    )
    return [
        score_classes(answers, num_ground_truth, tuple(labels), threshold, rules)
        for threshold in iou_thresholds
    ]


def answers_of_video(
    tubes: Sequence[Tube],
    annotated: Sequence[Tube],
    indices: Mapping[str, int],
    rules: TubeRules,
) -> Answers:
    """Return the tubes of one video against the annotated ones; the place is the video.

    Args:
        tubes: predicted.
        annotated: of the same video.
        indices: class index of each label.
        rules: how overlaps are measured.
    """
    if rules.equal_scores == "together":
        annotated = sorted(annotated, key=_by_content)  # columns depend on the ground truth alone
    classes = np.array([indices[tube.label] for tube in annotated], np.int64)
    class_scores = [_scores_of_tube(tube, indices) for tube in tubes]
    return Answers(
        places=np.zeros(len(tubes), np.int64),
        class_scores=np.array(class_scores).reshape(len(tubes), len(indices)),
        overlaps=tube_ious(tubes, annotated, rules),
        labels=np.tile(classes, (len(tubes), 1)),
    )


def _by_content(tube: Tube) -> tuple[bytes, bytes]:
    return tube.frame_indices.tobytes(), tube.boxes_xyxy.tobytes()


def _scores_of_tube(tube: Tube, indices: Mapping[str, int]) -> NDArray[np.float64]:
    """Return the (K,) scores that a predicted tube answers with."""
    if tube.class_scores is None:
        scores = np.zeros(len(indices))
        scores[indices[tube.label]] = tube.score
        return scores
    if tube.class_scores.shape != (len(indices),):
        raise ValueError(
            f"tube {tube.id}: {len(indices)} labels need as many class scores, "
            f"not {tube.class_scores.shape}"
        )
    return tube.class_scores.astype(np.float64)
