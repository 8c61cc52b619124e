"""What `vadsdk demo` does, step by step, and the report it leaves.

OUT/toy/  supervised/  e2e/  model.onnx  annotated.mp4  frames.jsonl  tubes.json
report.html  summary.json
"""

from __future__ import annotations

import json
import resource
import shutil
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.table import Table

from vadsdk.cli import console
from vadsdk.cli.export import clips_of
from vadsdk.cli.predict import run_job
from vadsdk.cli.run_display import run_display
from vadsdk.cli.sinks import Job
from vadsdk.data.dataset import VideoRecord, open_dataset
from vadsdk.data.held_out import TEST_SPLIT, has_test_split
from vadsdk.data.splits import LEARNED_SPLIT, choose_labelled
from vadsdk.data.toy import generate_toy_dataset
from vadsdk.detector import Detector
from vadsdk.errors import ConfigError
from vadsdk.evaluation import EvaluationReport
from vadsdk.export import export_onnx
from vadsdk.models.checkpoint_file import load_checkpoint
from vadsdk.runtime import load_model
from vadsdk.training.pictures import video_strip
from vadsdk.training.recipes import recipe
from vadsdk.training.report import (
    curves_png,
    image_html,
    numbers_html,
    page,
    picture_html,
    table_html,
)
from vadsdk.training.run_folder import BEST, read_metrics, start_run, write_text
from vadsdk.training.running import run_training
from vadsdk.training.session import RunResult
from vadsdk.training.settings import merged
from vadsdk.video import VideoWriter, open_source, probe

METHODS = ("supervised", "e2e")
STREAMED_VIDEOS = 4
"""Test videos that are joined into the one that is streamed and drawn."""
_SCORES = ("video_map_50", "video_map_20", "frame_map_50", "class_accuracy", "mean_best_iou")


@dataclass(frozen=True, kw_only=True, slots=True)
class DemoSettings:
    """What the command line asks for; see `vadsdk demo --help`."""

    out: Path
    data: Path | None
    labelled_fraction: float
    steps: int
    num_clips: int
    seed: int


def run_demo(settings: DemoSettings) -> dict[str, object]:
    """Run the demo and return its summary, as `summary.json` holds it."""
    started = time.monotonic()
    _make_folder(settings.out)
    data = settings.data or _toy_footage(settings)
    _require_what_it_compares(settings, data)
    results = {method: _train(settings, data, method) for method in METHODS}
    parity = _export(settings.out, data)
    stream = _stream(settings.out, data)
    summary: dict[str, object] = {
        **{method: _scores(result) for method, result in results.items()},
        "parity": {"max_abs_error": parity},
        "stream": stream,
        "seconds": round(time.monotonic() - started, 1),
        "peak_memory_bytes": _peak_memory_bytes(),
    }
    _write_report(settings, data, summary)
    write_text(settings.out / "summary.json", json.dumps(summary, indent=2) + "\n")
    _print_summary(settings.out, summary)
    return summary


def _make_folder(out: Path) -> None:
    """Empty the folder of an earlier demo; refuse one that holds anything else."""
    if out.exists() and any(out.iterdir()):
        if not (out / "demo.json").is_file():
            raise ConfigError(f"{out} holds something that is no demo; give another --out")
        shutil.rmtree(out)
    write_text(out / "demo.json", "{}\n")


def _toy_footage(settings: DemoSettings) -> Path:
    folder = settings.out / "toy"
    with console.progress_bar() as progress:
        task = progress.add_task("making toy footage", total=settings.num_clips)
        generate_toy_dataset(
            folder,
            num_clips=settings.num_clips,
            seed=settings.seed,
            progress=lambda done, total: progress.update(task, completed=done),
        )
    return folder


def _require_what_it_compares(settings: DemoSettings, data: Path) -> None:
    """Raise a ConfigError, before anything is learned, if a method would have nothing to show."""
    dataset = open_dataset(data)
    if not has_test_split(dataset):
        raise ConfigError(
            f"{data} has no annotated split {TEST_SPLIT!r} to compare the methods on. Name it in "
            "the annotation (CVAT: the task's subset), or use vadsdk data split --test and "
            "vadsdk train"
        )
    learned = dataset.split(LEARNED_SPLIT)
    labelled = choose_labelled(learned, settings.labelled_fraction, settings.seed)
    if len(labelled) == len(learned):
        raise ConfigError(
            f"all {len(learned)} training videos are labelled with --labelled-fraction "
            f"{settings.labelled_fraction:g}, of which each class has at least one, and e2e learns "
            "from videos without labels, too; give more videos (--num-clips) or a smaller fraction"
        )


def _train(settings: DemoSettings, data: Path, method: str) -> RunResult:
    """Train one method; both see the same labels and take the same number of steps."""
    config = merged(
        recipe(f"toy-masks-{method}"),
        {},
        {
            "data": {
                "root": str(data),
                "labelled_fraction": settings.labelled_fraction,
                "labelled_seed": settings.seed,
            },
            "train": {"max_steps": settings.steps, "seed": settings.seed},
        },
    )
    folder = settings.out / method
    start_run(folder, config, resume=False)
    with run_display(config) as display:
        result = run_training(config, folder, watcher=display)
    # There is a test split, and the recipes train detectors.
    assert isinstance(result.scores, EvaluationReport)
    console.stdout.print(
        f"{method}: video mAP@0.5 {100 * result.scores.video_map_50:.1f} "
        f"({result.seconds / 60:.1f} min)",
        highlight=False,
    )
    return result


def _export(out: Path, data: Path) -> float:
    network, spec = load_checkpoint(out / "e2e" / BEST)
    report = export_onnx(network, spec, out / "model.onnx", clips=clips_of(data, spec))
    return report.parity.max_abs_error


def _stream(out: Path, data: Path) -> dict[str, float]:
    """Stream a few test videos, joined, through the exported model; measure and write results."""
    video = out / "stream.mp4"
    records = _spread(_test_records(data), STREAMED_VIDEOS)
    _join(records, video)
    detector = Detector.load(out / "model.onnx")
    started = time.monotonic()
    num_frames = sum(1 for _ in detector.stream(video))
    seconds = time.monotonic() - started
    fps = probe(video).fps or 25.0
    job = Job(
        source=video,
        save=out / "annotated.mp4",
        jsonl=out / "frames.jsonl",
        tubes=out / "tubes.json",
    )
    run_job(detector, job, hop=None)
    video.unlink()
    rate = num_frames / seconds
    return {"frames_per_second": round(rate, 1), "real_time_factor": round(rate / fps, 2)}


def _join(records: list[VideoRecord], target: Path) -> None:
    with VideoWriter(target, fps=records[0].fps) as writer:
        for record in records:
            for frame in open_source(record.path):
                writer.write(frame.image)


def _test_records(data: Path) -> list[VideoRecord]:
    return [record for record in open_dataset(data).records if record.split == TEST_SPLIT]


def _spread(records: list[VideoRecord], count: int) -> list[VideoRecord]:
    """Return videos spread over a list, of the first one's frame size."""
    alike = [r for r in records if (r.height, r.width) == (records[0].height, records[0].width)]
    return [alike[i] for i in np.unique(np.linspace(0, len(alike) - 1, count).astype(int))]


def _scores(result: RunResult) -> dict[str, object]:
    assert result.scores is not None  # checked where it was made
    values = result.scores.to_json()
    return {name: values[name] for name in _SCORES} | {"seconds": round(result.seconds, 1)}


def _peak_memory_bytes() -> int:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _summary_rows(summary: dict[str, object]) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = [("same labels, same steps", *METHODS)]
    for name in _SCORES:
        values = [summary[method][name] for method in METHODS]  # type: ignore[index]
        rows.append((name.replace("_", " "), *(f"{100 * value:.1f}" for value in values)))
    return rows


def _write_report(settings: DemoSettings, data: Path, summary: dict[str, object]) -> None:
    out = settings.out
    runs = {method: read_metrics(out / method) for method in METHODS}
    model = load_model(out / "model.onnx")
    strips = [video_strip(model, r.path) for r in _spread(_test_records(data), 6)]
    stream = summary["stream"]
    assert isinstance(stream, dict)
    parts = [
        "<h1>vadsdk demo</h1>",
        f"<p>Two trainings on {data.name} with the same {settings.labelled_fraction:.0%} of the "
        "labels; e2e also learns from the rest without its labels.</p>",
        table_html(_summary_rows(summary)),
        "<h2>The exported model</h2>",
        numbers_html(
            {
                "frames a second, one stream": f"{stream['frames_per_second']}",
                "times real time": f"{stream['real_time_factor']}",
                "largest difference to torch": f"{summary['parity']['max_abs_error']:.1e}",  # type: ignore[index]
                "minutes in all": f"{summary['seconds'] / 60:.1f}",  # type: ignore[operator]
            }
        ),
        "<h2>Training</h2>",
        image_html(curves_png(runs), "png", "losses over the steps"),
        "<h2>Test videos, as e2e sees them</h2>",
        *(picture_html(strip) for strip in strips),
    ]
    write_text(out / "report.html", page("vadsdk demo", parts))


def _print_summary(out: Path, summary: dict[str, object]) -> None:
    header, *rows = _summary_rows(summary)
    table = Table(title="vadsdk demo, test videos, in percent")
    for name in header:
        table.add_column(name, justify="left" if name == header[0] else "right")
    for row in rows:
        table.add_row(*row)
    console.stdout.print(table)
    stream = summary["stream"]
    assert isinstance(stream, dict)
    console.stdout.print(
        f"export differs from torch by at most {summary['parity']['max_abs_error']:.1e}; "  # type: ignore[index]
        f"streams {stream['frames_per_second']} frames/s "
        f"({stream['real_time_factor']}x real time); "
        f"{summary['seconds']} s, {summary['peak_memory_bytes'] / 2**30:.1f} GiB\n"  # type: ignore[operator]
        f"look at {out}/report.html and {out}/annotated.mp4",
        highlight=False,
        soft_wrap=True,
    )
