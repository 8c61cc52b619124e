"""`vadsdk evaluate`: score models on annotated videos, and compare two of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vadsdk.cli import console
from vadsdk.errors import ConfigError, DatasetError

if TYPE_CHECKING:
    from vadsdk.data.dataset import ActionDataset, VideoRecord
    from vadsdk.evaluation.confusion import TubeMatch
    from vadsdk.streaming.scoring import ScoredVideos


def evaluate(
    models: Annotated[
        list[Path],
        typer.Argument(metavar="MODEL", help="An .onnx file, a checkpoint or a run folder."),
    ],
    data: Annotated[Path, typer.Option(help="Folder of the data set.")],
    compare: Annotated[
        bool, typer.Option("--compare", help="Of two models, is the second one better?")
    ] = False,
    split: Annotated[str, typer.Option(help="Which videos.")] = "test",
    format: Annotated[
        str | None, typer.Option(help="Layout of the data set; found out if left out.")
    ] = None,
    split_index: Annotated[
        int | None, typer.Option(help="Which official split, where there are several.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for scores.json and the pictures.")
    ] = None,
    device: Annotated[str, typer.Option(help="cpu, cuda or cuda:N.")] = "cpu",
    hop: Annotated[
        int | None, typer.Option(min=1, help="Frames between windows; half a window if not given.")
    ] = None,
    resamples: Annotated[
        int, typer.Option(min=100, help="Draws of videos behind the intervals.")
    ] = 1000,
) -> None:
    """Score a model: frame mAP, video mAP with its interval and, apart, the recall protocol.

    With --compare, two models run on the same videos, and the difference comes with its interval.
    """
    from vadsdk.cli.evaluation_display import show_difference, show_scores
    from vadsdk.data.dataset import open_dataset

    if len(models) != (2 if compare else 1):
        raise ConfigError(
            f"--compare takes two models, not {len(models)}: vadsdk evaluate --compare A B --data D"
            if compare
            else f"one model is evaluated, not {len(models)}; to compare two, add --compare"
        )
    dataset = open_dataset(data, format=format, split_index=split_index)
    records = [record for record in dataset.split(split) if record.labelled]
    if not records:
        raise DatasetError(f"no video of split {split!r} in {data} is annotated")
    found = [_score(model, dataset, records, device, hop) for model in models]
    for letter, model, scored in zip("AB", models, found, strict=False):
        title = f"{letter}: {model}" if compare else ""
        values = show_scores(scored, dataset.labels, resamples, title=title)
        folder = out / letter.lower() if out is not None and compare else out
        if folder is not None:
            _write(folder, scored, dataset, records, values)
    if compare:
        values = show_difference(models, found, dataset.labels, resamples)
        if out is not None:
            _write_json(out / "comparison.json", values)


def _score(
    model: Path, dataset: ActionDataset, records: list[VideoRecord], device: str, hop: int | None
) -> ScoredVideos:
    from vadsdk.runtime import load_model
    from vadsdk.streaming.scoring import score_videos

    runner = load_model(model, device)
    with console.progress_bar() as progress:
        task = progress.add_task(f"scoring {model.name}", total=len(records))
        return score_videos(
            runner,
            dataset,
            records,
            hop=hop,
            progress=lambda done, total: progress.update(task, completed=done),
        )


def _write(
    folder: Path,
    scored: ScoredVideos,
    dataset: ActionDataset,
    records: list[VideoRecord],
    values: dict[str, object],
) -> None:
    from vadsdk.evaluation.confusion import match_tubes, tube_confusions
    from vadsdk.evaluation.plots import plot_class_bars, plot_confusions, plot_precision_recall

    _write_json(folder / "scores.json", values)
    scores = scored.report.video_scores_at(0.5)
    plot_class_bars(scores, folder / "per_class.png", title="video AP@0.5")
    plot_precision_recall(scores, folder / "precision_recall.png", title="video, IoU 0.5")
    matches = match_tubes(scored.ground_truth, scored.tubes)
    counts = tube_confusions(matches, dataset.labels)
    path = folder / "confusions.png"
    plot_confusions(counts, dataset.labels, path, title="what tubes are taken for, in %")
    written = ["scores.json", "per_class.png", "precision_recall.png", "confusions.png"]
    written += _write_worst(folder / "worst_tubes.jpg", matches, records)
    console.stdout.print(f"written to {folder}: {', '.join(written)}", highlight=False)


def _write_worst(path: Path, matches: list[TubeMatch], records: list[VideoRecord]) -> list[str]:
    import cv2

    from vadsdk.streaming.worst_tubes import draw_matches, worst_matches
    from vadsdk.whole_file import whole_file

    worst = worst_matches(matches, count=16)
    if not worst:
        return []
    picture = draw_matches(worst, {record.name: record for record in records})
    with whole_file(path) as temporary:
        cv2.imwrite(str(temporary), cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
    return [path.name]


def _write_json(path: Path, values: dict[str, object]) -> None:
    from vadsdk.whole_file import whole_file

    with whole_file(path) as temporary:
        temporary.write_text(json.dumps(_plain(values), indent=2) + "\n", encoding="utf-8")


def _plain(value: object) -> object:
    """Return a value without NaN, which JSON does not have."""
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    return None if isinstance(value, float) and value != value else value
