"""`vadsdk evaluate`: frame mAP and video mAP of a model on annotated videos."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from vadsdk.cli import console
from vadsdk.errors import DatasetError


def evaluate(
    model: Annotated[Path, typer.Argument(help="An .onnx file, a checkpoint or a run folder.")],
    data: Annotated[Path, typer.Option(help="Folder of the data set.")],
    split: Annotated[str, typer.Option(help="Which videos.")] = "test",
    format: Annotated[
        str | None, typer.Option(help="Layout of the data set; found out if left out.")
    ] = None,
    split_index: Annotated[
        int | None, typer.Option(help="Which official split, where there are several.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for scores.json and per_class.png.")
    ] = None,
    device: Annotated[str, typer.Option(help="cpu, cuda or cuda:N.")] = "cpu",
    hop: Annotated[
        int | None, typer.Option(min=1, help="Frames between windows; half a window if not given.")
    ] = None,
) -> None:
    """Score a model: frame mAP, video mAP and, apart, paper 1's recall protocol."""
    from vadsdk.cli.run_display import print_scores
    from vadsdk.data.dataset import open_dataset
    from vadsdk.evaluation.plots import plot_class_bars
    from vadsdk.runtime import load_model
    from vadsdk.streaming.scoring import score_model
    from vadsdk.whole_file import whole_file

    dataset = open_dataset(data, format=format, split_index=split_index)
    records = [record for record in dataset.split(split) if record.labelled]
    if not records:
        raise DatasetError(f"no video of split {split!r} in {data} is annotated")
    runner = load_model(model, device)
    with console.progress_bar() as progress:
        task = progress.add_task(f"scoring {split}", total=len(records))
        report = score_model(
            runner,
            dataset,
            records,
            hop=hop,
            progress=lambda done, total: progress.update(task, completed=done),
        )
    print_scores(report)
    if report.recall_protocol is not None:
        protocol = report.to_json()["recall_protocol"]
        console.stdout.print(
            f"recall protocol (paper 1's own measure): {protocol}", highlight=False
        )
    if out is not None:
        with whole_file(out / "scores.json") as temporary:
            temporary.write_text(json.dumps(report.to_json(), indent=2) + "\n", encoding="utf-8")
        plot_class_bars(report.video_scores[1], out / "per_class.png", title="video AP@0.5")
        console.stdout.print(f"written: {out / 'scores.json'}, {out / 'per_class.png'}")
