"""What `vadsdk evaluate` prints: scores with their intervals, and the difference of two models."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

from rich.table import Table

from vadsdk.cli import console
from vadsdk.cli.evaluation_values import (
    LINKED_THRESHOLDS,
    ava_values,
    linked_values,
    measures,
    object_values,
    stream_values,
)
from vadsdk.cli.run_display import print_scores
from vadsdk.evaluation.comparison import compare_tubes, judge_tubes
from vadsdk.evaluation.resampled_precision import JudgedAnswers, map_intervals
from vadsdk.streaming.scoring_linking import ONLINE

if TYPE_CHECKING:
    from vadsdk.evaluation import ClassScores, RecallProtocol
    from vadsdk.evaluation.bootstrap import BootstrapInterval, PairedDifference
    from vadsdk.evaluation.streaming_measures import StreamingSummary
    from vadsdk.streaming.scoring import ScoredVideos
    from vadsdk.streaming.scoring_objects import ObjectScores

THRESHOLDS = (0.1, 0.2, 0.5, 0.75)
"""Spatio-temporal IoUs whose video mAP is given with its interval."""


def show_scores(
    scored: ScoredVideos, labels: tuple[str, ...], resamples: int, *, title: str, split: str
) -> dict[str, object]:
    """Print the tables and return what `scores.json` says."""
    if title:
        console.stdout.print(f"[bold]{title}[/bold]", highlight=False)
    print_scores(scored.report, split)
    intervals = map_intervals(_judged(scored, labels), resamples)
    _print_video_maps(scored, intervals)
    _print_recalls(scored)
    if scored.num_left_out:
        console.stdout.print(
            f"{scored.num_left_out} videos with a class and without boxes are left out",
            highlight=False,
        )
    if scored.ava is not None:
        _print_ava(scored.ava)
    if scored.objects is not None:
        _print_objects(scored.objects)
    values = scored.report.to_json()
    values["num_left_out"] = scored.num_left_out
    values["linking"] = next(iter(scored.linked))
    values["intervals"] = {
        f"video_map_{round(100 * threshold)}": [round(interval.low, 6), round(interval.high, 6)]
        for threshold, interval in zip(THRESHOLDS, intervals, strict=True)
    }
    values["linkings"] = linked_values(scored)
    values["stream"] = stream_values(scored)
    values["ava"] = None if scored.ava is None else ava_values(scored.ava)
    values["objects"] = None if scored.objects is None else object_values(scored.objects)
    return values


def show_difference(
    models: list[Path],
    found: list[ScoredVideos],
    labels: tuple[str, ...],
    resamples: int,
) -> dict[str, object]:
    """Print how much better the second of two models is; return what `comparison.json` says."""
    differences = compare_tubes(*(_judged(one, labels) for one in found), num_resamples=resamples)
    console.stdout.print(f"A: {models[0]}\nB: {models[1]}", highlight=False, markup=False)
    _print_differences(found, differences)
    first, second = (measures(one) for one in found)
    table = Table("every measure", "A", "B", "B - A, points")
    others: dict[str, object] = {}
    for name in [name for name in first if name in second]:
        a, b = first[name], second[name]
        table.add_row(name, _percent(a), _percent(b), _points(b - a))
        others[name] = {"a": a, "b": b}
    console.stdout.print(table)
    values = {
        f"video_map_{round(100 * threshold)}": {
            "difference": row.difference.estimate,
            "interval": [row.difference.low, row.difference.high],
            "share_b_better": row.share_b_better,
        }
        for threshold, row in zip(THRESHOLDS, differences, strict=True)
    }
    return {"a": str(models[0]), "b": str(models[1]), **values, "measures": others}


def linking_title(linking: str) -> str:
    """Return what a reader should know of a linking's tubes."""
    return f"{linking} (as streamed)" if linking == ONLINE else f"{linking} (offline)"


def _judged(scored: ScoredVideos, labels: tuple[str, ...]) -> JudgedAnswers:
    return judge_tubes(
        scored.ground_truth,
        scored.tubes,
        labels,
        THRESHOLDS,
        convention=scored.report.convention,
    )


def _print_video_maps(scored: ScoredVideos, intervals: tuple[BootstrapInterval, ...]) -> None:
    linking = linking_title(next(iter(scored.linked)))
    table = Table(
        "video mAP",
        "percent",
        "95 % of the draws of videos",
        title=f"tubes: {linking}, convention: {scored.report.convention}",
    )
    for threshold, interval in zip(THRESHOLDS, intervals, strict=True):
        ends = f"{_percent(interval.low)} to {_percent(interval.high)}"
        table.add_row(f"IoU {threshold:g}", _percent(interval.estimate), ends)
    table.add_row("IoU 0.5:0.95", _percent(scored.report.video_map_50_95), "")
    console.stdout.print(table)
    if len(scored.linked) == 1:
        return
    names = [f"IoU {threshold:g}" for threshold in LINKED_THRESHOLDS]
    table = Table("tubes by", *names, "0.5:0.95", title="video mAP by linking, in percent")
    for name, values in linked_values(scored).items():
        table.add_row(linking_title(name), *map(_percent, values.values()))
    console.stdout.print(table)


def _print_recalls(scored: ScoredVideos) -> None:
    recall, stream = scored.report.localisation, scored.stream
    console.stdout.print(
        f"localisation recall {_percent(recall.localisation_recall)} %, classification recall "
        f"{_percent(recall.classification_recall)} % of annotated boxes, IoU above 0.5",
        highlight=False,
    )
    if stream.num_tubes:
        console.stdout.print(_stream_line(stream), highlight=False)
    if scored.report.recall_protocol is not None:
        console.stdout.print(_recall_line(scored.report.recall_protocol), highlight=False)


def _stream_line(stream: StreamingSummary) -> str:
    delay = stream.median_delay_seconds
    after = "" if math.isnan(delay) else f", {delay:.2f} s after their start (median)"
    return (
        f"as a stream: {stream.num_detected} of {stream.num_tubes} actions seen{after}, "
        f"{100 * stream.coverage:.0f} % of their frames covered, {stream.num_switches} id "
        f"switches, {stream.num_fragmentations} interruptions"
    )


def _recall_line(recall: RecallProtocol) -> str:
    parts = [
        f"{_percent(float(shares[index]))} % of {unit} at IoU {threshold:g}"
        for unit, shares in (
            ("frames", recall.mean_frame_recalls),
            ("videos", recall.mean_video_recalls),
        )
        for index, threshold in enumerate(recall.iou_thresholds)
    ]
    return f"recall protocol (paper 1's own measure, no mAP): {', '.join(parts)}"


def _print_ava(scores: ClassScores) -> None:
    title = f"AVA frame mAP@{scores.iou_threshold:g}, in percent"
    table = Table("class", "boxes", "detections", "frame AP", title=title)
    for row in zip(
        scores.labels,
        scores.num_ground_truth.tolist(),
        scores.num_answers.tolist(),
        scores.average_precisions.tolist(),
        strict=True,
    ):
        label, count, num_answers, average = row
        if count:
            table.add_row(label, str(count), str(num_answers), _percent(average))
    total = str(int(scores.num_ground_truth.sum()))
    answers = str(int(scores.num_answers.sum()))
    table.add_row("mean", total, answers, _percent(scores.mean), style="bold")
    console.stdout.print(table)


def _print_objects(scores: ObjectScores) -> None:
    count = sum(len(one.object_ids) for one in scores.sequences.values())
    title = f"{count} objects of {len(scores.sequences)} sequences, no mask given, in percent"
    header = ("frames", "J", "recall", "decay", "F", "recall", "decay", "J&F")
    table = Table(*header, title=title)
    parts = {"all": scores.all_frames, "without first and last": scores.without_ends}
    for name, part in parts.items():
        if part is not None:
            statistics = (part.region, part.boundary)
            values = [v for s in statistics for v in (s.mean, s.recall, s.decay)]
            table.add_row(name, *map(_percent, (*values, part.mean)))
    console.stdout.print(table)
    if scores.youtube_vos is not None:
        seen = scores.youtube_vos
        columns = ("J seen", "J unseen", "F seen", "F unseen", "overall")
        table = Table(*columns, title="by category, seen in training or not, in percent")
        shares = (seen.region_seen, seen.region_unseen, seen.boundary_seen, seen.boundary_unseen)
        table.add_row(*map(_percent, (*shares, seen.overall)))
        console.stdout.print(table)


def _print_differences(
    found: list[ScoredVideos], differences: tuple[PairedDifference, ...]
) -> None:
    table = Table(
        "video mAP", "A", "B", "B - A, points", "95 % of the draws", "draws in which B is better"
    )
    for threshold, first, second, row in zip(
        THRESHOLDS, *(_means(one) for one in found), differences, strict=True
    ):
        ends = f"{_points(row.difference.low)} to {_points(row.difference.high)}"
        better = "-" if math.isnan(row.difference.estimate) else f"{100 * row.share_b_better:.0f} %"
        table.add_row(
            f"IoU {threshold:g}",
            _percent(first),
            _percent(second),
            _points(row.difference.estimate),
            ends,
            better,
        )
    console.stdout.print(table)


def _means(scored: ScoredVideos) -> list[float]:
    return [scored.report.video_scores_at(threshold).mean for threshold in THRESHOLDS]


def _percent(share: float) -> str:
    return "-" if math.isnan(share) else f"{100 * share:.1f}"


def _points(difference: float) -> str:
    return "-" if math.isnan(difference) else f"{100 * difference:+.1f}"
