"""Checkpoints of the public code fill the networks here, by the names that they were saved with."""

from __future__ import annotations

import json
import struct
from math import prod
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from vadsdk.models.backbones.i3d import I3D, I3DConfig
from vadsdk.models.darknet_weights import darknet19_records
from vadsdk.models.videocapsnet import VideoCapsNet
from vadsdk.models.weights import load_initial_files, load_initial_weights
from vadsdk.models.yowo import Yowo, YowoSettings

pytestmark = pytest.mark.golden

COUNTER = "num_batches_tracked"
KINETICS_CLASSES = {
    "module.fc.weight": torch.ones(()).expand(400, 2048),
    "module.fc.bias": torch.ones(()).expand(400),
}
Entries = list[tuple[str, tuple[int, ...]]]


def released(path: Path) -> Entries:
    entries = json.loads(path.read_text())["state_dict"]
    return [(name, tuple(shape)) for name, shape, _ in entries]


def constants(entries: Entries) -> dict[str, Tensor]:
    """Return a state dict in which every tensor is one number of its own, stored once."""
    return {
        name: torch.tensor(7)
        if name.endswith(COUNTER)
        else torch.tensor([float(row + 1)]).expand(shape)
        for row, (name, shape) in enumerate(entries)
    }


def assert_filled(network: nn.Module, state: dict[str, Tensor], names: list[str]) -> None:
    tensors = network.state_dict()
    for name in names:
        assert torch.equal(tensors[name], state[name].to(tensors[name].dtype)), name


@pytest.fixture(scope="module")
def network() -> nn.Module:
    """For two classes more than the files."""
    return Yowo(26, YowoSettings(frame_head=True))


@pytest.fixture
def untouched(network: nn.Module) -> nn.Module:
    with torch.no_grad():
        for tensor in network.state_dict().values():
            tensor.zero_()
    return network


def test_a_checkpoint_of_yowo_fills_all_but_other_classes_and_the_frame_head(
    tmp_path: Path, golden_folder: Path, untouched: nn.Module
) -> None:
    entries = released(golden_folder / "yowo_keys.json")
    state = constants(entries)
    path = tmp_path / "yowo_ucf24_16f_best.pth"
    wrapped = {f"module.{name}": tensor for name, tensor in state.items()}
    rest = {"epoch": 5, "optimizer": {"state": {}, "param_groups": []}, "score": np.float64(0.8)}
    torch.save({"state_dict": wrapped} | rest, path)
    report = load_initial_weights(untouched, path)
    assert report.prefix == ""
    assert report.skipped_shape == ("conv_final.weight",)
    assert {name.partition(".")[0] for name in report.missing} == {"frame_head"}
    assert report.unused == ()
    assert_filled(untouched, state, [name for name, _ in entries if name != "conv_final.weight"])


def kinetics_file(folder: Path, golden_folder: Path) -> tuple[Path, dict[str, Tensor]]:
    """Write a file of 3D-ResNeXt-101; return its tensors by their names in YOWO, too."""
    prefix = "backbone_3d."
    entries = [e for e in released(golden_folder / "yowo_keys.json") if e[0].startswith(prefix)]
    state = constants(entries)
    file = {f"module.{name.removeprefix(prefix)}": tensor for name, tensor in state.items()}
    path = folder / "resnext-101-kinetics.pth"
    torch.save({"epoch": 1, "arch": "resnext-101", "state_dict": file | KINETICS_CLASSES}, path)
    return path, state


def test_a_kinetics_file_fills_the_3d_backbone(
    tmp_path: Path, golden_folder: Path, untouched: nn.Module
) -> None:
    prefix = "backbone_3d."
    path, state = kinetics_file(tmp_path, golden_folder)
    report = load_initial_weights(untouched, path)
    assert report.prefix == prefix
    assert report.skipped_shape == ()
    assert report.unused == tuple(KINETICS_CLASSES)
    assert report.unused_parts == ("module.fc",)
    assert {name.partition(".")[0] for name in report.missing} == {
        *("backbone_2d", "cfam", "conv_final", "frame_head")
    }
    assert_filled(untouched, state, list(state))


def darknet_file(folder: Path, golden_folder: Path) -> tuple[Path, list[str]]:
    """Write a file of Darknet-19; return the names of its tensors.

    Each record's first and last value say which it is; the rest is 0.
    """
    released = json.loads((golden_folder / "yowo_keys.json").read_text())["darknet_weights"]
    records = [(name, tuple(shape), offset) for name, shape, offset in released["records"]]
    assert [(name, shape) for name, shape, _ in records] == [*map(tuple, darknet19_records())]
    path, header = folder / "yolov2.weights", struct.pack("<4i", 0, 1, 0, 7)
    with path.open("wb") as file:
        file.write(header)
        for row, (_, shape, offset) in enumerate(records, start=1):
            for place, value in ((offset, row), (offset + prod(shape) - 1, -row)):
                file.seek(len(header) + 4 * place)
                file.write(struct.pack("<f", value))
    assert path.stat().st_size == released["file_bytes"]
    return path, [name for name, _, _ in records]


def test_the_files_of_both_backbones_fill_what_paper_2_starts_from(
    tmp_path: Path, golden_folder: Path, untouched: nn.Module
) -> None:
    deep_path, state = kinetics_file(tmp_path, golden_folder)
    flat_path, names = darknet_file(tmp_path, golden_folder)
    deep, flat = load_initial_files(untouched, [deep_path, flat_path])
    assert deep.prefix == "backbone_3d."
    assert_filled(untouched, state, list(state))
    assert flat.prefix == "backbone_2d."
    assert flat.unused == flat.skipped_shape == ()
    assert len(flat.matched) == len(names)
    tensors = untouched.state_dict()
    for row, name in enumerate(names, start=1):
        values = tensors[f"backbone_2d.{name}"].flatten()
        assert (values[0].item(), values[-1].item()) == (row, -row), name


def hassony_name(name: str) -> str:
    """Return what kinetics_i3d_pytorch calls a tensor of pytorch-i3d's."""
    units = {"b0": "branch_0", "b3b": "branch_3.1"}
    units |= {f"b{b}{u}": f"branch_{b}.{place}" for b in (1, 2) for place, u in enumerate("ab")}
    first, *rest = ("conv3d_0c_1x1" if p == "logits" else p for p in name.split("."))
    rest = [units.get(part, "batch3d" if part == "bn" else part) for part in rest]
    return ".".join([first[0].lower() + first[1:], *rest])


@pytest.mark.parametrize("others_names", [False, True])
def test_files_of_i3d_fill_an_i3d(tmp_path: Path, golden_folder: Path, others_names: bool) -> None:
    entries = released(golden_folder / "i3d_keys.json")
    old = [(name, shape) for name, shape in entries if not name.endswith(COUNTER)]
    state = constants(old)
    path = tmp_path / "rgb.pth"
    torch.save({hassony_name(n) if others_names else n: t for n, t in state.items()}, path)
    network = I3D(I3DConfig())
    report = load_initial_weights(network, path)
    assert (report.skipped_shape, report.missing, report.unused) == ((), (), ())
    assert_filled(network, state, [name for name, _ in old])


def test_i3d_files_with_the_names_of_others_fill_a_videocapsnet(
    tmp_path: Path, golden_folder: Path
) -> None:
    entries = released(golden_folder / "i3d_keys.json")
    state = constants([(n, s) for n, s in entries if not n.endswith(COUNTER)])
    path = tmp_path / "model_rgb.pth"
    torch.save({hassony_name(name): tensor for name, tensor in state.items()}, path)
    network = VideoCapsNet(3)
    report = load_initial_weights(network, path)
    assert report.prefix == "conv1."
    assert {name.partition(".")[0] for name in report.unused} == {
        *("conv3d_0c_1x1", "mixed_5b", "mixed_5c")
    }
    backbone = {f"conv1.{name}": tensor for name, tensor in state.items()}
    assert_filled(network, backbone, [n for n in report.matched if not n.endswith(COUNTER)])
