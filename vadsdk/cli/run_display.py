"""Shows a training run in the terminal: stages, a bar with ETA and losses, scores as a table."""

from __future__ import annotations

import math
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING

from rich.table import Table

from vadsdk.cli import console
from vadsdk.cli.counting import counted
from vadsdk.cli.run_log import RunLog
from vadsdk.evaluation import EvaluationReport
from vadsdk.evaluation.recognition import RecognitionScores

if TYPE_CHECKING:  # scores are shown where torch is not, too
    from vadsdk.training.loop import StepReport
    from vadsdk.training.settings import RunConfig


def run_display(config: RunConfig) -> RunDisplay | RunLog:
    """Return what shows a run where errors and progress go: bars in a terminal, else lines."""
    return RunDisplay(config) if console.stderr.is_terminal else RunLog(config)


class RunDisplay:
    """A `Watcher` for terminals.

    Args:
        config: names method and steps in the display.
    """

    def __init__(self, config: RunConfig) -> None:
        self._config = config
        self._progress = console.progress_bar()
        self._steps = self._progress.add_task(
            f"training {config.method}", total=config.train.max_steps, visible=False
        )

    def stage(self, title: str, total: int) -> Callable[[int, int], None]:
        """Begin a stage and return the function that is told done and total."""
        task = self._progress.add_task(title, total=total or None)

        def show(done: int, total: int) -> None:
            self._progress.update(task, completed=done, total=total, visible=done < total)

        return show

    def note(self, text: str) -> None:
        """Say something once."""
        console.stderr.print(text, highlight=False, markup=False)

    def step(self, report: StepReport) -> None:
        """Show a training step."""
        terms = "  ".join(f"{name} {value:.3f}" for name, value in report.losses.items())
        self._progress.update(
            self._steps,
            completed=report.step,
            visible=report.step < self._config.train.max_steps,
            description=f"training {self._config.method}  {terms}",
        )

    def __enter__(self) -> RunDisplay:
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._progress.stop()


def print_scores(scores: EvaluationReport | RecognitionScores, split: str) -> None:
    """Print the scores per class and their means.

    Args:
        scores: of a model.
        split: of the videos, as in "test".
    """
    header, *rows = scores.table()
    table = Table(title=f"{counted(scores.num_videos, f'{split} video')}, in percent")
    for column, name in enumerate(header):
        table.add_column(name, justify="left" if column == 0 else "right")
    for row in rows:
        table.add_row(*row, style="bold" if row[0] == "mean" else None)
    console.stdout.print(table)
    console.stdout.print(_summary(scores), highlight=False)


def _summary(scores: EvaluationReport | RecognitionScores) -> str:
    if isinstance(scores, RecognitionScores):
        return f"top-1 accuracy {100 * scores.top_1:.1f} %   top-5 {100 * scores.top_5:.1f} %"
    if math.isnan(scores.mean_best_iou):
        return "no video has an annotated action"
    return (
        f"class accuracy {100 * scores.class_accuracy:.1f} %   "
        f"mean best tube IoU {scores.mean_best_iou:.2f}"
    )
