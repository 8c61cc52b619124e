"""A network's weights with its `ModelSpec`, in one safetensors file.

The spec is JSON in the file's metadata, so a checkpoint alone is enough to run it or go on.
Nothing in such a file is code; a header larger than `MAX_HEADER_BYTES` is not read.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from vadsdk.errors import ConfigError, ModelFileError
from vadsdk.structures import ModelSpec
from vadsdk.structures.model_spec import SPEC_KEY
from vadsdk.whole_file import whole_file

if TYPE_CHECKING:  # read_spec must not need torch
    from torch import Tensor, nn

MAX_HEADER_BYTES = 16 * 2**20
"""Ours stay below 100 kB; safetensors itself allows 100 MB."""


def save_checkpoint(path: Path, network: nn.Module, spec: ModelSpec) -> None:
    """Write weights and spec; what lay at `path` is replaced only once the new file is whole.

    Raises:
        ModelFileError: it cannot be written (full disk, no permission); nothing half-written stays.
    """
    import safetensors.torch

    tensors = {
        name: tensor.detach().cpu().contiguous().clone()
        for name, tensor in network.state_dict().items()
    }
    content = safetensors.torch.save(tensors, metadata={SPEC_KEY: spec.to_json()})
    try:
        with whole_file(path) as temporary:
            temporary.write_bytes(content)
    except OSError as error:
        raise ModelFileError(
            f"cannot write the checkpoint {path} ({len(content) / 1e6:.1f} MB): "
            f"{error.strerror or error}. Free some space or give another folder; "
            "an earlier checkpoint there is untouched."
        ) from error


def read_spec(path: Path) -> ModelSpec:
    """Return the spec of a checkpoint without reading its weights (and without torch).

    Raises:
        ModelFileError: not a readable safetensors file, or one without a vadsdk spec.
    """
    text = _read_metadata(path).get(SPEC_KEY)
    if not isinstance(text, str):
        raise ModelFileError(
            f"{path} holds weights but no vadsdk model spec; give a file that `vadsdk train` wrote"
        )
    try:
        return ModelSpec.from_json(text)
    except ValueError as error:
        raise ModelFileError(f"{path}: {error}") from None


def load_checkpoint(path: Path) -> tuple[nn.Module, ModelSpec]:
    """Build the network that a checkpoint names and load its weights, on the CPU and in eval mode.

    Raises:
        ModelFileError: see `read_spec` and `load_weights`; or the network is unknown here.
    """
    from vadsdk.models import build_model

    spec = read_spec(path)
    try:
        network = build_model(spec.model, len(spec.labels), spec.model_settings)
    except ConfigError as error:
        raise ModelFileError(f"{path}: {error}") from None
    load_weights(path, network)
    return network.eval(), spec


def load_weights(path: Path, network: nn.Module, labels: Sequence[str] | None = None) -> None:
    """Load the weights of a checkpoint into a network that must fit them exactly.

    Args:
        path: the checkpoint.
        network: changed in place, or not at all.
        labels: if given, the checkpoint must have been trained for exactly these, in this order.

    Raises:
        ModelFileError: other labels, or tensors of another network.
    """
    import safetensors
    import safetensors.torch

    spec = read_spec(path)
    if labels is not None and tuple(labels) != spec.labels:
        raise ModelFileError(_other_labels(path, spec.labels, tuple(labels)))
    try:
        tensors = safetensors.torch.load_file(path)
    except (safetensors.SafetensorError, OSError) as error:
        raise ModelFileError(f"{path} is damaged or cut short: {error}") from None
    mismatch = _first_mismatch(tensors, network.state_dict())
    if mismatch:
        raise ModelFileError(
            f"{path} does not fit the network: it was saved as {spec.model!r} with "
            f"{len(spec.labels)} labels; {mismatch}. "
            "Build the network by that name for that number of labels, or give another checkpoint."
        )
    network.load_state_dict(tensors)


def _read_metadata(path: Path) -> Mapping[str, object]:
    """Return `__metadata__` of a safetensors header: 8 bytes little-endian length, then JSON."""
    try:
        with path.open("rb") as file:
            prefix = file.read(8)
            length = struct.unpack("<Q", prefix)[0] if len(prefix) == 8 else 0
            if not 2 <= length <= min(MAX_HEADER_BYTES, path.stat().st_size - 8):
                raise ValueError
            header = json.loads(file.read(length).decode())
    except OSError as error:
        raise ModelFileError(
            f"cannot read the checkpoint {path}: {error.strerror or error}"
        ) from None
    except (ValueError, RecursionError):
        raise ModelFileError(
            f"{path} is not a safetensors file, or cut short; give a checkpoint that "
            "`vadsdk train` wrote (best.safetensors)"
        ) from None
    metadata = header.get("__metadata__", {}) if isinstance(header, dict) else {}
    return metadata if isinstance(metadata, dict) else {}


def _other_labels(path: Path, came: tuple[str, ...], expected: tuple[str, ...]) -> str:
    missing = [label for label in expected if label not in came]
    extra = [label for label in came if label not in expected]
    difference = f"only in the checkpoint: {extra}, only asked for: {missing}"
    if not missing and not extra:
        difference = "the same names in another order"
    return (
        f"{path} was trained for {len(came)} labels, not for these {len(expected)}: {difference}. "
        "Use data with the checkpoint's labels, or train anew."
    )


def _first_mismatch(came: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> str:
    """Return what is wrong with a state, first shapes, then names; "" if it fits."""
    for name in expected:
        if name in came and came[name].shape != expected[name].shape:
            return (
                f"tensor {name!r} has shape {tuple(came[name].shape)}, "
                f"the network wants {tuple(expected[name].shape)}"
            )
    for names, text in (
        ([name for name in expected if name not in came], "lacks"),
        ([name for name in came if name not in expected], "has besides"),
    ):
        if names:
            return f"it {text} {len(names)} tensors of {len(expected)}, the first {names[0]!r}"
    return ""
