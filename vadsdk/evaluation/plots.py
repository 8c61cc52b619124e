"""Pictures of an evaluation: AP of every class, precision over recall, confusions."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from vadsdk.errors import ConfigError
from vadsdk.evaluation.average_precision import ClassScores
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
    names = [
        f"{label} ({count})"
        for label, count in zip(scores.labels, scores.num_ground_truth, strict=True)
    ]
    unit = f"AP in percent at IoU {scores.iou_threshold:g}"
    plot_bars(names, scores.average_precisions, path, title=title, unit=unit)


def plot_bars(
    names: Sequence[str],
    shares: Sequence[float] | NDArray[np.float64],
    path: Path,
    *,
    title: str,
    unit: str,
) -> None:
    """Write a PNG with a bar for each share in [0, 1] that is known, best first, and their mean.

    Raises:
        ConfigError: matplotlib is not installed.
    """
    values = 100 * np.asarray(shares, np.float64)
    order = np.argsort(-values, kind="stable")  # NaN goes last
    order = order[np.isfinite(values[order])]
    figure = _new_figure(width=7.0, height=1.4 + INCHES_PER_CLASS * max(len(order), 2))
    axes = figure.add_subplot()
    bars = axes.barh(np.arange(len(order)), values[order], color="#3b6ea5")
    axes.set_yticks(np.arange(len(order)), [as_it_is(names[index]) for index in order])
    axes.bar_label(bars, fmt="%.1f", padding=3, fontsize=8)
    if len(order):
        mean = values[order].mean()
        axes.axvline(mean, color="#b5482f", linewidth=1, label=f"mean {mean:.1f}")
        axes.legend(loc="lower right", frameon=False)
    axes.set_ylim(max(len(order), 1) - 0.5, -0.5)  # the first bar on top; room even without any
    axes.set(xlim=(0, 112), xlabel=unit, title=title)
    axes.spines[["top", "right"]].set_visible(False)
    _save(figure, path)


def plot_precision_recall(scores: ClassScores, path: Path, *, title: str) -> None:
    """Write a PNG with precision over recall of each class that occurs, as its area is taken.

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
        name = f"{as_it_is(label)} {100 * average:.1f}"
        if curve.area == "envelope":
            envelope = np.append(curve.envelope[:1], curve.envelope)
            axes.step(recalls, envelope, where="pre", linewidth=1.2, label=name)
        else:
            axes.plot(recalls, np.append(1.0, curve.precisions), linewidth=1.2, label=name)
        num_drawn += 1
    axes.set(xlim=(0, 1.01), ylim=(0, 1.02), xlabel="recall", ylabel="precision", title=title)
    axes.grid(alpha=0.25)
    if 0 < num_drawn <= MAX_CURVES_IN_LEGEND:
        axes.legend(fontsize=7, loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False)
    _save(figure, path)


def plot_confusions(
    counts: NDArray[np.int64],
    labels: Sequence[str],
    columns: Sequence[str],
    path: Path,
    *,
    title: str,
    unit: str,
) -> None:
    """Write a PNG of confusions: a row for each class that occurs, in shares of the row.

    Args:
        counts: (K, C) by true class and by what it is taken for.
        labels: names of the K classes.
        columns: names of the C things that they are taken for.
        path: of the PNG.
        title: above it.
        unit: what is counted, such as "tubes".

    Raises:
        ConfigError: matplotlib is not installed.
    """
    rows = np.flatnonzero(counts.sum(axis=1)).tolist()
    shares = counts[rows] / counts[rows].sum(axis=1, keepdims=True).clip(1)
    side = 2.0 + INCHES_PER_CLASS * max(len(labels), 4)
    figure = _new_figure(width=side + 1.0, height=side)
    axes = figure.add_subplot()
    if rows:
        axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    names = [f"{as_it_is(labels[row])} ({counts[row].sum()})" for row in rows]
    axes.set_yticks(range(len(rows)), names, fontsize=8)
    axes.set_xticks(range(len(columns)), map(as_it_is, columns), rotation=90, fontsize=8)
    for row, column in zip(*np.nonzero(shares), strict=True):
        share = shares[row, column]
        colour = "white" if share > 0.6 else "black"
        text = f"{100 * share:.0f}"
        axes.text(column, row, text, ha="center", va="center", fontsize=6, color=colour)
    axes.set(xlabel="taken for", ylabel=f"annotated ({unit})", title=title)
    _save(figure, path)


def as_it_is(text: str) -> str:
    """Return a label so that matplotlib draws it as it is: `$` would begin a formula."""
    return text.replace("$", r"\$")


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
