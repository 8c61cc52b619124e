"""The numbers of an evaluation, named as `scores.json` and `comparison.json` have them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from vadsdk.evaluation.video_map import STRICT_THRESHOLDS

if TYPE_CHECKING:
    from vadsdk.evaluation import ClassScores
    from vadsdk.evaluation.object_segmentation import DavisScores
    from vadsdk.streaming.scoring import ScoredVideos
    from vadsdk.streaming.scoring_objects import ObjectScores

LINKED_THRESHOLDS = (0.1, 0.2, 0.5, 0.75)


def linked_values(scored: ScoredVideos) -> dict[str, dict[str, float]]:
    """Return the video mAPs of the tubes of every linking, in [0, 1]."""
    return {name: _video_maps(one.video_scores) for name, one in scored.linked.items()}


def _video_maps(scores: Sequence[ClassScores]) -> dict[str, float]:
    def mean_at(threshold: float) -> float:
        return next(s.mean for s in scores if math.isclose(s.iou_threshold, threshold))

    values = {f"video_map_{round(100 * t)}": mean_at(t) for t in LINKED_THRESHOLDS}
    strict = [mean_at(threshold) for threshold in STRICT_THRESHOLDS]
    return {**values, "video_map_50_95": sum(strict) / len(strict)}


def stream_values(scored: ScoredVideos) -> dict[str, float]:
    """Return how the stream follows the annotated tubes."""
    stream = scored.stream
    return {
        "num_tubes": stream.num_tubes,
        "num_detected": stream.num_detected,
        "median_delay_frames": stream.median_delay_frames,
        "median_delay_seconds": stream.median_delay_seconds,
        "num_switches": stream.num_switches,
        "num_fragmentations": stream.num_fragmentations,
        "coverage": stream.coverage,
    }


def ava_values(scores: ClassScores) -> dict[str, object]:
    """Return AVA frame mAP and the AP of each class; NaN without ground truth."""
    averages = scores.average_precisions.tolist()
    return {
        "frame_map_50": scores.mean,
        "per_class": dict(zip(scores.labels, averages, strict=True)),
    }


def object_values(scores: ObjectScores) -> dict[str, object]:
    """Return J and F: means over objects, of seen and unseen categories, and of each object."""
    seen = scores.youtube_vos
    return {
        "all_frames": _davis_values(scores.all_frames),
        "without_ends": None if scores.without_ends is None else _davis_values(scores.without_ends),
        "youtube_vos": None
        if seen is None
        else {
            "j_seen": seen.region_seen,
            "j_unseen": seen.region_unseen,
            "f_seen": seen.boundary_seen,
            "f_unseen": seen.boundary_unseen,
            "overall": seen.overall,
        },
        "per_object": {
            f"{name} {number}": {"j": float(region.mean()), "f": float(boundary.mean())}
            for name, one in scores.sequences.items()
            for number, region, boundary in zip(
                one.object_ids.tolist(), one.regions, one.boundaries, strict=True
            )
        },
    }


def _davis_values(scores: DavisScores) -> dict[str, float]:
    return {
        "j_and_f": scores.mean,
        **{
            f"{letter}_{name}": getattr(statistics, name)
            for letter, statistics in (("j", scores.region), ("f", scores.boundary))
            for name in ("mean", "recall", "decay")
        },
    }


def measures(scored: ScoredVideos) -> dict[str, float]:
    """Return every measure of a model by its title, in [0, 1]; NaN where there is none."""
    report = scored.report
    values = {
        "frame mAP@0.5": report.frame_map_50,
        "localisation recall": report.localisation.localisation_recall,
        "classification recall": report.localisation.classification_recall,
        "class accuracy": report.class_accuracy,
        "mean best tube IoU": report.mean_best_iou,
        "frames covered as a stream": scored.stream.coverage,
    }
    for linking, maps in linked_values(scored).items():
        for name, value in maps.items():
            values[f"{name} ({linking})"] = value
    if report.recall_protocol is not None:
        recall = report.recall_protocol
        for index, threshold in enumerate(recall.iou_thresholds):
            values[f"frame recall@{threshold:g}"] = float(recall.mean_frame_recalls[index])
            values[f"video recall@{threshold:g}"] = float(recall.mean_video_recalls[index])
    if scored.ava is not None:
        values["AVA frame mAP@0.5"] = scored.ava.mean
    if scored.objects is not None:
        values["J"] = scored.objects.all_frames.region.mean
        values["F"] = scored.objects.all_frames.boundary.mean
        values["J&F"] = scored.objects.all_frames.mean
        if scored.objects.youtube_vos is not None:
            values["YouTube-VOS overall"] = scored.objects.youtube_vos.overall
    return values
