"""`vadsdk train`: fine-tune on a few annotated clips and much footage without annotation."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vadsdk.cli import console
from vadsdk.cli.ending import end_on_signals
from vadsdk.errors import ConfigError

if TYPE_CHECKING:
    from vadsdk.training.session import RunResult

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
            help="Weights to start from, a run folder, a checkpoint or public ones; may be given "
            "again, each file for a part of the network."
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
    resume: Annotated[
        bool,
        typer.Option(
            help="Go on with the run in --out; --data, --unlabelled and --labelled-list may say "
            "where its data lies now."
        ),
    ] = False,
) -> None:
    """Fine-tune a detector; ends with the run folder, the scores and what to type next."""
    from vadsdk.cli.run_display import run_display
    from vadsdk.ranks import rank
    from vadsdk.training.launching import joined_ranks, wait_for_ranks, was_restarted
    from vadsdk.training.recipes import recipe as named_recipe
    from vadsdk.training.run_folder import resumed_config, start_run, with_settings_of_run
    from vadsdk.training.running import run_training
    from vadsdk.training.settings import RunConfig, merged, read_config, with_overrides

    if config is not None and recipe is not None:
        raise ConfigError("--config and --recipe both name settings; give one of them")
    if labelled_list is not None and labelled_fraction is not None:
        raise ConfigError(
            "--labelled-list and --labelled-fraction both choose the labelled videos; give one"
        )
    places: dict[str, object] = {
        "root": str(data) if data else None,
        "unlabelled": [str(folder) for folder in unlabelled] if unlabelled else None,
        "labelled_list": str(labelled_list) if labelled_list else None,
    }
    options: dict[str, object] = {
        "labelled_fraction": labelled_fraction,
        "format": format,
        "split_index": split_index,
    }
    files = [str(_weights_file(path)) for path in weights or ()]
    top = {"model": model, "method": method, "weights": files or None}
    resume = resume or was_restarted(out)
    if resume and all(
        value is None for value in (config, recipe, *options.values(), *top.values())
    ):
        own = merged(resumed_config(out), {}, {"data": places})
        chosen = with_overrides(own, set_ or [])  # of the run's own settings
    else:
        if labelled_list is not None:
            options["labelled_fraction"] = 1.0  # that of a recipe has no say
        base = read_config(config) if config else named_recipe(recipe) if recipe else RunConfig()
        chosen = with_overrides(merged(base, top, {"data": places | options}), set_ or [])
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
        with end_on_signals() as stop, nullcontext() if rank() else run_display(chosen) as display:
            result = run_training(chosen, out, device=own_device, watcher=display, stop=stop)
        if rank():
            return
    _print_end(result, chosen.data.root)


def _print_end(result: RunResult, root: str) -> None:
    """Print the scores, or why there are none, and what to type next."""
    from vadsdk.cli.run_display import print_scores
    from vadsdk.data.held_out import TEST_SPLIT, why_no_scores

    if result.scores is not None:
        print_scores(result.scores, TEST_SPLIT)
    else:
        text = why_no_scores(root)
        console.stdout.print(text, soft_wrap=True, highlight=False, markup=False)
    console.stdout.print(
        f"\n[bold]{result.folder}[/bold] holds best.safetensors, report.html and metrics.jsonl "
        f"({result.seconds / 60:.1f} min). Next:\n"
        f"  vadsdk export {result.folder} --format onnx --out model.onnx\n"
        f"  vadsdk predict {result.folder} VIDEO.mp4 --save annotated.mp4",
        highlight=False,
    )


def _say(text: str) -> None:
    console.stderr.print(text, highlight=False, markup=False)


def _weights_file(path: Path) -> Path:
    """Return the file of weights that is meant: of a run folder its best checkpoint."""
    from vadsdk.training.run_folder import BEST

    return path / BEST if (path / BEST).is_file() else path


def _names(overrides: Sequence[str] | None) -> list[str]:
    """Return the settings that `--set` names."""
    return [override.partition("=")[0].strip() for override in overrides or ()]


def _uses_unlabelled(method: str) -> bool:
    """Return whether a method learns from unlabelled clips; an unknown one is refused later."""
    from vadsdk.methods import METHODS

    return method not in METHODS or bool(getattr(METHODS[method].build, "uses_unlabelled", True))
