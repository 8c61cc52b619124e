"""What `vadsdk evaluate` prints: scores with their intervals, and the difference of two models."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rich.table import Table

from vadsdk.cli import console
from vadsdk.cli.run_display import print_scores
from vadsdk.evaluation.comparison import compare_tubes, judge_tubes
from vadsdk.evaluation.resampled_precision import map_intervals

if TYPE_CHECKING:
    from vadsdk.streaming.scoring import ScoredVideos

THRESHOLDS = (0.1, 0.2, 0.5, 0.75)
"""Spatio-temporal IoUs whose video mAP is given with its interval."""


def show_scores(
    scored: ScoredVideos, labels: tuple[str, ...], resamples: int, *, title: str
) -> dict[str, object]:
    """Print the tables and return what `scores.json` says."""
    if title:
        console.stdout.print(f"[bold]{title}[/bold]", highlight=False)
    print_scores(scored.report)
    judged = judge_tubes(scored.ground_truth, scored.tubes, labels, THRESHOLDS)
    intervals = map_intervals(judged, resamples)
    table = Table("video mAP", "percent", "95 % of the draws of videos")
    for threshold, interval in zip(THRESHOLDS, intervals, strict=True):
        ends = f"{100 * interval.low:.1f} to {100 * interval.high:.1f}"
        table.add_row(f"IoU {threshold:g}", f"{100 * interval.estimate:.1f}", ends)
    console.stdout.print(table)
    stream = scored.stream
    console.stdout.print(
        f"as a stream: {stream.num_detected} of {stream.num_tubes} actions seen, "
        f"{stream.median_delay_seconds:.2f} s after their start (median), "
        f"{100 * stream.coverage:.0f} % of their frames covered, {stream.num_switches} id "
        f"switches, {stream.num_fragmentations} interruptions",
        highlight=False,
    )
    values = scored.report.to_json()
    if scored.report.recall_protocol is not None:
        console.stdout.print(
            f"recall protocol (paper 1's own measure): {values['recall_protocol']}",
            highlight=False,
        )
    values["intervals"] = {
        f"video_map_{round(100 * threshold)}": [round(interval.low, 6), round(interval.high, 6)]
        for threshold, interval in zip(THRESHOLDS, intervals, strict=True)
    }
    values["stream"] = {
        "num_tubes": stream.num_tubes,
        "num_detected": stream.num_detected,
        "median_delay_frames": stream.median_delay_frames,
        "median_delay_seconds": stream.median_delay_seconds,
        "num_switches": stream.num_switches,
        "num_fragmentations": stream.num_fragmentations,
        "coverage": stream.coverage,
    }
    return values


def show_difference(
    models: list[Path],
    found: list[ScoredVideos],
    labels: tuple[str, ...],
    resamples: int,
) -> dict[str, object]:
    """Print how much better the second of two models is; return what `comparison.json` says."""
    judged = [judge_tubes(one.ground_truth, one.tubes, labels, THRESHOLDS) for one in found]
    differences = compare_tubes(*judged, num_resamples=resamples)
    table = Table(
        "video mAP", "A", "B", "B - A, points", "95 % of the draws", "draws in which B is better"
    )
    for threshold, first, second, row in zip(
        THRESHOLDS, *(_means(one) for one in found), differences, strict=True
    ):
        ends = f"{100 * row.difference.low:+.1f} to {100 * row.difference.high:+.1f}"
        table.add_row(
            f"IoU {threshold:g}",
            f"{100 * first:.1f}",
            f"{100 * second:.1f}",
            f"{100 * row.difference.estimate:+.1f}",
            ends,
            f"{100 * row.share_b_better:.0f} %",
        )
    console.stdout.print(f"A: {models[0]}\nB: {models[1]}", highlight=False, markup=False)
    console.stdout.print(table)
    values = {
        f"video_map_{round(100 * threshold)}": {
            "difference": row.difference.estimate,
            "interval": [row.difference.low, row.difference.high],
            "share_b_better": row.share_b_better,
        }
        for threshold, row in zip(THRESHOLDS, differences, strict=True)
    }
    return {"a": str(models[0]), "b": str(models[1]), **values}


def _means(scored: ScoredVideos) -> list[float]:
    return [scored.report.video_scores_at(threshold).mean for threshold in THRESHOLDS]
