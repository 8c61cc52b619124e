"""Named tensors out of a weights file, whoever wrote it; a pickle of anything else is refused.

Understood: `.safetensors`, with or without a vadsdk spec; `.pt` / `.pth` with a bare state dict or
`{"state_dict": ...}`, beside which plain values and numpy's numbers may lie; Darknet's `.weights`.
"""

from __future__ import annotations

import pickle
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.torch
import torch
from torch import Tensor

from vadsdk.errors import ModelFileError
from vadsdk.models.darknet_weights import read_darknet19

WRAPPER = "state_dict"
_NUMPY_NUMBERS: list[Any] = [
    (np.float64(0).__reduce__()[0], "numpy.core.multiarray.scalar"),  # before numpy 2
    (np.float64(0).__reduce__()[0], "numpy._core.multiarray.scalar"),
    np.dtype,
    *(type(np.dtype(code)) for code in ("f4", "f8", "i4", "i8")),
]
"""What a number of numpy's, such as a checkpoint's score, is made with; it makes nothing else."""
_ADVICE = "give a state dict (.pt or .pth) or a .safetensors file"


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Return every tensor of a weights file by name, on the CPU.

    Raises:
        ModelFileError: not a file of a known kind, damaged, or holding more than tensors.
    """
    if path.is_dir():
        raise ModelFileError(
            f"{path} is a folder, not a weights file; give the file in it (best.safetensors)"
        )
    readers = {
        ".safetensors": _read_safetensors,
        ".pt": _read_pickle,
        ".pth": _read_pickle,
        ".weights": read_darknet19,
    }
    if path.suffix.lower() not in readers:
        raise ModelFileError(
            f"{path} is no known kind of weights file ({', '.join(readers)}); {_ADVICE}"
        )
    try:
        with path.open("rb"):
            pass
    except OSError as error:
        raise ModelFileError(
            f"cannot read the weights {path}: {error.strerror or error}; "
            "check the path and its permissions"
        ) from None
    tensors = readers[path.suffix.lower()](path)
    if not tensors:
        raise ModelFileError(f"{path} holds no tensors; {_ADVICE}")
    return tensors


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    try:
        return safetensors.torch.load_file(path)
    except (safetensors.SafetensorError, OSError) as error:
        raise _damaged(path, error) from None


def _read_pickle(path: Path) -> dict[str, Tensor]:
    try:
        with torch.serialization.safe_globals(_NUMPY_NUMBERS):
            content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        called = re.search(r"GLOBAL (\S+)", str(error))
        if called is None:
            raise _damaged(path, error) from None
        raise ModelFileError(
            f"{path} holds more than tensors and was not opened: its pickle asks for "
            f"{called.group(1)}, and a pickle can run any code. {_ADVICE.capitalize()}; if you "
            "trust whoever wrote it, open it yourself and save its tensors alone: "
            'torch.save(network.state_dict(), "weights.pt")'
        ) from None
    except Exception as error:  # a damaged pickle raises whatever its bytes happen to ask for
        raise _damaged(path, error) from None
    return _checked(path, content)


def _checked(path: Path, content: Any) -> dict[str, Tensor]:
    """Return a loaded pickle as named tensors that a network can take."""
    if isinstance(content, Mapping) and isinstance(content.get(WRAPPER), Mapping):
        content = content[WRAPPER]
    if not isinstance(content, Mapping):
        raise ModelFileError(f"{path} holds a {type(content).__name__}, no state dict; {_ADVICE}")
    tensors: dict[str, Tensor] = {}
    for name, value in content.items():
        if not isinstance(name, str) or not isinstance(value, Tensor):
            raise ModelFileError(
                f"{path} is no state dict: its entry {name!r} is a {type(value).__name__}, "
                f"not a tensor; {_ADVICE}"
            )
        if value.layout != torch.strided or value.is_quantized or value.is_meta:
            raise ModelFileError(
                f"{path}: tensor {name!r} is sparse, quantized or without values; "
                "save it as an ordinary tensor"
            )
        tensors[name] = value.detach()
    return tensors


def _damaged(path: Path, error: Exception) -> ModelFileError:
    text = str(error).partition("\n")[0]
    return ModelFileError(
        f"{path} is damaged, cut short or no {path.suffix} file "
        f"({type(error).__name__}: {text}); get it anew, or {_ADVICE}"
    )
