"""`vadsdk train`: fine-tune on a few annotated clips and much footage without annotation."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer

from vadsdk.cli import console
from vadsdk.errors import ConfigError

MODEL_NAMES = (
    *("videocapsnet", "videocapsnet-s", "videocapsnet-n", "yowo", "yowo-n", "r3d18", "r3d-n"),
)
METHOD_NAMES = (
    *("supervised", "co_ssd", "dual_guidance", "e2e", "fixmatch", "mean_teacher", "mixmatch"),
    *("pseudo_label", "stable_mean_teacher", "temporal_gradient"),
)
"""As the registries have them, which bring torch in; a test holds them together."""


def train(
    data: Annotated[Path | None, typer.Option(help="Folder of the data set.")] = None,
    out: Annotated[Path, typer.Option(help="Run folder to write.")] = Path("runs/train"),
    unlabelled: Annotated[
        list[Path] | None,
        typer.Option(help="Folder of footage without annotation; may be given again."),
    ] = None,
    labelled_fraction: Annotated[
        float | None,
        typer.Option(
            help="Share of each class whose annotation is used, in (0, 1]. What is seen of the "
            "other videos: --set data.unlabelled_fraction, data.unlabelled_part."
        ),
    ] = None,
    labelled_list: Annotated[
        Path | None,
        typer.Option(
            help="File of `vadsdk data split`, instead of a fraction; it may hold out test videos."
        ),
    ] = None,
    format: Annotated[
        str | None, typer.Option(help="Layout of the data set; found out if left out.")
    ] = None,
    split_index: Annotated[
        int | None, typer.Option(help="Which official split, where there are several.")
    ] = None,
    model: Annotated[str | None, typer.Option(help=f"Network: {', '.join(MODEL_NAMES)}.")] = None,
    method: Annotated[str | None, typer.Option(help=f"Method: {', '.join(METHOD_NAMES)}.")] = None,
    weights: Annotated[
        list[Path] | None,
        typer.Option(
            help="Weights to start from, a checkpoint or public ones; may be given again, each "
            "file for a part of the network."
        ),
    ] = None,
    config: Annotated[Path | None, typer.Option(help="JSON file with settings.")] = None,
    recipe: Annotated[
        str | None, typer.Option(help="Named settings, as in footage; see vadsdk recipes.")
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", help="One setting, as in train.max_steps=200; may be given again."),
    ] = None,
    device: Annotated[str, typer.Option(help="cpu, cuda or cuda:0.")] = "cpu",
    resume: Annotated[bool, typer.Option(help="Go on with the run in --out.")] = False,
) -> None:
    """Fine-tune a detector; ends with the run folder, the scores and what to type next."""
    from vadsdk.cli.run_display import print_scores, run_display
    from vadsdk.data.held_out import why_no_scores
    from vadsdk.ranks import rank
    from vadsdk.training.launching import joined_ranks, wait_for_ranks, was_restarted
    from vadsdk.training.recipes import recipe as named_recipe
    from vadsdk.training.run_folder import resumed_config, start_run, with_settings_of_run
    from vadsdk.training.running import run_training
    from vadsdk.training.settings import RunConfig, merged, read_config, with_overrides

    if config is not None and recipe is not None:
        raise ConfigError("--config and --recipe both name settings; give one of them")
    sections = {
        "data": {
            "root": str(data) if data else None,
            "unlabelled": [str(folder) for folder in unlabelled] if unlabelled else None,
            "labelled_fraction": labelled_fraction,
            "labelled_list": str(labelled_list) if labelled_list else None,
            "format": format,
            "split_index": split_index,
        }
    }
    top = {"model": model, "method": method, "weights": list(map(str, weights or ())) or None}
    given = (config, recipe, set_, *sections["data"].values(), *top.values())
    resume = resume or was_restarted(out)
    if resume and not any(value for value in given if value is not set_):
        chosen = with_overrides(resumed_config(out), set_ or [])  # of the run's own settings
    else:
        base = read_config(config) if config else named_recipe(recipe) if recipe else RunConfig()
        chosen = with_overrides(merged(base, top, sections), set_ or [])
        is_open = not any((config, recipe)) and "train.batch_unlabelled" not in _names(set_)
        if is_open and not _uses_unlabelled(chosen.method):
            count = resumed_config(out).train.batch_unlabelled if resume else 0
            chosen = merged(chosen, {}, {"train": {"batch_unlabelled": count}})
        if resume:
            chosen = with_settings_of_run(chosen, resumed_config(out), _names(set_))
    if not chosen.data.root:
        raise ConfigError(
            "no data set: give --data DIR, or make one with: vadsdk data toy --out toy"
        )
    with joined_ranks(device) as own_device:
        chosen = start_run(out, chosen, resume=resume, note=None if rank() else _say)
        wait_for_ranks()  # before the first rank makes the folder a run
        with nullcontext() if rank() else run_display(chosen) as display:
            result = run_training(chosen, out, device=own_device, watcher=display)
        if rank():
            return
    if result.scores is not None:
        print_scores(result.scores)
    else:
        text = why_no_scores(chosen.data.root)
        console.stdout.print(text, soft_wrap=True, highlight=False, markup=False)
    console.stdout.print(
        f"\n[bold]{out}[/bold] holds best.safetensors, report.html and metrics.jsonl "
        f"({result.seconds / 60:.1f} min). Next:\n"
        f"  vadsdk export {out} --format onnx --out model.onnx\n"
        f"  vadsdk predict {out} VIDEO.mp4 --save annotated.mp4",
        highlight=False,
    )


def _say(text: str) -> None:
    console.stderr.print(text, highlight=False, markup=False)


def _names(overrides: Sequence[str] | None) -> list[str]:
    """Return the settings that `--set` names."""
    return [override.partition("=")[0].strip() for override in overrides or ()]


def _uses_unlabelled(method: str) -> bool:
    """Return whether a method learns from unlabelled clips; an unknown one is refused later."""
    from vadsdk.methods import METHODS

    return method not in METHODS or bool(getattr(METHODS[method].build, "uses_unlabelled", True))
