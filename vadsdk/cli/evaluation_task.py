"""Scoring one model, or two beside each other: as detectors, or as recognisers of whole videos."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from vadsdk.cli import console
from vadsdk.errors import ConfigError

if TYPE_CHECKING:
    from vadsdk.data.dataset import ActionDataset, VideoRecord
    from vadsdk.streaming.scoring import ScoringSettings
    from vadsdk.structures import ClipModel


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class EvaluationTask:
    """One call of `vadsdk evaluate`, its options read."""

    models: list[Path]
    """Files, as the user gave them."""
    runners: list[ClipModel]
    """Of the models, one or two; two are compared."""
    dataset: ActionDataset
    """What they are scored on."""
    records: list[VideoRecord]
    """The annotated videos of the split, one or more."""
    out: Path | None
    """Folder for scores and pictures."""
    resamples: int
    """Draws of videos behind the intervals."""

    @property
    def is_comparison(self) -> bool:
        """Whether two models are compared."""
        return len(self.models) == 2

    @property
    def split(self) -> str:
        """Name of the split that is scored."""
        return self.records[0].split

    def places(self) -> list[tuple[str, Path | None]]:
        """Return the title and the folder of each model."""
        if not self.is_comparison:
            return [("", self.out)]
        return [
            (f"{letter}: {model}", None if self.out is None else self.out / letter.lower())
            for letter, model in zip("AB", self.models, strict=True)
        ]


def is_recognition(runners: list[ClipModel], records: list[VideoRecord]) -> bool:
    """Return whether classes of whole videos are asked for, by the models or by the data.

    Raises:
        ConfigError: one model is a recogniser and the other is not.
    """
    if all(record.video_label is not None for record in records):
        return True
    kinds = [runner.spec.kind == "recognition" for runner in runners]
    if any(kinds) and not all(kinds):
        raise ConfigError(
            "one model is a recogniser and the other finds actors; they have no measure in common "
            "on data with boxes"
        )
    return all(kinds)


def evaluate_detection(task: EvaluationTask, settings: ScoringSettings, clips: int | None) -> None:
    """Score detectors on videos with boxes; print, write and compare.

    Raises:
        ConfigError: `clips` was given, which recognisers alone have.
    """
    from vadsdk.cli.evaluation_display import show_difference, show_scores
    from vadsdk.cli.evaluation_files import write_json, write_scores
    from vadsdk.streaming.scoring import score_videos

    if clips is not None:
        raise ConfigError("--clips is for recognisers; a detector sees all windows: leave it out")
    labels, found = task.dataset.labels, []
    for model, runner in zip(task.models, task.runners, strict=True):
        with _progress(model, len(task.records)) as show:
            found.append(
                score_videos(runner, task.dataset, task.records, settings=settings, progress=show)
            )
    for scored, (title, folder) in zip(found, task.places(), strict=True):
        values = show_scores(scored, labels, task.resamples, title=title, split=task.split)
        if folder is not None:
            _say(folder, write_scores(folder, scored, task.dataset, task.records, values))
    if task.is_comparison:
        values = show_difference(task.models, found, labels, task.resamples)
        if task.out is not None:
            write_json(task.out / "comparison.json", values)


def evaluate_recognition(
    task: EvaluationTask, settings: ScoringSettings, clips: int | None
) -> None:
    """Score models by the classes of whole videos; print, write and compare.

    Raises:
        ConfigError: settings were given that detectors alone have.
    """
    from vadsdk.cli.evaluation_files import write_json
    from vadsdk.cli.evaluation_recognition import (
        show_recognition,
        show_recognition_difference,
        write_recognition,
    )
    from vadsdk.streaming.scoring import ScoringSettings
    from vadsdk.streaming.scoring_recognition import NUM_CLIPS, score_recognition

    if settings != ScoringSettings():
        raise ConfigError(
            "classes of whole videos are scored by top-1 and top-5 alone; leave out --hop, "
            "--convention, --linking and the options of AVA"
        )
    found = []
    for model, runner in zip(task.models, task.runners, strict=True):
        with _progress(model, len(task.records)) as show:
            found.append(
                score_recognition(
                    runner,
                    task.dataset.labels,
                    task.records,
                    num_clips=clips or NUM_CLIPS,
                    progress=show,
                )
            )
    for scored, (title, folder) in zip(found, task.places(), strict=True):
        values = show_recognition(scored, task.resamples, title=title)
        if folder is not None:
            _say(folder, write_recognition(folder, scored, values))
    if task.is_comparison:
        values = show_recognition_difference(task.models, found, task.resamples)
        if task.out is not None:
            write_json(task.out / "comparison.json", values)


@contextmanager
def _progress(model: Path, total: int) -> Iterator[Callable[[int, int], None]]:
    with console.progress_bar() as progress:
        task = progress.add_task(f"scoring {model.name}", total=total)
        yield lambda done, total: progress.update(task, completed=done, total=total)


def _say(folder: Path, written: list[str]) -> None:
    console.stdout.print(f"written to {folder}: {', '.join(written)}", highlight=False)
