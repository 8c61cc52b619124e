"""Pictures of an evaluation: AP of every class, precision over recall, confusions."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from vadsdk.errors import ConfigError
from vadsdk.evaluation.average_precision import ClassScores
from vadsdk.evaluation.confusion import MISSED
from vadsdk.whole_file import whole_file

if TYPE_CHECKING:
    from matplotlib.figure import Figure

INCHES_PER_CLASS = 0.28
MAX_CURVES_IN_LEGEND = 24


def plot_class_bars(scores: ClassScores, path: Path, *, title: str) -> None:
    """Write a PNG with a bar for each class that occurs, best first, and a line at their mean.

    Raises:
        ConfigError: matplotlib is not installed.
    """
    order = np.argsort(-scores.average_precisions, kind="stable")  # NaN goes last
    order = order[np.isfinite(scores.average_precisions[order])]
    figure = _new_figure(width=7.0, height=1.4 + INCHES_PER_CLASS * max(len(order), 2))
    axes = figure.add_subplot()
    names = [f"{scores.labels[index]} ({scores.num_ground_truth[index]})" for index in order]
    values = 100 * scores.average_precisions[order]
    bars = axes.barh(names, values, color="#3b6ea5")
    axes.bar_label(bars, fmt="%.1f", padding=3, fontsize=8)
    if len(order):
        axes.axvline(
            100 * scores.mean, color="#b5482f", linewidth=1, label=f"mean {100 * scores.mean:.1f}"
        )
        axes.legend(loc="lower right", frameon=False)
    axes.invert_yaxis()
    axes.set(xlim=(0, 112), xlabel=f"AP in percent at IoU {scores.iou_threshold:g}", title=title)
    axes.spines[["top", "right"]].set_visible(False)
    _save(figure, path)


def plot_precision_recall(scores: ClassScores, path: Path, *, title: str) -> None:
    """Write a PNG with the precision envelope over recall of each class that occurs.

    Raises:
        ConfigError: matplotlib is not installed.
    """
    figure = _new_figure(width=7.5, height=5.0)
    axes = figure.add_subplot()
    num_drawn = 0
    for label, average, curve in zip(
        scores.labels, scores.average_precisions, scores.curves, strict=True
    ):
        if not np.isfinite(average) or not len(curve.scores):
            continue
        recalls = np.append(0.0, curve.recalls)
        envelope = np.append(curve.envelope[:1], curve.envelope)
        axes.step(
            recalls, envelope, where="pre", linewidth=1.2, label=f"{label} {100 * average:.1f}"
        )
        num_drawn += 1
    axes.set(xlim=(0, 1.01), ylim=(0, 1.02), xlabel="recall", ylabel="precision", title=title)
    axes.grid(alpha=0.25)
    if 0 < num_drawn <= MAX_CURVES_IN_LEGEND:
        axes.legend(fontsize=7, loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False)
    _save(figure, path)


def plot_confusions(
    counts: NDArray[np.int64], labels: Sequence[str], path: Path, *, title: str
) -> None:
    """Write a PNG of `tube_confusions`: a row for each class that occurs, in shares of the row.

    Raises:
        ConfigError: matplotlib is not installed.
    """
    rows = np.flatnonzero(counts.sum(axis=1)).tolist()
    shares = counts[rows] / counts[rows].sum(axis=1, keepdims=True).clip(1)
    side = 2.0 + INCHES_PER_CLASS * max(len(labels), 4)
    figure = _new_figure(width=side + 1.0, height=side)
    axes = figure.add_subplot()
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    names = [f"{labels[row]} ({counts[row].sum()})" for row in rows]
    axes.set_yticks(range(len(rows)), names, fontsize=8)
    columns = [*labels, MISSED]
    axes.set_xticks(range(len(columns)), columns, rotation=90, fontsize=8)
    for row, column in zip(*np.nonzero(shares), strict=True):
        share = shares[row, column]
        colour = "white" if share > 0.6 else "black"
        text = f"{100 * share:.0f}"
        axes.text(column, row, text, ha="center", va="center", fontsize=6, color=colour)
    axes.set(xlabel="taken for", ylabel="annotated (tubes)", title=title)
    _save(figure, path)


def _new_figure(*, width: float, height: float) -> Figure:
    """Return a figure that belongs to no window and no global state."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise ConfigError(
            'plots need matplotlib; install it with: pip install "vadsdk[train]"'
        ) from None
    return Figure(figsize=(width, height), layout="constrained")


def _save(figure: Figure, path: Path) -> None:
    with whole_file(path) as temporary:
        figure.savefig(temporary, format="png", dpi=120)
