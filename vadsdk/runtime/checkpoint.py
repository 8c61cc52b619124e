"""Runs `.safetensors` checkpoints: the one border where a running application brings torch in."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vadsdk.errors import ModelFileError
from vadsdk.runtime.clips import check_clips
from vadsdk.runtime.loading import device_index
from vadsdk.structures import OUTPUTS_OF_KIND, ModelSpec, RawOutputs, output_names

try:
    import torch
    from torch import nn
except ImportError:
    raise ModelFileError(
        'running a checkpoint needs torch; install it with: pip install "vadsdk[train]", '
        "or export it where torch is and run the .onnx file here"
    ) from None

from vadsdk.models.checkpoint_file import load_checkpoint
from vadsdk.models.raw_contract import RawContract


class TorchModel:
    """A `ClipModel` over a torch network in memory.

    Args:
        network: put into eval mode and moved to `device`; shared, not copied.
        spec: what the network detects and how it wants to be fed.
        device: "cpu", "cuda" or "cuda:N"; that device or an error.

    Raises:
        ModelFileError: the device is not to be had.
    """

    def __init__(self, network: nn.Module, spec: ModelSpec, device: str = "cpu") -> None:
        self._device = _torch_device(device)
        self._network = RawContract(network, spec).eval().to(self._device)
        self._spec = spec

    @property
    def spec(self) -> ModelSpec:
        """What the model detects and how it wants to be fed."""
        return self._spec

    @torch.inference_mode()
    def infer(self, clips: NDArray[np.uint8]) -> RawOutputs:
        """Run the model on (B, T, h, w, 3) RGB clips at the size of `spec`; B is 1 or more."""
        check_clips(clips, self._spec)
        # a copy: torch takes neither read-only nor flipped arrays as they are
        batch = torch.from_numpy(clips.copy()).to(self._device)
        values = [tensor.float().cpu().numpy() for tensor in self._network(batch)]
        names = output_names(self._spec.kind)
        return OUTPUTS_OF_KIND[self._spec.kind](**dict(zip(names, values, strict=True)))


def load_checkpoint_model(path: Path, device: str = "cpu") -> TorchModel:
    """Return the network of a checkpoint file, ready to run.

    Raises:
        ModelFileError: the file cannot be used, or the device is not to be had.
    """
    network, spec = load_checkpoint(path)
    return TorchModel(network, spec, device)


def _torch_device(device: str) -> torch.device:
    index = device_index(device)
    if index is None:
        return torch.device("cpu")
    if index >= torch.cuda.device_count():
        raise ModelFileError(
            f"device {device!r} was asked for, but torch {torch.__version__} sees "
            f'{torch.cuda.device_count()} CUDA devices; give device="cpu", or ask `vadsdk doctor`'
        )
    return torch.device("cuda", index)
