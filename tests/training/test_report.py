from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np

from vadsdk.training.report import curves_png, image_html, page, table_html, write_report
from vadsdk.training.run_folder import METRICS, read_metrics
from vadsdk.training.settings import RunConfig, with_overrides


def test_text_in_a_report_is_escaped() -> None:
    table = table_html([("class",), ("<b>wave & clap</b>",)])
    assert "<b>" not in table
    assert "&lt;b&gt;wave &amp; clap&lt;/b&gt;" in table


def test_two_runs_share_the_plots_of_their_common_metrics() -> None:
    rows = [{"step": 1, "cls": 2.0}, {"step": 2, "cls": 1.0, "cons": 0.5}]
    png = curves_png({"a": rows, "b": rows[:1]})
    image = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR)
    assert image is not None
    assert image.std() > 1  # something is drawn


def test_a_run_without_a_test_split_says_so(tmp_path: Path) -> None:
    path = write_report(tmp_path, RunConfig(), None, [], seconds=60, labelled_fraction=0.25)
    assert "no annotated test split" in path.read_text()


def test_a_report_needs_the_list_of_labelled_videos_no_more(tmp_path: Path) -> None:
    config = with_overrides(RunConfig(), ["data.labelled_list=/removed/meanwhile.json"])
    path = write_report(tmp_path, config, None, [], seconds=60, labelled_fraction=0.25)
    assert "in 1.0 minutes, with 25% of the labels" in path.read_text()


def test_a_last_line_of_metrics_that_was_cut_short_is_left_out(tmp_path: Path) -> None:
    whole = json.dumps({"step": 1, "total": 2.0})
    (tmp_path / METRICS).write_text(whole + "\n" + '{"step": 2, "to')
    assert read_metrics(tmp_path) == [{"step": 1, "total": 2.0}]


def test_a_page_needs_nothing_from_outside() -> None:
    content = page("title", [image_html(b"x", "png", "alt")])
    assert 'src="data:image/png;base64,' in content
    assert "http" not in content
