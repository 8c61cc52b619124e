"""What `vadsdk evaluate` prints and writes of recognisers: top-1, top-5 and confusions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from rich.table import Table

from vadsdk.cli import console
from vadsdk.cli.evaluation_files import write_json
from vadsdk.evaluation.bootstrap import (
    BootstrapInterval,
    bootstrap_interval,
    paired_difference,
)

if TYPE_CHECKING:
    from vadsdk.streaming.scoring_recognition import ScoredRecognition

TOPS = (1, 5)
MOST_CONFUSED = 5


def show_recognition(scored: ScoredRecognition, resamples: int, *, title: str) -> dict[str, object]:
    """Print the tables and return what `scores.json` says."""
    scores = scored.scores
    if title:
        console.stdout.print(f"[bold]{title}[/bold]", highlight=False)
    intervals = {f"top_{top}": _interval(scored, top, resamples) for top in TOPS}
    table = Table(
        "accuracy", "percent", "95 % of the draws of videos", title=f"{len(scored.videos)} videos"
    )
    for top, interval in zip(TOPS, intervals.values(), strict=True):
        ends = f"{100 * interval.low:.1f} to {100 * interval.high:.1f}"
        table.add_row(f"top-{top}", f"{100 * interval.estimate:.1f}", ends)
    table.add_row("mean of classes, top-1", f"{100 * scores.mean_class_accuracy:.1f}", "")
    console.stdout.print(table)
    _print_confusions(scores.confusions, scores.labels)
    if scored.num_left_out:
        console.stdout.print(
            f"{scored.num_left_out} videos without one class of their own are left out",
            highlight=False,
        )
    return {
        "top_1": scores.top_1,
        "top_5": scores.top_5,
        "mean_class_accuracy": scores.mean_class_accuracy,
        "intervals": {name: [one.low, one.high] for name, one in intervals.items()},
        "num_videos": len(scored.videos),
        "num_left_out": scored.num_left_out,
        "per_class": dict(zip(scores.labels, scores.class_accuracies.tolist(), strict=True)),
        "confusions": {"labels": list(scores.labels), "counts": scores.confusions.tolist()},
    }


def write_recognition(
    folder: Path, scored: ScoredRecognition, values: dict[str, object]
) -> list[str]:
    """Write everything and return the names of the files."""
    from vadsdk.evaluation.plots import plot_bars, plot_confusions

    scores = scored.scores
    write_json(folder / "scores.json", values)
    counts = scores.confusions.sum(axis=1).tolist()
    names = [f"{label} ({count})" for label, count in zip(scores.labels, counts, strict=True)]
    accuracies = scores.class_accuracies
    path = folder / "per_class.png"
    plot_bars(names, accuracies, path, title="top-1 of each class", unit="percent of its videos")
    path = folder / "confusions.png"
    title = "what videos are taken for, in %"
    plot_confusions(
        scores.confusions, scores.labels, scores.labels, path, title=title, unit="videos"
    )
    return ["scores.json", "per_class.png", "confusions.png"]


def show_recognition_difference(
    models: list[Path], found: list[ScoredRecognition], resamples: int
) -> dict[str, object]:
    """Print how much better the second of two is; return what `comparison.json` says."""
    first, second = found
    table = Table(
        "accuracy", "A", "B", "B - A, points", "95 % of the draws", "draws in which B is better"
    )
    values: dict[str, object] = {"a": str(models[0]), "b": str(models[1])}
    for top in TOPS:
        row = paired_difference(
            _mean_of(first.scores.ranks < top),
            _mean_of(second.scores.ranks < top),
            len(first.videos),
            resamples,
        )
        difference = row.difference
        table.add_row(
            f"top-{top}",
            f"{100 * first.scores.top(top):.1f}",
            f"{100 * second.scores.top(top):.1f}",
            f"{100 * difference.estimate:+.1f}",
            f"{100 * difference.low:+.1f} to {100 * difference.high:+.1f}",
            f"{100 * row.share_b_better:.0f} %",
        )
        values[f"top_{top}"] = {
            "difference": difference.estimate,
            "interval": [difference.low, difference.high],
            "share_b_better": row.share_b_better,
        }
    console.stdout.print(f"A: {models[0]}\nB: {models[1]}", highlight=False, markup=False)
    console.stdout.print(table)
    return values


def _interval(scored: ScoredRecognition, top: int, resamples: int) -> BootstrapInterval:
    return bootstrap_interval(_mean_of(scored.scores.ranks < top), len(scored.videos), resamples)


def _mean_of(is_right: NDArray[np.bool_]) -> Callable[[NDArray[np.int64]], float]:
    return lambda indices: float(is_right[indices].mean())


def _print_confusions(counts: NDArray[np.int64], labels: Sequence[str]) -> None:
    """Print the confusions that occur most."""
    wrong = counts.copy()
    np.fill_diagonal(wrong, 0)
    table = Table("true class", "taken for", "videos", title="most frequent confusions")
    for place in np.argsort(-wrong, axis=None, kind="stable")[:MOST_CONFUSED].tolist():
        row, column = divmod(place, len(labels))
        if wrong[row, column]:
            table.add_row(labels[row], labels[column], str(wrong[row, column]))
    if table.row_count:
        console.stdout.print(table)
