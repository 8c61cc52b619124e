from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from boxes_and_tubes import still

from vadsdk.errors import ConfigError
from vadsdk.evaluation import ClassScores, tube_average_precisions, video_map
from vadsdk.evaluation.plots import (
    plot_bars,
    plot_class_bars,
    plot_confusions,
    plot_precision_recall,
)

BOX, FAR, FAR_OFF = (0, 0, 10, 10), (40, 0, 50, 10), (80, 0, 90, 10)


def some_scores(labels: tuple[str, ...]) -> ClassScores:
    truth = {"v": [still(label, BOX, range(4)) for label in labels[:-1]]}
    tubes = {"v": [still(label, BOX, range(4), score=0.4) for label in labels[1:]]}
    return video_map(truth, tubes, labels, 0.5)


@pytest.mark.parametrize("plot", [plot_class_bars, plot_precision_recall])
@pytest.mark.parametrize(
    "labels",
    [
        ("wave",),
        ("a $\\frac$ b", "$c$", "50 $"),
        ("wave", "kick", "jump"),
        tuple("abcdefghijklmnopqrstuvwxyz"),
    ],
)
def test_a_plot_is_a_picture_that_is_not_blank(plot, labels, tmp_path: Path) -> None:
    path = tmp_path / "plot.png"
    plot(some_scores(labels), path, title="toy")
    picture = cv2.imread(str(path))
    assert picture.shape[0] > 100
    assert np.ptp(picture) > 200
    assert [entry.name for entry in tmp_path.iterdir()] == ["plot.png"]


def test_a_curve_whose_area_is_taken_by_trapezoids_is_drawn_so(tmp_path: Path) -> None:
    truth = {"v": [still("wave", BOX, range(4)), still("wave", FAR, range(4))]}
    boxes = (FAR_OFF, BOX, FAR)
    tubes = {"v": [still("wave", b, range(4), score=0.9 - n / 9) for n, b in enumerate(boxes)]}
    shares = {}
    for convention in ("yowo", "moc"):
        (scores,) = tube_average_precisions(truth, tubes, ("wave",), (0.5,), convention=convention)
        path = tmp_path / f"{convention}.png"
        plot_precision_recall(scores, path, title="toy")
        shares[convention] = cv2.imread(str(path))
    # At recall 0 the envelope lies at 2/3, the first point of the trapezoids at 1.
    assert shares["yowo"].shape == shares["moc"].shape
    assert (shares["yowo"] != shares["moc"]).any(axis=2).sum() > 500


def test_confusions_and_bars_are_pictures(tmp_path: Path) -> None:
    counts = np.array([[3, 1, 0], [0, 0, 0]])
    path = tmp_path / "confusions.png"
    plot_confusions(counts, ("a", "b"), ("a", "b", "missed"), path, title="t", unit="clips")
    assert np.ptp(cv2.imread(str(path))) > 200
    plot_bars(["a", "b"], [0.5, float("nan")], tmp_path / "bars.png", title="t", unit="share")
    assert np.ptp(cv2.imread(str(tmp_path / "bars.png"))) > 150


def test_confusions_of_nothing_and_of_names_like_formulas_are_pictures(tmp_path: Path) -> None:
    labels, path = ("$x$", r"\frac$ $"), tmp_path / "confusions.png"
    for counts in (np.zeros((2, 2), np.int64), np.eye(2, dtype=np.int64)):
        plot_confusions(counts, labels, labels, path, title="t", unit="clips")
        assert np.ptp(cv2.imread(str(path))) > 200


def test_bars_of_nothing_are_a_picture(tmp_path: Path) -> None:
    plot_bars(["a"], [float("nan")], tmp_path / "bars.png", title="t", unit="share")
    assert np.ptp(cv2.imread(str(tmp_path / "bars.png"))) > 150


def test_without_matplotlib_the_error_says_what_to_install(monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ConfigError, match=r'pip install "vadsdk\[train\]"'):
        plot_class_bars(some_scores(("wave", "kick")), tmp_path / "plot.png", title="toy")
