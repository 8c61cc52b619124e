"""Shows a training run where there is no terminal: plain lines, for a log that is read later."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from types import TracebackType
from typing import TYPE_CHECKING

from vadsdk.cli import console

if TYPE_CHECKING:
    from vadsdk.training.loop import StepReport
    from vadsdk.training.settings import RunConfig

SECONDS_BETWEEN_LINES = 30.0


class RunLog:
    """A `Watcher` for pipes and files: a line now and then, with what a bar would show.

    The first step, the last one and the one before an evaluation or a note have a line each;
    between them there is one every `SECONDS_BETWEEN_LINES`.

    Args:
        config: names method and steps in the lines.
        clock: seconds from some moment on.
    """

    def __init__(self, config: RunConfig, clock: Callable[[], float] = time.monotonic) -> None:
        self._method = config.method
        self._num_steps = config.train.max_steps
        self._clock = clock
        self._written_at = clock()
        self._written_step: int | None = None
        self._timed_from: tuple[int, float] | None = None
        """A step and when it was done, from which on there were steps alone."""
        self._latest: StepReport | None = None

    def stage(self, title: str, total: int) -> Callable[[int, int], None]:
        """Begin a stage and return the function that is told done and total."""
        self._write_step()
        self._timed_from = None
        completed = 0

        def show(done: int, total: int) -> None:
            nonlocal completed
            if done != completed and (done == total or self._is_due()):
                self._write(f"{title} {done}/{total}")
                completed = done

        return show

    def note(self, text: str) -> None:
        """Say something once, after where the training stands."""
        self._write_step()
        self._write(text)

    def step(self, report: StepReport) -> None:
        """Take note of a training step."""
        self._latest = report
        if self._timed_from is None:
            self._timed_from = report.step, self._clock()
        if self._written_step is None or report.step == self._num_steps or self._is_due():
            self._write_step()

    def _write_step(self) -> None:
        """Write where the training stands, unless that is written already."""
        report = self._latest
        if report is None or report.step == self._written_step:
            return
        terms = "  ".join(f"{name} {value:.3f}" for name, value in report.losses.items())
        line = (
            f"training {self._method} {report.step}/{self._num_steps}  {terms}  "
            f"learning rate {report.learning_rate:.3g}"
        )
        since, started = self._timed_from or (report.step, 0.0)
        if report.step > since:  # the first step says nothing of the others' speed
            seconds = (self._clock() - started) / (report.step - since)
            line += f"  {seconds:.3g} s/step"
            if report.step < self._num_steps:
                remaining = round(seconds * (self._num_steps - report.step))
                line += f"  ETA {timedelta(seconds=remaining)}"
        self._write(line)
        self._written_step, self._timed_from = report.step, (report.step, self._clock())

    def _is_due(self) -> bool:
        return self._clock() - self._written_at >= SECONDS_BETWEEN_LINES

    def _write(self, line: str) -> None:
        console.stderr.print(line, highlight=False, markup=False, soft_wrap=True)
        self._written_at = self._clock()

    def __enter__(self) -> RunLog:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._write_step()
