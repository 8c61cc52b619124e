"""`report.html` of a run: settings, curves, scores per class, example pictures; in one file."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from vadsdk.evaluation.recognition import RecognitionScores
from vadsdk.training.run_folder import METRICS, REPORT, read_metrics, write_text
from vadsdk.training.scoring import Scores
from vadsdk.training.settings import RunConfig

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem;
       color: #1c2430; background: #fff }
h1 { font-size: 1.6rem } h2 { font-size: 1.15rem; margin-top: 2rem }
table { border-collapse: collapse; width: 100% } td, th { padding: .25rem .6rem; text-align: right }
td:first-child, th:first-child { text-align: left } tr:nth-child(even) { background: #f3f5f8 }
th { border-bottom: 2px solid #c9d1db } img { max-width: 100% } pre { background: #f3f5f8;
padding: .8rem; overflow: auto } .numbers { display: flex; flex-wrap: wrap; gap: 1rem }
.numbers div { background: #f3f5f8; padding: .6rem 1rem; border-radius: .4rem }
.numbers b { display: block; font-size: 1.4rem }
"""


def write_report(
    folder: Path,
    config: RunConfig,
    scores: Scores | None,
    pictures: Sequence[NDArray[np.uint8]],
    *,
    seconds: float,
    labelled_fraction: float,
) -> Path:
    """Write the report of a run and return its path.

    Args:
        folder: the run folder; its metrics become the curves.
        config: what was run.
        scores: on the test split, if there is one.
        pictures: (H, W, 3) RGB images with the predictions drawn in.
        seconds: how long the run took.
        labelled_fraction: share of each class that was labelled, in (0, 1].
    """
    parts = [
        f"<h1>{html.escape(config.method)} · {html.escape(config.model)}</h1>",
        f"<p>{config.train.max_steps} steps in {seconds / 60:.1f} minutes, with "
        f"{labelled_fraction:.0%} of the labels.</p>",
        _score_section(scores),
        _curve_section(folder),
        _picture_section(pictures),
        f"<h2>Config</h2><pre>{html.escape(config.model_dump_json(indent=2))}</pre>",
    ]
    write_text(folder / REPORT, page("vadsdk run", parts))
    return folder / REPORT


def page(title: str, parts: Sequence[str]) -> str:
    """Return a whole HTML page that needs nothing from outside."""
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{html.escape(title)}'
        f"</title><style>{_STYLE}</style></head><body>{''.join(parts)}</body></html>\n"
    )


def table_html(rows: Sequence[Sequence[str]]) -> str:
    """Return an HTML table; the first row is the header."""
    header, *body = rows
    lines = ["".join(f"<th>{html.escape(cell)}</th>" for cell in header)]
    lines += ["".join(f"<td>{html.escape(cell)}</td>" for cell in row) for row in body]
    return "<table>" + "".join(f"<tr>{line}</tr>" for line in lines) + "</table>"


def numbers_html(numbers: Mapping[str, str]) -> str:
    """Return a row of large numbers with their names."""
    cells = (f"<div><b>{html.escape(v)}</b>{html.escape(k)}</div>" for k, v in numbers.items())
    return f'<div class="numbers">{"".join(cells)}</div>'


def image_html(png_or_jpeg: bytes, kind: str, text: str) -> str:
    """Return an image inside the page."""
    data = base64.b64encode(png_or_jpeg).decode()
    return f'<p><img alt="{html.escape(text)}" src="data:image/{kind};base64,{data}"></p>'


def _score_section(scores: Scores | None) -> str:
    if scores is None:
        return (
            "<h2>Scores</h2><p>The data set has no annotated test split; "
            "<code>vadsdk data split --test</code> holds out a share of its videos.</p>"
        )
    numbers = _main_numbers(scores)
    return "<h2>Scores on the test split</h2>" + numbers_html(numbers) + table_html(scores.table())


def _main_numbers(scores: Scores) -> dict[str, str]:
    if isinstance(scores, RecognitionScores):
        return {
            "top-1 accuracy": f"{100 * scores.top_1:.1f}",
            "top-5 accuracy": f"{100 * scores.top_5:.1f}",
            "mean class accuracy": f"{100 * scores.mean_class_accuracy:.1f}",
        }
    return {
        "video mAP@0.5": f"{100 * scores.video_map_50:.1f}",
        "video mAP@0.2": f"{100 * scores.video_map_20:.1f}",
        "frame mAP@0.5": f"{100 * scores.frame_map_50:.1f}",
        "class accuracy": f"{100 * scores.class_accuracy:.1f}",
        "mean best tube IoU": f"{scores.mean_best_iou:.2f}",
    }


def _curve_section(folder: Path) -> str:
    rows = read_metrics(folder)
    if not rows:
        return ""
    png = curves_png({METRICS: rows})
    return "<h2>Training</h2>" + image_html(png, "png", "losses and learning rate over the steps")


def curves_png(runs: Mapping[str, Sequence[Mapping[str, float]]]) -> bytes:
    """Return a PNG with a small plot for each metric; several runs share the plots."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    names = list(dict.fromkeys(n for rows in runs.values() for row in rows for n in row))
    names = [name for name in names if name != "step"]
    columns = 3
    lines = -(-len(names) // columns)
    figure = Figure(figsize=(3.6 * columns, 2.3 * lines), layout="constrained")
    FigureCanvasAgg(figure)
    for position, name in enumerate(names):
        axes = figure.add_subplot(lines, columns, position + 1)
        axes.set_title(name, fontsize=10)
        for run, rows in runs.items():
            points = [(row["step"], row[name]) for row in rows if name in row]
            if points:
                axes.plot(*zip(*points, strict=True), label=run, linewidth=1.4)
        axes.tick_params(labelsize=8)
        if len(runs) > 1 and position == 0:
            axes.legend(fontsize=8)
    target = io.BytesIO()
    figure.savefig(target, format="png", dpi=110)
    return target.getvalue()


def _picture_section(pictures: Sequence[NDArray[np.uint8]]) -> str:
    if not pictures:
        return ""
    return "<h2>Test videos</h2>" + "".join(map(picture_html, pictures))


def picture_html(picture: NDArray[np.uint8]) -> str:
    """Return an (H, W, 3) RGB image inside the page."""
    done, jpeg = cv2.imencode(".jpg", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
    assert done  # an in-memory JPEG of a valid image
    return image_html(jpeg.tobytes(), "jpeg", "predictions on a test video")
