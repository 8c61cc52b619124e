"""Runs exported `.onnx` files with onnxruntime; the file carries its own `ModelSpec`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vadsdk.errors import ModelFileError
from vadsdk.runtime.clips import check_clips
from vadsdk.runtime.loading import device_index
from vadsdk.structures import OUTPUTS_OF_KIND, ModelSpec, RawOutputs, output_names
from vadsdk.structures.model_spec import SPEC_KEY

if TYPE_CHECKING:
    import onnxruntime

MAX_FILE_BYTES = 2**31 - 1
"""One protobuf file cannot be larger; weights beside it (external data) are refused."""
EXPORT_ADVICE = "export it again with `vadsdk export RUN --format onnx --out FILE`"


class OnnxModel:
    """A `ClipModel` over an onnxruntime session.

    Args:
        path: the .onnx file.
        device: "cpu", "cuda" or "cuda:N"; that provider or an error, never a silent fallback.
        num_threads: CPU threads within one operation; None leaves onnxruntime's default.

    Raises:
        ModelFileError: not a vadsdk ONNX file, damaged, too large, or the device is not to be had.
    """

    def __init__(self, path: Path, device: str = "cpu", *, num_threads: int | None = None) -> None:
        self._session = _open_session(path, device, num_threads)
        self._spec = _read_spec(path, self._session)
        self._input_name = _check_interface(path, self._session, self._spec)

    @property
    def spec(self) -> ModelSpec:
        """What the model detects and how it wants to be fed."""
        return self._spec

    def infer(self, clips: NDArray[np.uint8]) -> RawOutputs:
        """Run the model on (B, T, h, w, 3) RGB clips at the size of `spec`; B is 1 or more."""
        check_clips(clips, self._spec)
        feed = {self._input_name: np.ascontiguousarray(clips)}
        names = output_names(self._spec.kind)
        values = self._session.run(list(names), feed)
        return OUTPUTS_OF_KIND[self._spec.kind](**dict(zip(names, values, strict=True)))


def _open_session(path: Path, device: str, num_threads: int | None) -> onnxruntime.InferenceSession:
    runtime = _onnxruntime()
    provider = _provider(runtime, path, device)
    options = runtime.SessionOptions()
    options.log_severity_level = 4  # what fails is raised; a library does not print
    if num_threads is not None:
        options.intra_op_num_threads = num_threads
    # From bytes and with a folder that cannot hold files: weights outside are never opened.
    options.add_session_config_entry(
        "session.model_external_initializers_file_folder_path", os.devnull
    )
    try:
        session = runtime.InferenceSession(_read_bytes(path), options, providers=[provider])
    except Exception as error:  # onnxruntime has no common base class for its errors
        raise ModelFileError(
            f"onnxruntime cannot load {path}: {_first_line(error)} If the file is damaged, or "
            f"keeps weights in other files, {EXPORT_ADVICE}."
        ) from None
    if session.get_providers()[0] != provider[0]:
        raise ModelFileError(
            f"{path} was asked to run on {device!r}, but onnxruntime could not start "
            f"{provider[0]} and fell back to {session.get_providers()[0]}; `vadsdk doctor` says "
            'why, or give device="cpu"'
        )
    return session


def _onnxruntime() -> Any:  # untyped package
    try:
        import onnxruntime
    except ImportError:
        raise ModelFileError(
            'running an .onnx file needs onnxruntime; install it with: pip install "vadsdk[cpu]" '
            '(or "vadsdk[gpu]")'
        ) from None
    return onnxruntime


def _provider(runtime: Any, path: Path, device: str) -> tuple[str, dict[str, int]]:
    index = device_index(device)
    if index is None:
        return "CPUExecutionProvider", {}
    if "CUDAExecutionProvider" not in runtime.get_available_providers():
        raise ModelFileError(
            f"{path} was asked to run on {device!r}, but the installed onnxruntime has no CUDA; "
            'install it with: pip uninstall onnxruntime && pip install "vadsdk[gpu]"'
        )
    return "CUDAExecutionProvider", {"device_id": index}


def _read_bytes(path: Path) -> bytes:
    try:
        size = path.stat().st_size
        content = path.read_bytes() if 0 < size <= MAX_FILE_BYTES else b""
    except OSError as error:
        raise ModelFileError(f"cannot read {path}: {error.strerror or error}") from None
    if not content:
        raise ModelFileError(
            f"{path} has {size} bytes; an ONNX file has between 1 and {MAX_FILE_BYTES}. "
            f"{EXPORT_ADVICE.capitalize()}."
        )
    return content


def _read_spec(path: Path, session: onnxruntime.InferenceSession) -> ModelSpec:
    text = session.get_modelmeta().custom_metadata_map.get(SPEC_KEY)
    if text is None:
        raise ModelFileError(
            f"{path} is an ONNX model without a vadsdk spec in its metadata; {EXPORT_ADVICE}"
        )
    try:
        return ModelSpec.from_json(text)
    except ValueError as error:
        raise ModelFileError(f"{path}: {error}") from None


def _check_interface(path: Path, session: onnxruntime.InferenceSession, spec: ModelSpec) -> str:
    """Return the input's name after comparing the graph's interface with what the spec promises."""
    wanted = [spec.clip_length, spec.input_height, spec.input_width, 3]
    inputs = [(entry.type, list(entry.shape)[1:]) for entry in session.get_inputs()]
    outputs = {entry.name for entry in session.get_outputs()}
    names = output_names(spec.kind)
    if inputs != [("tensor(uint8)", wanted)] or not outputs >= set(names):
        raise ModelFileError(
            f"{path} takes {inputs} and gives {sorted(outputs)}; its spec promises one uint8 "
            f"input (B, {', '.join(map(str, wanted))}) and outputs {list(names)}. "
            f"Its metadata and graph do not belong together: {EXPORT_ADVICE}."
        )
    return str(session.get_inputs()[0].name)


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n")[0][:300].rstrip(".") + "."
