from __future__ import annotations

import re
import struct
from math import prod
from pathlib import Path

import pytest

from vadsdk.errors import ModelFileError
from vadsdk.models.darknet_weights import darknet19_records, read_darknet19

NUM_VALUES = 50_983_561  # of yolov2.weights


def write(
    path: Path, header: bytes, num_bytes: int, values: dict[int, float] | None = None
) -> None:
    """Write a header and zeros, which take no room, with some values among them."""
    with path.open("wb") as file:
        file.write(header)
        for place, value in values.items():
            file.seek(len(header) + 4 * place)
            file.write(struct.pack("<f", value))
        file.truncate(len(header) + num_bytes)


OLD = struct.pack("<4i", 0, 1, 0, 32_013_312)
NEW = struct.pack("<3iq", 0, 2, 0, 32_013_312)


def test_the_order_is_batch_norm_then_kernel_and_bias_then_kernel_at_the_end() -> None:
    records = darknet19_records()
    assert [record.name for record in records[:6]] == [
        "models.0.bn1.bias",
        "models.0.bn1.weight",
        "models.0.bn1.running_mean",
        "models.0.bn1.running_var",
        "models.0.conv1.weight",
        "models.2.bn2.bias",
    ]
    assert [record.name for record in records[-2:]] == [
        "models.30.conv23.bias",
        "models.30.conv23.weight",
    ]
    assert sum(prod(record.shape) for record in records) == NUM_VALUES


@pytest.mark.parametrize("header", [OLD, NEW], ids=["16_bytes", "20_bytes"])
def test_values_begin_behind_the_header_of_their_version(tmp_path: Path, header: bytes) -> None:
    path = tmp_path / "yolov2.weights"
    write(path, header, 4 * NUM_VALUES, {0: 1.5, 31: 2.5, 32: 3.5, NUM_VALUES - 1: 4.5})
    tensors = read_darknet19(path)
    assert tensors["models.0.bn1.bias"][[0, 31]].tolist() == [1.5, 2.5]
    assert tensors["models.0.bn1.weight"][:2].tolist() == [3.5, 0]
    assert tensors["models.30.conv23.weight"][-1, -1, -1, -1] == 4.5


@pytest.mark.parametrize("header", [OLD, NEW], ids=["16_bytes", "20_bytes"])
@pytest.mark.parametrize("surplus", [-4, -1, 1, 4])
def test_a_file_of_another_length_is_refused(tmp_path: Path, header: bytes, surplus: int) -> None:
    path = tmp_path / "yolov2.weights"
    write(path, header, 4 * NUM_VALUES + surplus, {})
    with pytest.raises(ModelFileError, match="another network, cut short or not of") as error:
        read_darknet19(path)
    number = f"{NUM_VALUES + surplus / 4:.10g}"
    assert f"{path} holds {number} values after a header of {len(header)} bytes" in str(error.value)
    assert f"COCO has {NUM_VALUES}" in str(error.value)


@pytest.mark.parametrize("content", [b"", b"weights", OLD])
def test_a_file_without_values_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "yolov2.weights"
    path.write_bytes(content)
    with pytest.raises(ModelFileError, match=f"{re.escape(str(path))} holds 0 values after a head"):
        read_darknet19(path)


@pytest.mark.data
def test_a_real_file_of_another_network_is_named(data_folder: Path) -> None:
    path = data_folder / "weights" / "yolo-fastest-1.1-xl.weights"
    with pytest.raises(ModelFileError, match=r"holds 923486 values .* yolov2.weights"):
        read_darknet19(path)
