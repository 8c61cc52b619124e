"""Who watches a run as it goes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from vadsdk.training.loop import StepReport


class Watcher(Protocol):
    """Shows a run as it goes; `SilentWatcher` shows nothing."""

    def stage(self, title: str, total: int) -> Callable[[int, int], None]:
        """Begin a stage and return the function that is told done and total."""
        ...

    def note(self, text: str) -> None:
        """Say something once."""
        ...

    def step(self, report: StepReport) -> None:
        """Show a training step."""
        ...


class SilentWatcher:
    """Shows nothing."""

    def stage(self, title: str, total: int) -> Callable[[int, int], None]:
        """Begin a stage."""
        return lambda done, total: None

    def note(self, text: str) -> None:
        """Say something once."""

    def step(self, report: StepReport) -> None:
        """Show a training step."""
