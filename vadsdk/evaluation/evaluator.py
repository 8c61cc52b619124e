"""An evaluation, gathered video by video."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from vadsdk.errors import DatasetError
from vadsdk.evaluation.average_precision import ClassScores
from vadsdk.evaluation.conventions import convention_named
from vadsdk.evaluation.frame_map import (
    FrameBoxes,
    boxes_of_frames,
    frame_average_precisions,
    frame_map,
)
from vadsdk.evaluation.ground_truth import check_videos
from vadsdk.evaluation.localisation_recall import localisation_recall
from vadsdk.evaluation.overlaps import tube_ious
from vadsdk.evaluation.recall_protocol import MaskOverlap, recall_protocol
from vadsdk.evaluation.report import VIDEO_THRESHOLDS, EvaluationReport
from vadsdk.evaluation.result_masks import TrueMasks, measure_result
from vadsdk.evaluation.video_map import tube_average_precisions
from vadsdk.structures import Tube, VideoResult


class Evaluator:
    """Gathers an evaluation video by video, so that no more than one video's masks are held.

    Args:
        labels: names of the K classes, as data set and model both have them.
        true_masks: the actors' pixels for the recall protocol, where the data set has them; else an
            actor is its filled box, as in the released script on UCF101-24.
        convention: a name in `CONVENTIONS`, by which frame and video AP are measured.

    Raises:
        ConfigError: an unknown convention.
    """

    def __init__(
        self,
        labels: Sequence[str],
        *,
        true_masks: TrueMasks | None = None,
        convention: str = "vadsdk",
    ) -> None:
        convention_named(convention)  # a wrong name fails before a long evaluation
        self._labels = tuple(labels)
        self._convention = convention
        self._true_masks = true_masks
        self._ground_truth: dict[str, Sequence[Tube]] = {}
        self._boxes: dict[str, FrameBoxes] = {}
        self._tubes: dict[str, Sequence[Tube]] = {}
        self._overlaps: list[MaskOverlap] = []

    def add(self, name: str, ground_truth: Sequence[Tube], result: VideoResult | None) -> None:
        """Take one video.

        Args:
            name: of the video; each comes once.
            ground_truth: its annotated tubes, none for a video without actions.
            result: what a detector says of it; None if there is nothing, which misses every tube.

        Raises:
            DatasetError: the name came before, or the result speaks of other labels.
        """
        if name in self._ground_truth:
            raise DatasetError(f"video {name!r} came twice; every video is evaluated once")
        self._ground_truth[name] = tuple(ground_truth)
        if result is None:
            return
        if tuple(result.labels) != self._labels:
            raise DatasetError(
                f"{name}: the model detects {', '.join(result.labels)}, but the data set has "
                f"{', '.join(self._labels)}; evaluate it on data of its own labels"
            )
        self._boxes[name] = boxes_of_frames(result.frames, len(self._labels))
        self._tubes[name] = tuple(result.tubes)
        self._overlaps.extend(measure_result(name, ground_truth, result, self._true_masks))

    def report(self) -> EvaluationReport:
        """Return the numbers of all videos so far.

        Raises:
            ConfigError: an annotated tube has an unknown label.
        """
        truth, labels = self._ground_truth, self._labels
        best = _best_tubes(truth, self._tubes)
        return EvaluationReport(
            convention=self._convention,
            frame_scores_50=self._frame_scores(),
            video_scores=tuple(
                tube_average_precisions(
                    truth, self._tubes, labels, VIDEO_THRESHOLDS, convention=self._convention
                )
            ),
            localisation=localisation_recall(truth, self._boxes, labels),
            class_accuracy=_mean(best[:, 0]),
            localised_50=_mean(best[:, 1]),
            correct_and_localised_50=_mean(best[:, 2]),
            mean_best_iou=_mean(_best_ious(truth, self._tubes)),
            num_videos=len(truth),
            num_videos_without_result=len(truth) - len(self._tubes),
            num_predicted_tubes=sum(map(len, self._tubes.values())),
            recall_protocol=recall_protocol(self._overlaps, labels) if self._overlaps else None,
        )

    def _frame_scores(self) -> ClassScores:
        """Return the frame AP at IoU 0.5; NaN for every class where the convention has none."""
        truth, boxes, labels = self._ground_truth, self._boxes, self._labels
        if convention_named(self._convention).frames is None:
            ours = frame_map(truth, boxes, labels, 0.5)
            return replace(ours, average_precisions=np.full(len(labels), np.nan))
        return frame_average_precisions(truth, boxes, labels, (0.5,), convention=self._convention)[
            0
        ]


def evaluate_results(
    ground_truth: Mapping[str, Sequence[Tube]],
    results: Mapping[str, VideoResult],
    labels: Sequence[str],
    *,
    true_masks: TrueMasks | None = None,
    convention: str = "vadsdk",
) -> EvaluationReport:
    """Evaluate the results of all videos at once; see `Evaluator` for one after another.

    Raises:
        ConfigError: an annotated tube has an unknown label, or an unknown convention.
        DatasetError: a result for a video that `ground_truth` does not list, or with other labels.
    """
    check_videos(ground_truth, results)
    evaluator = Evaluator(labels, true_masks=true_masks, convention=convention)
    for name, tubes in ground_truth.items():
        evaluator.add(name, tubes, results.get(name))
    return evaluator.report()


def _best_tubes(
    ground_truth: Mapping[str, Sequence[Tube]], predictions: Mapping[str, Sequence[Tube]]
) -> NDArray[np.bool_]:
    """Return (videos with actions, 3): is the best tube right in class, in place, in both?"""
    rows: list[tuple[bool, bool, bool]] = []
    for name, annotated in ground_truth.items():
        tubes = predictions.get(name, ())
        if not annotated:
            continue
        if not tubes:
            rows.append((False, False, False))
            continue
        best = max(tubes, key=lambda tube: (tube.score, len(tube), tube.label))
        is_class = np.array([tube.label == best.label for tube in annotated])
        is_place = tube_ious([best], annotated)[0] >= 0.5
        both = is_class & is_place
        rows.append((bool(is_class.any()), bool(is_place.any()), bool(both.any())))
    return np.array(rows, np.bool_).reshape(-1, 3)


def _best_ious(
    ground_truth: Mapping[str, Sequence[Tube]], predictions: Mapping[str, Sequence[Tube]]
) -> NDArray[np.float64]:
    """Return for each annotated tube the best IoU of any tube of its video; 0 without any."""
    best = [
        tube_ious(annotated, predictions.get(name, ())).max(axis=1, initial=0.0)
        for name, annotated in ground_truth.items()
    ]
    return np.concatenate([np.zeros(0), *best])


def _mean(values: NDArray[np.generic]) -> float:
    return float(values.astype(np.float64).mean()) if len(values) else math.nan
