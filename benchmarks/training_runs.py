"""A benchmark's training runs: started, resumed or just read, whichever is due."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from vadsdk.training.run_folder import CONFIG, SCORES, start_run
from vadsdk.training.running import run_training
from vadsdk.training.settings import RunConfig, read_config

DETECTION_SCORES = (
    *("video_map_50", "video_map_20", "video_map_50_95", "frame_map_50", "class_accuracy"),
    *("localised_50", "correct_and_localised_50", "mean_best_iou", "recall_protocol"),
)


RECOGNITION_SCORES = ("top_1", "top_5", "mean_class_accuracy")


def finished_scores(
    config: RunConfig, folder: Path, kept: Sequence[str] = DETECTION_SCORES
) -> dict[str, Any]:
    """Bring a run to its end and return its scores and the minutes that it took in all.

    Args:
        config: what to run; a folder that holds another config is an error.
        folder: the run folder.
        kept: names of the scores to return.
    """
    exists = (folder / CONFIG).is_file()
    if exists and read_config(folder / CONFIG) != config:
        raise SystemExit(f"{folder} holds a run with other settings; remove it or give another")
    if not (folder / SCORES).is_file():
        config = start_run(folder, config, resume=exists)
        run_training(config, folder, watcher=_Printer(folder.name, config.train.max_steps))
    values = json.loads((folder / SCORES).read_text(encoding="utf-8"))
    report_age = (folder / SCORES).stat().st_mtime - (folder / CONFIG).stat().st_mtime
    return {name: values[name] for name in kept} | {"minutes": round(report_age / 60, 1)}


class _Printer:
    """A line every so often, for logs."""

    def __init__(self, name: str, num_steps: int) -> None:
        self._name, self._num_steps = name, num_steps
        self._started = time.monotonic()

    def stage(self, title: str, total: int) -> Any:
        print(f"{self._name}: {title}", flush=True)
        return lambda done, total: None

    def note(self, text: str) -> None:
        print(f"{self._name}: {text}", flush=True)

    def step(self, report: Any) -> None:
        if report.step % 100 == 0 or report.step == self._num_steps:
            losses = " ".join(f"{name} {value:.3f}" for name, value in report.losses.items())
            seconds = time.monotonic() - self._started
            print(f"{self._name}: {seconds:.0f} s, step {report.step}, {losses}", flush=True)
