"""Several files of weights, each for a part of a network."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from torch import nn

from vadsdk.errors import ModelFileError
from vadsdk.models.weights import load_initial_files

Shapes = Mapping[str, int]
FLAT: Shapes = {"flat.a.w": 2, "flat.b.w": 3}
DEEP: Shapes = {"deep.c.w": 4, "deep.d.w": 5}
WHOLE: Shapes = {**FLAT, **DEEP, "head.w": 6}


def network_of(shapes: Shapes) -> nn.Module:
    """Return a network with vectors of these lengths, all zero."""
    network = nn.Module()
    for name, length in shapes.items():
        module, (*parents, leaf) = network, name.split(".")
        for parent in parents:
            if parent not in dict(module.named_children()):
                module.add_module(parent, nn.Module())
            module = module.get_submodule(parent)
        module.register_buffer(leaf, torch.zeros(length))
    return network


def file_of(path: Path, shapes: Shapes, value: float) -> Path:
    tensors = {name: torch.full((length,), value) for name, length in shapes.items()}
    torch.save(tensors, path)
    return path


def plain(shapes: Shapes) -> Shapes:
    """Return the names as a backbone alone has them."""
    return {name.partition(".")[2]: length for name, length in shapes.items()}


def test_files_of_two_backbones_fill_one_network(tmp_path: Path) -> None:
    network = network_of(WHOLE)
    files = [
        file_of(tmp_path / "deep.pt", {**plain(DEEP), "fc.w": 9}, 1.0),
        file_of(tmp_path / "flat.pt", plain(FLAT), 2.0),
    ]
    reports = load_initial_files(network, files)
    assert [report.path for report in reports] == files
    assert [report.prefix for report in reports] == ["deep.", "flat."]
    assert [report.missing_parts for report in reports] == [("flat", "head"), ("deep", "head")]
    assert [report.unused for report in reports] == [("fc.w",), ()]
    values = {name: tensor.unique().tolist() for name, tensor in network.state_dict().items()}
    assert values == {name: [{"d": 1.0, "f": 2.0, "h": 0.0}[name[0]]] for name in WHOLE}


@pytest.mark.parametrize(
    ("name", "shapes", "message"),
    [
        ("again.pt", plain(DEEP), "would overwrite 2 tensors that {first} fills: deep. Give one"),
        ("deep.pt", plain(DEEP), "would overwrite 2 tensors that {first} fills: deep. Give one"),
        ("all.pt", WHOLE, "would overwrite 2 tensors that {first} fills: deep. Give one of the"),
        ("other.pt", {"x.v": 4, "y.v": 5}, "is of another network: 0 of its 2 tensors fit"),
    ],
)
def test_a_second_file_that_does_not_fit_beside_the_first_leaves_the_network_unchanged(
    tmp_path: Path, name: str, shapes: Shapes, message: str
) -> None:
    network = network_of(WHOLE)
    first = file_of(tmp_path / "deep.pt", plain(DEEP), 1.0)
    second = first if name == first.name else file_of(tmp_path / name, shapes, 2.0)
    with pytest.raises(ModelFileError) as error:
        load_initial_files(network, [first, second])
    assert str(error.value).startswith(f"{second} {message.format(first=first)}")
    assert str(error.value).endswith("The network is unchanged.")
    assert not any(tensor.any() for tensor in network.state_dict().values())
