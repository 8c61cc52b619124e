from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from boxes_and_tubes import still

from vadsdk.errors import ConfigError
from vadsdk.evaluation import ClassScores, video_map
from vadsdk.evaluation.plots import plot_class_bars, plot_precision_recall

BOX = (0, 0, 10, 10)


def some_scores(labels: tuple[str, ...]) -> ClassScores:
    truth = {"v": [still(label, BOX, range(4)) for label in labels[:-1]]}
    tubes = {"v": [still(label, BOX, range(4), score=0.4) for label in labels[1:]]}
    return video_map(truth, tubes, labels, 0.5)


@pytest.mark.parametrize("plot", [plot_class_bars, plot_precision_recall])
@pytest.mark.parametrize(
    "labels", [("wave",), ("wave", "kick", "jump"), tuple("abcdefghijklmnopqrstuvwxyz")]
)
def test_a_plot_is_a_picture_that_is_not_blank(plot, labels, tmp_path: Path) -> None:
    path = tmp_path / "plot.png"
    plot(some_scores(labels), path, title="toy")
    picture = cv2.imread(str(path))
    assert picture.shape[0] > 100
    assert np.ptp(picture) > 200
    assert [entry.name for entry in tmp_path.iterdir()] == ["plot.png"]


def test_without_matplotlib_the_error_says_what_to_install(monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ConfigError, match=r'pip install "vadsdk\[train\]"'):
        plot_class_bars(some_scores(("wave", "kick")), tmp_path / "plot.png", title="toy")
