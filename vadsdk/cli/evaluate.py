"""`vadsdk evaluate`: score models on annotated videos, and compare two of them."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vadsdk.errors import ConfigError, DatasetError

if TYPE_CHECKING:
    from vadsdk.data.dataset import ActionDataset, VideoRecord
    from vadsdk.streaming.scoring import ScoringSettings

_AVA = "Of AVA data"


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
    labelled_percent: Annotated[
        int | None,
        typer.Option(
            min=1, max=100, help="Which list of labelled videos, where there are several."
        ),
    ] = None,
    labelled_list: Annotated[
        Path | None,
        typer.Option(
            help="File of `vadsdk data split --test`, whose test videos are the test split."
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for scores.json and the pictures.")
    ] = None,
    device: Annotated[str, typer.Option(help="cpu, cuda or cuda:N.")] = "cpu",
    hop: Annotated[
        int | None,
        typer.Option(min=1, help="Frames between windows; else half a window, for boxes 1."),
    ] = None,
    min_score: Annotated[
        float | None,
        typer.Option(
            help="Count detections from this score on, YOWO's evaluation from 0.005; else as the "
            "model file says."
        ),
    ] = None,
    convention: Annotated[
        str,
        typer.Option(
            help="How frame and video AP are measured: vadsdk, yowo, multisports, moc, "
            "3d-retinanet or road. Ours counts exclusive edges, frames and equal scores so that a "
            "perfect result is 100 and neither the order of files nor rounding changes a score."
        ),
    ] = "vadsdk",
    linking: Annotated[
        list[str] | None,
        typer.Option(
            help="What makes tubes, online (default) or offline: viterbi, greedy, road, retinanet, "
            "yowo (paper 2's detector), multisports, moc. Give it again to see several beside each "
            "other; the first one counts."
        ),
    ] = None,
    clips: Annotated[
        int | None,
        typer.Option(min=1, help="Clips of each video that a recogniser sees; 10 if not given."),
    ] = None,
    resamples: Annotated[
        int, typer.Option(min=100, help="Draws of videos behind the intervals.")
    ] = 1000,
    label_map: Annotated[
        Path | None,
        typer.Option(
            help="Lists the classes that count; else the evaluated 60 if their list is there.",
            rich_help_panel=_AVA,
        ),
    ] = None,
    ava_convention: Annotated[
        str | None,
        typer.Option(
            help="recommended (default), activitynet, slowfast, mmaction2 or "
            "mmaction2-all-key-frames.",
            rich_help_panel=_AVA,
        ),
    ] = None,
    ava_limit: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Best detections of a key frame that count; the official script has 50.",
            rich_help_panel=_AVA,
        ),
    ] = None,
    no_exclusions: Annotated[
        bool,
        typer.Option(
            "--no-exclusions", help="Count excluded key frames too.", rich_help_panel=_AVA
        ),
    ] = False,
) -> None:
    """Score a model by what its data set asks for: frame mAP and video mAP with its interval,
    recalls, the stream; on AVA its own frame mAP, on DAVIS and YouTube-VOS J and F; of recognisers
    and of videos without boxes top-1, top-5 and confusions.

    With --compare, two models run on the same videos, and the difference comes with its interval.
    """  # noqa: D205
    from vadsdk.cli.evaluation_task import (
        EvaluationTask,
        evaluate_detection,
        evaluate_recognition,
        is_recognition,
    )
    from vadsdk.data.dataset import open_dataset
    from vadsdk.runtime import load_model, with_labels, with_min_score

    _check_number(len(models), compare=compare)
    if labelled_list is not None:
        _require_learned_or_held_out(split)
    if out is not None:
        _require_folder(out)
    dataset = open_dataset(
        data, format=format, split_index=split_index, labelled_percent=labelled_percent
    )
    settings = _settings(hop, convention, linking)
    if label_map or ava_convention or ava_limit or no_exclusions:
        settings = _with_ava(
            settings, dataset.format, ava_convention, ava_limit, exclusions=not no_exclusions
        )
        settings = replace(settings, ava_label_map=label_map)
    if labelled_list is not None:
        dataset = _with_held_out(dataset, labelled_list)
    records = _annotated_records(dataset, split, data)
    loaded = [with_labels(load_model(model, device), dataset.labels) for model in models]
    runners = [with_min_score(model, min_score) for model in loaded]
    task = EvaluationTask(
        models=models,
        runners=runners,
        dataset=dataset,
        records=records,
        out=out,
        resamples=resamples,
    )
    if is_recognition(runners, records):
        evaluate_recognition(task, settings, clips)
    else:
        evaluate_detection(task, settings, clips)


def _check_number(num_models: int, *, compare: bool) -> None:
    if num_models != (2 if compare else 1):
        raise ConfigError(
            f"--compare takes two models, not {num_models}: vadsdk evaluate --compare A B --data D"
            if compare
            else f"one model is evaluated, not {num_models}; to compare two, add --compare"
        )


def _require_folder(out: Path) -> None:
    """Raise a ConfigError, before hours of scoring, if no folder can be made or written there."""
    nearest = next(path for path in (out, *out.absolute().parents) if path.exists())
    if not nearest.is_dir():
        raise ConfigError(f"{nearest} is a file; give a folder for scores and pictures as --out")
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise ConfigError(f"{nearest} may not be written to; give another --out")


def _require_learned_or_held_out(split: str) -> None:
    from vadsdk.data.held_out import TEST_SPLIT
    from vadsdk.data.splits import LEARNED_SPLIT

    if split not in (TEST_SPLIT, LEARNED_SPLIT):
        raise ConfigError(
            f"--labelled-list holds training videos out as split {TEST_SPLIT!r} and changes "
            f"nothing of split {split!r}; leave one of --labelled-list and --split out"
        )


def _with_held_out(dataset: ActionDataset, labelled_list: Path) -> ActionDataset:
    from vadsdk.data.held_out import hold_out
    from vadsdk.data.splits import read_split

    test = read_split(labelled_list).test
    if test is None:
        raise ConfigError(
            f"{labelled_list} holds no test videos out, as `vadsdk data split --test` does; "
            "leave --labelled-list out"
        )
    return hold_out(dataset, test)


def _annotated_records(dataset: ActionDataset, split: str, data: Path) -> list[VideoRecord]:
    from vadsdk.data.held_out import TEST_SPLIT, how_to_hold_out

    names = {record.split for record in dataset.records}
    if split == TEST_SPLIT and split not in names:
        raise DatasetError(
            f"{data} has no split {split!r}; choose one of: {', '.join(sorted(names))}. "
            f"{how_to_hold_out(data)}"
        )
    records = [record for record in dataset.split(split) if record.labelled]
    if not records:
        raise DatasetError(f"no video of split {split!r} in {data} is annotated")
    return records


def _settings(hop: int | None, convention: str, linking: list[str] | None) -> ScoringSettings:
    """Return what is measured; a wrong name fails before a model is loaded."""
    from vadsdk.evaluation.conventions import convention_named
    from vadsdk.streaming.scoring import ScoringSettings
    from vadsdk.streaming.scoring_linking import check_linkings

    convention_named(convention)
    settings = ScoringSettings(hop=hop, convention=convention)
    if linking is not None:
        settings = replace(settings, linkings=tuple(linking))
    check_linkings(settings.linkings)
    return settings


def _with_ava(
    settings: ScoringSettings,
    data_format: str,
    name: str | None,
    limit: int | None,
    *,
    exclusions: bool,
) -> ScoringSettings:
    from vadsdk.evaluation.ava_map import ava_conventions
    from vadsdk.streaming.scoring_ava import AvaSettings

    if data_format != "ava":
        raise ConfigError(
            "--label-map, --ava-convention, --ava-limit and --no-exclusions are for data in the "
            f"layout of AVA, not {data_format!r}; leave them out"
        )
    conventions = ava_conventions(name or "recommended")
    if limit is not None:
        conventions = replace(conventions, max_detections=limit)
    return replace(settings, ava=AvaSettings(conventions=conventions, use_exclusions=exclusions))
