"""Writes a network as one ONNX file that needs nothing beside it.

Pre-processing is inside (uint8 (B, T, h, w, 3) in, B free), the `ModelSpec` is in `metadata_props`,
and the file appears only after `parity` has compared it with the network.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from vadsdk.errors import ConfigError, ExportError, unknown_name
from vadsdk.export.manifest import ExportReport, make_report, manifest_path, write_manifest
from vadsdk.export.parity import Tolerance, check_parity, require_clips
from vadsdk.export.parity_clips import smooth_noise_clips
from vadsdk.models.raw_contract import RawContract
from vadsdk.structures import ModelSpec, output_names
from vadsdk.structures.model_spec import SPEC_KEY
from vadsdk.whole_file import whole_file

if TYPE_CHECKING:
    import onnx

OPSET = 18
"""What torch's exporter writes without a conversion; onnxruntime >= 1.14, TensorRT >= 8.6."""
INPUT_NAME = "clips"
EXAMPLE_BATCH = 2
"""Not 1: the exporter would take a batch of 1 for a constant."""


def export_onnx(
    network: nn.Module,
    spec: ModelSpec,
    path: Path,
    *,
    clips: NDArray[np.uint8] | None = None,
    tolerance: Tolerance | None = None,
    precision: str = "fp32",
) -> ExportReport:
    """Write `path` and its manifest `path.json`, or fail and leave neither.

    Args:
        network: as `build_model` makes it; put into eval mode.
        spec: what the network detects; travels in the file.
        path: ends in .onnx; a file that lies there is replaced only by an export that passed.
        clips: (N, T, h, w, 3) RGB for the parity check, N of 2 or more, better real than not;
            None synthesises some.
        tolerance: how far the file may be from the network; None is the documented default.
        precision: only "fp32" in this version.

    Raises:
        ConfigError: a precision or a name that this version does not export.
        ExportError: the network cannot be exported, the file does not pass onnx's checker, differs
            from the network, or cannot be written.
    """
    check_precision(precision)
    if path.suffix != ".onnx":
        raise ConfigError(f"an ONNX file's name ends in .onnx, not {path.name!r}")
    if clips is None:
        clips = smooth_noise_clips(spec)
    require_clips(clips)
    spec = replace(spec, precision="fp32")
    contract = RawContract(network, spec).eval()
    try:
        with whole_file(path) as partial, whole_file(manifest_path(path)) as partial_manifest:
            _write_model(_to_onnx(contract, spec), spec, partial)
            parity = check_parity(network, spec, partial, clips, tolerance or Tolerance())
            report = make_report(path, partial, spec, opset=OPSET, parity=parity)
            write_manifest(report, spec, partial_manifest)
    except OSError as error:
        raise ExportError(
            f"cannot write {path}: {error.strerror or error}. "
            "Free some space or give another folder."
        ) from error
    return report


def check_precision(precision: str) -> None:
    """Refuse a precision that this version does not write.

    Raises:
        ConfigError: anything but "fp32".
    """
    later = ("fp16", "bf16", "int8")
    if precision in later:
        raise ConfigError(f"precision {precision!r} is not in this version of vadsdk; use fp32")
    if precision != "fp32":
        raise unknown_name("precision", precision, ("fp32", *later))


def _to_onnx(contract: RawContract, spec: ModelSpec) -> onnx.ModelProto:
    """Trace the contract with a free batch."""
    shape = (EXAMPLE_BATCH, spec.clip_length, spec.input_height, spec.input_width, 3)
    example = torch.zeros(shape, dtype=torch.uint8, device=contract.scale.device)
    try:
        with _quiet_exporter(), torch.no_grad():
            program = torch.onnx.export(
                contract,
                (example,),
                dynamo=True,
                opset_version=OPSET,
                input_names=[INPUT_NAME],
                output_names=list(output_names(spec.kind)),
                dynamic_shapes={"clips": {0: torch.export.Dim("batch", min=1)}},
                verbose=False,
            )
    except Exception as error:  # the exporter raises whatever the traced code met
        raise ExportError(
            f"torch cannot export {spec.model!r} to ONNX: {_first_lines(error)}"
        ) from error
    if program is None:
        raise ExportError(f"torch returned no ONNX program for {spec.model!r}")
    return program.model_proto


def _write_model(model: onnx.ModelProto, spec: ModelSpec, path: Path) -> None:
    """Write one self-contained file, checked by onnx itself."""
    import onnx

    _strip_traces(model.graph)
    onnx.helper.set_model_props(model, {SPEC_KEY: spec.to_json()})
    try:
        onnx.save_model(model, path, save_as_external_data=False)
        onnx.checker.check_model(path, full_check=True)
    except (ValueError, onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise ExportError(
            f"the ONNX file of {spec.model!r} does not pass onnx's checker: {_first_lines(error)}"
        ) from error


def _strip_traces(graph: onnx.GraphProto) -> None:
    """Drop what torch notes at each node: source lines and folders of the exporting machine."""
    for entries in (graph.node, graph.value_info, graph.input, graph.output, graph.initializer):
        for entry in entries:
            entry.ClearField("metadata_props")
            entry.ClearField("doc_string")
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("g"):
                _strip_traces(attribute.g)


@contextmanager
def _quiet_exporter() -> Iterator[None]:
    """Silence two notes of torch that a user can do nothing about."""
    registration = logging.getLogger("torch.onnx._internal.exporter._registration")
    level = registration.level
    registration.setLevel(logging.ERROR)  # "torchvision is not installed", once an operation
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", r".*LeafSpec.* is deprecated", FutureWarning)
            yield
    finally:
        registration.setLevel(level)


def _first_lines(error: Exception) -> str:
    lines = [line for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {' '.join(lines[:3])[:500]}"
