"""All numbers of one evaluation."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from vadsdk.errors import ConfigError
from vadsdk.evaluation.average_precision import ClassScores
from vadsdk.evaluation.localisation_recall import LocalisationRecall
from vadsdk.evaluation.recall_protocol import RecallProtocol
from vadsdk.evaluation.video_map import STRICT_THRESHOLDS

VIDEO_THRESHOLDS = (0.1, 0.2, *STRICT_THRESHOLDS)
"""The spatio-temporal IoUs at which a report has video AP: all that the field's tables ask for."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ClassRow:
    """Average precisions of one class, in [0, 1]; NaN where the class does not occur."""

    label: str
    """Name of the class."""
    num_tubes: int
    """Annotated tubes."""
    frame_ap_50: float
    """Frame AP at IoU 0.5."""
    video_ap_10: float
    """Video AP at spatio-temporal IoU 0.1."""
    video_ap_20: float
    """Video AP at spatio-temporal IoU 0.2."""
    video_ap_50: float
    """Video AP at spatio-temporal IoU 0.5."""
    video_ap_75: float
    """Video AP at spatio-temporal IoU 0.75."""
    video_ap_50_95: float
    """Mean video AP at 0.5, 0.55, ... 0.95."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class EvaluationReport:
    """How good results are: shares in [0, 1], NaN where there is nothing to measure."""

    convention: str
    """Name in `CONVENTIONS` of how frame and video AP were measured."""
    frame_scores_50: ClassScores
    """Frame AP at IoU 0.5; NaN throughout where the convention has none."""
    video_scores: tuple[ClassScores, ...]
    """Video AP at each of `VIDEO_THRESHOLDS`; `video_scores_at` finds one."""
    localisation: LocalisationRecall
    """Paper 2's localisation and classification recall at IoU 0.5, from the boxes of frames."""
    class_accuracy: float
    """Share of the videos with actions whose best-scored tube has a right class."""
    localised_50: float
    """Share of them whose best-scored tube has an IoU of 0.5 or more with any annotated tube."""
    correct_and_localised_50: float
    """Share of them whose best-scored tube has that with an annotated tube of its own class."""
    mean_best_iou: float
    """Mean over the annotated tubes of their best IoU with a predicted tube of any class."""
    num_videos: int
    """Videos in the ground truth."""
    num_videos_without_result: int
    """Those of them that have no result: their tubes count as missed."""
    num_predicted_tubes: int
    """Predicted tubes."""
    recall_protocol: RecallProtocol | None
    """Paper 1's own measure, which is no average precision; None unless the results have masks."""

    @property
    def frame_map_50(self) -> float:
        """Frame mAP at IoU 0.5."""
        return self.frame_scores_50.mean

    @property
    def video_map_10(self) -> float:
        """Video mAP at spatio-temporal IoU 0.1."""
        return self.video_scores_at(0.1).mean

    @property
    def video_map_20(self) -> float:
        """Video mAP at spatio-temporal IoU 0.2."""
        return self.video_scores_at(0.2).mean

    @property
    def video_map_50(self) -> float:
        """Video mAP at spatio-temporal IoU 0.5."""
        return self.video_scores_at(0.5).mean

    @property
    def video_map_75(self) -> float:
        """Video mAP at spatio-temporal IoU 0.75."""
        return self.video_scores_at(0.75).mean

    @property
    def video_map_50_95(self) -> float:
        """Mean of the video mAPs at 0.5, 0.55, ... 0.95."""
        strict = [self.video_scores_at(threshold).mean for threshold in STRICT_THRESHOLDS]
        return sum(strict) / len(strict)

    def video_scores_at(self, iou_threshold: float) -> ClassScores:
        """Return the video AP of every class at one of `VIDEO_THRESHOLDS`.

        Raises:
            ConfigError: the report has no such threshold.
        """
        for scores in self.video_scores:
            if math.isclose(scores.iou_threshold, iou_threshold):
                return scores
        known = ", ".join(f"{scores.iou_threshold:g}" for scores in self.video_scores)
        raise ConfigError(
            f"the report has no video AP at IoU {iou_threshold:g}, only at {known}; "
            "call video_maps for other thresholds"
        )

    @property
    def per_class(self) -> tuple[ClassRow, ...]:
        """A row for each class, in the order of the labels."""
        at = {t: self.video_scores_at(t).average_precisions for t in VIDEO_THRESHOLDS}
        strict = np.mean([at[threshold] for threshold in STRICT_THRESHOLDS], axis=0)
        return tuple(
            ClassRow(
                label=label,
                num_tubes=int(self.video_scores[0].num_ground_truth[index]),
                frame_ap_50=float(self.frame_scores_50.average_precisions[index]),
                video_ap_10=float(at[0.1][index]),
                video_ap_20=float(at[0.2][index]),
                video_ap_50=float(at[0.5][index]),
                video_ap_75=float(at[0.75][index]),
                video_ap_50_95=float(strict[index]),
            )
            for index, label in enumerate(self.frame_scores_50.labels)
        )

    def to_json(self) -> dict[str, object]:
        """Return the report for `json.dumps`; what cannot be measured is null."""
        values: dict[str, object] = {
            name: _number(getattr(self, name))
            for name in (
                *("frame_map_50", "video_map_10", "video_map_20", "video_map_50"),
                *("video_map_75", "video_map_50_95"),
                *("class_accuracy", "localised_50", "correct_and_localised_50", "mean_best_iou"),
            )
        }
        values["convention"] = self.convention
        values["localisation_recall_50"] = _number(self.localisation.localisation_recall)
        values["classification_recall_50"] = _number(self.localisation.classification_recall)
        values["num_videos"] = self.num_videos
        values["num_videos_without_result"] = self.num_videos_without_result
        values["num_true_tubes"] = sum(row.num_tubes for row in self.per_class)
        values["num_predicted_tubes"] = self.num_predicted_tubes
        values["per_class"] = {
            row.label: {
                "num_tubes": row.num_tubes,
                "frame_ap_50": _number(row.frame_ap_50),
                "video_ap_10": _number(row.video_ap_10),
                "video_ap_20": _number(row.video_ap_20),
                "video_ap_50": _number(row.video_ap_50),
                "video_ap_75": _number(row.video_ap_75),
                "video_ap_50_95": _number(row.video_ap_50_95),
            }
            for row in self.per_class
        }
        values["recall_protocol"] = _recall_json(self.recall_protocol)
        return values

    def table(self) -> list[tuple[str, ...]]:
        """Return the scores per class in percent: a header, a row for each class, and the means."""
        rows: list[tuple[str, ...]] = [
            ("class", "tubes", "frame AP@0.5", "video AP@0.2", "video AP@0.5", "video AP@0.5:0.95")
        ]
        for row in self.per_class:
            averages = (row.frame_ap_50, row.video_ap_20, row.video_ap_50, row.video_ap_50_95)
            rows.append((row.label, str(row.num_tubes), *map(_percent, averages)))
        means = (self.frame_map_50, self.video_map_20, self.video_map_50, self.video_map_50_95)
        total = str(sum(row.num_tubes for row in self.per_class))
        return [*rows, ("mean", total, *map(_percent, means))]


def _number(value: float) -> float | None:
    return None if math.isnan(value) else round(value, 6)


def _percent(value: float) -> str:
    return "-" if math.isnan(value) else f"{100 * value:.1f}"


def _recall_json(recall: RecallProtocol | None) -> dict[str, float | None] | None:
    if recall is None:
        return None
    means = (
        ("frame", recall.mean_frame_recalls),
        ("video", recall.mean_video_recalls),
    )
    return {
        f"{unit}_recall_{round(100 * threshold)}": _number(float(value))
        for unit, values in means
        for threshold, value in zip(recall.iou_thresholds, values, strict=True)
    }
