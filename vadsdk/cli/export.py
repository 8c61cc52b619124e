"""`vadsdk export`: a trained run becomes one file that runs without torch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from vadsdk.cli import console
from vadsdk.errors import ConfigError, unknown_name

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from vadsdk.export import ExportReport
    from vadsdk.structures import ModelSpec

LATER_FORMATS = ("tensorrt", "openvino")


def export(
    run: Annotated[Path, typer.Argument(help="Run folder, or a .safetensors checkpoint.")],
    out: Annotated[Path, typer.Option("--out", help="File to write, as model.onnx.")],
    format_: Annotated[str, typer.Option("--format", help="onnx.")] = "onnx",
    precision: Annotated[str, typer.Option(help="fp32.")] = "fp32",
    data: Annotated[
        Path | None,
        typer.Option(help="Data set whose videos the file is checked on; else made-up clips."),
    ] = None,
    data_format: Annotated[
        str | None,
        typer.Option(help="Layout of the data set, such as cvat; found out if not given."),
    ] = None,
) -> None:
    """Export a trained network, check the file against it, and keep it only if they agree."""
    _check_format(format_)
    file = _checkpoint_of(run)

    from vadsdk.export import export_onnx
    from vadsdk.models.checkpoint_file import load_checkpoint

    network, spec = load_checkpoint(file)
    if data is None and data_format is not None:
        raise ConfigError("--data-format is of the data set, and none is given: add --data DIR")
    clips = None if data is None else clips_of(data, spec, data_format)
    with console.stderr.status(f"exporting {spec.model} to {out.name} and comparing them"):
        report = export_onnx(network, spec, out, clips=clips, precision=precision)
    _print_report(report, made_up=clips is None)


def _check_format(name: str) -> None:
    if name in LATER_FORMATS:
        raise ConfigError(f"format {name!r} is not in this version of vadsdk; use --format onnx")
    if name != "onnx":
        raise unknown_name("format", name, ("onnx", *LATER_FORMATS))


def _checkpoint_of(run: Path) -> Path:
    from vadsdk.runtime.loading import model_file

    file = model_file(run)
    if file.suffix != ".safetensors":
        raise ConfigError(
            f"{run} is not a run: give the folder that `vadsdk train` wrote, or a .safetensors file"
        )
    return file


def clips_of(data: Path, spec: ModelSpec, data_format: str | None = None) -> NDArray[np.uint8]:
    """Return clips of videos spread over the test split, or over everything if there is none."""
    from vadsdk.data.dataset import open_dataset
    from vadsdk.export.parity_clips import NUM_CLIPS, video_clips

    dataset = open_dataset(data, format=data_format)
    records = [record for record in dataset.records if record.split == "test"] or dataset.records
    paths = [record.path for record in records]
    return video_clips(paths[:: max(1, len(paths) // NUM_CLIPS)], spec)


def _print_report(report: ExportReport, *, made_up: bool) -> None:
    parity = report.parity
    clips = f"{parity.num_clips} {'made-up' if made_up else 'real'} clips"
    table = Table(show_header=False, title=f"exported {report.path}", title_justify="left")
    table.add_row("size", f"{report.num_bytes / 1e6:.1f} MB")
    table.add_row("sha256", report.sha256[:16])
    table.add_row("precision, opset", f"{report.precision}, {report.opset}")
    table.add_row(f"largest difference on {clips}", f"{parity.max_abs_error:.1e}")
    table.add_row(
        "detections that differ", f"{parity.unmatched_detections} of {parity.num_detections}"
    )
    console.stdout.print(table)
    console.stdout.print(f"next: vadsdk predict {report.path} VIDEO", markup=False, soft_wrap=True)
