"""Which backend runs which file; each backend is imported only when its file comes."""

from __future__ import annotations

from pathlib import Path

from vadsdk.errors import ConfigError, ModelFileError
from vadsdk.structures import ClipModel

LATER_FORMATS = {".engine": ("TensorRT", "gpu"), ".xml": ("OpenVINO", "openvino")}
"""Suffix -> engine and the extra that will run it: known formats that this version cannot load."""
BEST_CHECKPOINT = "best.safetensors"
"""The file of a run folder that is loaded when the folder is given."""


def load_model(
    path: str | Path, device: str = "cpu", *, num_threads: int | None = None
) -> ClipModel:
    """Load an `.onnx` file (onnxruntime), a `.safetensors` checkpoint or a run folder (torch).

    Args:
        path: the model file, or a folder that `vadsdk train` wrote.
        device: "cpu", "cuda" or "cuda:N". There is no falling back: that device, or an error.
        num_threads: CPU threads within one operation, onnxruntime only; None leaves its default.

    Raises:
        ModelFileError: the file, its format or the device cannot be used.
        ConfigError: a device name or a number of threads that means nothing here.
    """
    file = model_file(Path(path))
    device_index(device)  # a wrong name fails before a slow load
    if file.suffix == ".onnx":
        from vadsdk.runtime.onnx import OnnxModel

        return OnnxModel(file, device, num_threads=num_threads)
    if num_threads is not None:
        raise ConfigError(
            "num_threads is for .onnx files; for a checkpoint set the environment variable "
            "OMP_NUM_THREADS before starting"
        )
    from vadsdk.runtime.checkpoint import load_checkpoint_model

    return load_checkpoint_model(file, device)


def device_index(device: str) -> int | None:
    """Return N of "cuda:N" (0 for "cuda") and None for "cpu".

    Raises:
        ConfigError: any other name.
    """
    kind, colon, number = device.partition(":")
    if device == "cpu":
        return None
    if kind == "cuda" and (number.isdecimal() or not colon):
        return int(number or 0)
    raise ConfigError(f'unknown device {device!r}; give "cpu", "cuda" or "cuda:N"')


def model_file(path: Path) -> Path:
    """Return the file to load, of a format that some backend reads; of a run folder, the best.

    Raises:
        ModelFileError: there is no such file, or no backend for it.
    """
    if path.is_dir():
        checkpoint = path / BEST_CHECKPOINT
        if not checkpoint.is_file():
            raise ModelFileError(
                f"the folder {path} holds no {BEST_CHECKPOINT}, so it is no finished training run; "
                "give a run folder, or a model file itself"
            )
        return checkpoint
    if path.suffix in LATER_FORMATS:
        engine, extra = LATER_FORMATS[path.suffix]
        raise ModelFileError(
            f"{path}: this version of vadsdk has no {engine} backend yet (the extra "
            f'"vadsdk[{extra}]" will bring it); give the .onnx file or the run folder instead'
        )
    if not path.is_file():
        raise ModelFileError(f"there is no file or folder {path}")
    if path.suffix not in (".onnx", ".safetensors"):
        raise ModelFileError(
            f"{path}: a model is an .onnx file, a .safetensors checkpoint or a run folder, not "
            f"{path.suffix or 'a name without a suffix'!r}"
        )
    return path
