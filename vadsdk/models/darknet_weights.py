"""Darknet's own weights files, which have neither names nor shapes: the network must be known.

    int32 major, minor, revision | images seen: int32, or int64 from version 0.2 on | float32 ...

A layer's values follow those of the layer before: batch norm's bias, weight, running mean and
running variance, then the kernel; without a batch norm, bias and kernel. All is little-endian.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from vadsdk.errors import ModelFileError
from vadsdk.models.backbones.darknet19 import Darknet19

_WIDE_SEEN = 2  # 10 * major + minor from which "images seen" has 64 bits (Darknet)
_BYTES = 4


class Record(NamedTuple):
    """A tensor of the file."""

    name: str
    """In `Darknet19`."""
    shape: tuple[int, ...]
    """Of it, in C order."""


def darknet19_records() -> tuple[Record, ...]:
    """Return the tensors of a Darknet-19 file with YOLOv2's COCO head, in their order."""
    with torch.device("meta"):
        network = Darknet19()
    return tuple(
        Record(f"models.{name}", tuple(tensor.shape))
        for place, layer in network.models.named_children()
        for name, tensor in _layer_records(place, layer)
    )


def _layer_records(place: str, layer: nn.Module) -> Iterator[tuple[str, Tensor]]:
    parts = {name[:2]: name for name, _ in layer.named_children()}
    if "co" not in parts:
        return
    names = [f"{parts['co']}.bias", f"{parts['co']}.weight"]
    if "bn" in parts:
        fields = ("bias", "weight", "running_mean", "running_var")
        names = [*(f"{parts['bn']}.{field}" for field in fields), f"{parts['co']}.weight"]
    state = layer.state_dict()
    yield from ((f"{place}.{name}", state[name]) for name in names)


def read_darknet19(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a Darknet-19 `.weights` file by their names in `Darknet19`.

    Raises:
        ModelFileError: the file is of another length than Darknet-19 with the COCO head has.
    """
    header = _header_bytes(path)
    records = darknet19_records()
    wanted = sum(prod(record.shape) for record in records)
    num_bytes = path.stat().st_size - header
    if num_bytes != _BYTES * wanted:
        raise ModelFileError(
            f"{path} holds {num_bytes / _BYTES:.10g} values after a header of {header} bytes; "
            f"Darknet-19 with YOLOv2's head for COCO has {wanted}. It is of another network, cut "
            "short or not of Darknet; give yolov2.weights (COCO, 80 classes)"
        )
    read = np.fromfile(path, "<f4", offset=header)
    values = torch.from_numpy(read.astype(np.float32, copy=False))
    sizes = [prod(record.shape) for record in records]
    parts = values.split(sizes)
    return {
        record.name: part.view(record.shape) for record, part in zip(records, parts, strict=True)
    }


def _header_bytes(path: Path) -> int:
    """Return the length of a file's header, from its version."""
    version = np.fromfile(path, "<i4", count=3)
    if version.size < 3:
        return int(path.stat().st_size)
    major, minor, _ = version.tolist()
    return version.nbytes + (8 if 10 * major + minor >= _WIDE_SEEN else 4)
