from __future__ import annotations

import json
import resource
import struct
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import safetensors.torch
import torch
from tiny_network import SPEC, TinyNetwork

from vadsdk.errors import ModelFileError
from vadsdk.models.checkpoint_file import (
    load_checkpoint,
    load_weights,
    read_spec,
    save_checkpoint,
)
from vadsdk.structures.model_spec import SPEC_KEY


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    path = tmp_path / "best.safetensors"
    save_checkpoint(path, TinyNetwork(seed=1), SPEC)
    return path


def test_weights_and_spec_come_back(checkpoint: Path) -> None:
    network = TinyNetwork(seed=2)
    load_weights(checkpoint, network, labels=SPEC.labels)
    assert read_spec(checkpoint) == SPEC
    for name, tensor in TinyNetwork(seed=1).state_dict().items():
        assert torch.equal(network.state_dict()[name], tensor), name


def test_the_folder_holds_nothing_but_the_checkpoint(checkpoint: Path) -> None:
    assert [entry.name for entry in checkpoint.parent.iterdir()] == ["best.safetensors"]


def test_the_spec_is_read_without_torch(checkpoint: Path) -> None:
    code = (
        "import sys; sys.modules['torch'] = None; import importlib.util as u, pathlib\n"
        "import vadsdk; f = pathlib.Path(vadsdk.__file__).parent / 'models/checkpoint_file.py'\n"
        "s = u.spec_from_file_location('border', f); m = u.module_from_spec(s)\n"
        "s.loader.exec_module(m); print(m.read_spec(pathlib.Path(sys.argv[1])).model)"
    )
    command = [sys.executable, "-c", code, str(checkpoint)]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "tiny\n"


NEWER_SPEC = json.dumps(json.loads(SPEC.to_json()) | {"spec_version": 99})
SPEC_WITH_A_NUMBER_FOR_LABELS = json.dumps(json.loads(SPEC.to_json()) | {"labels": 3})


def header(values: object) -> bytes:
    text = json.dumps(values).encode()
    return struct.pack("<Q", len(text)) + text


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not a safetensors file, or cut short"),
        (b"some text, long enough to have a length", "not a safetensors file"),
        (struct.pack("<Q", 2**40) + b"{}", "not a safetensors file"),
        (struct.pack("<Q", 5) + b"{", "not a safetensors file"),
        (struct.pack("<Q", 4) + b"\xff\xfe{}", "not a safetensors file"),
        (struct.pack("<Q", 10_000) + b"[" * 10_000, "not a safetensors file"),
        (header([]), "no vadsdk model spec"),
        (header({"__metadata__": {"format": "pt"}}), "no vadsdk model spec"),
        (header({"__metadata__": {SPEC_KEY: "{}"}}), "not a vadsdk model spec"),
        (header({"__metadata__": {SPEC_KEY: NEWER_SPEC}}), "model spec version 99"),
        (header({"__metadata__": {SPEC_KEY: SPEC_WITH_A_NUMBER_FOR_LABELS}}), "not a vadsdk"),
    ],
)
def test_a_file_that_is_no_checkpoint_is_refused(
    tmp_path: Path, content: bytes, message: str
) -> None:
    path = tmp_path / "odd.safetensors"
    path.write_bytes(content)
    with pytest.raises(ModelFileError, match=message):
        read_spec(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match=r"cannot read .*gone\.safetensors: No such file"):
        read_spec(tmp_path / "gone.safetensors")


def test_weights_cut_short_are_refused(checkpoint: Path) -> None:
    checkpoint.write_bytes(checkpoint.read_bytes()[:-100])
    with pytest.raises(ModelFileError, match="damaged or cut short"):
        load_weights(checkpoint, TinyNetwork())


def test_weights_of_another_number_of_labels_are_told_by_shape(checkpoint: Path) -> None:
    network = TinyNetwork()
    network.scores = torch.nn.Linear(8, 5)
    before = network.scores.weight.clone()
    with pytest.raises(
        ModelFileError,
        match=r"saved as 'tiny' with 3 labels; tensor 'scores.weight' has shape \(3, 8\), "
        r"the network wants \(5, 8\)",
    ):
        load_weights(checkpoint, network)
    assert torch.equal(network.scores.weight, before)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda state: state.pop("mask.bias"), r"lacks 1 tensors of 6, the first 'mask.bias'"),
        (
            lambda state: state.update(odd=torch.zeros(1)),
            "has besides 1 tensors of 6",
        ),
    ],
)
def test_tensors_of_another_network_are_named(
    tmp_path: Path, change: Callable[[dict[str, torch.Tensor]], object], message: str
) -> None:
    state = dict(TinyNetwork().state_dict())
    change(state)
    path = tmp_path / "odd.safetensors"
    safetensors.torch.save_file(state, path, metadata={SPEC_KEY: SPEC.to_json()})
    with pytest.raises(ModelFileError, match=message):
        load_weights(path, TinyNetwork())


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (("wave", "jump", "run"), r"only in the checkpoint: \['sit'\], only asked for: \['run'\]"),
        (("jump", "wave", "sit"), "the same names in another order"),
        (("wave",), "trained for 3 labels, not for these 1"),
    ],
)
def test_a_checkpoint_of_other_labels_is_refused(
    checkpoint: Path, labels: tuple[str, ...], message: str
) -> None:
    with pytest.raises(ModelFileError, match=message):
        load_weights(checkpoint, TinyNetwork(), labels=labels)


def test_a_checkpoint_of_an_unknown_network_is_refused(checkpoint: Path) -> None:
    with pytest.raises(ModelFileError, match=r"best\.safetensors: unknown model 'tiny'"):
        load_checkpoint(checkpoint)


def test_a_known_network_is_built_and_loaded(tmp_path: Path) -> None:
    from vadsdk.models import build_model

    network = build_model("videocapsnet-s", 2)
    spec = replace(SPEC, model="videocapsnet-s", labels=("a", "b"))
    save_checkpoint(tmp_path / "small.safetensors", network, spec)
    loaded, loaded_spec = load_checkpoint(tmp_path / "small.safetensors")
    assert loaded_spec == spec
    assert not loaded.training
    for name, tensor in network.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], tensor), name


def test_a_full_disk_keeps_the_earlier_checkpoint_and_leaves_nothing_else(checkpoint: Path) -> None:
    before = checkpoint.read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))  # the kernel refuses longer files
    try:
        with pytest.raises(ModelFileError, match=r"cannot write the checkpoint .* Free some space"):
            save_checkpoint(checkpoint, TinyNetwork(seed=9), SPEC)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert checkpoint.read_bytes() == before
    assert [entry.name for entry in checkpoint.parent.iterdir()] == ["best.safetensors"]
