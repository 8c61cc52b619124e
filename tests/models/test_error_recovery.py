from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from golden_rules import Recorded, assert_recorded, blobs, gen, read_seed
from golden_weights import load_reference_weights
from torch import Tensor

from vadsdk.models.error_recovery import ErrorRecoveryNet
from vadsdk.models.weights import load_initial_weights

TOLERANCE = {"f64": 1e-9, "f32": 3e-5}  # golden README, section 12
LAYERS = ("conv1", "conv2", "conv3", "center", "up_concat3", "up_concat2", "up_concat1")


@pytest.mark.parametrize("size", [(8, 16, 16), (5, 18, 23), (1, 16, 16)])
def test_the_answer_has_the_size_of_the_masks(size: tuple[int, int, int]) -> None:
    masks = torch.rand(2, *size, generator=torch.Generator().manual_seed(0))
    assert ErrorRecoveryNet(width=2)(masks).shape == (2, *size)


def test_the_video_counts_where_it_is_asked_for() -> None:
    torch.manual_seed(0)
    network, masks = ErrorRecoveryNet(4, width=2), torch.rand(1, 4, 16, 16)
    first, second = (network(masks, torch.rand(1, 3, 4, 16, 16)) for _ in range(2))
    assert not torch.allclose(first, second)


def test_clips_do_not_see_each_other_and_every_parameter_learns() -> None:
    torch.manual_seed(0)
    network, masks = ErrorRecoveryNet(width=2).train(), torch.rand(2, 4, 16, 16)
    together = network(masks)
    torch.testing.assert_close(together[1:], network(masks[1:]))
    together.square().mean().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        # a bias before an instance norm is taken off again
        assert name.endswith("0.bias") or parameter.grad.abs().sum() > 0, name


def test_on_a_cpu_autocast_does_not_reach_the_convolutions_whose_gradients_break_memory() -> None:
    torch.manual_seed(0)
    network, masks = ErrorRecoveryNet(width=2), torch.rand(1, 4, 16, 16)
    with torch.autocast("cpu", torch.bfloat16):
        cast = network(masks.bfloat16())
    assert cast.dtype == torch.float32
    assert torch.equal(cast, network(masks.bfloat16().float()))


@pytest.fixture(scope="module")
def recorded(golden_folder: Path) -> Recorded:
    return np.load(golden_folder / "smt.npz")


@pytest.mark.golden
@pytest.mark.parametrize(("key", "in_channels"), [("error_recovery_1", 1), ("error_recovery_4", 4)])
def test_names_and_shapes_are_those_of_public_files(
    golden_folder: Path, key: str, in_channels: int
) -> None:
    keys = json.loads((golden_folder / "smt_keys.json").read_text())
    expected = {name: tuple(shape) for name, shape, _ in keys["state_dict_error_recovery_1"]}
    if in_channels == 4:
        expected |= {name: tuple(shape) for name, shape, _ in keys[f"differs_{key}"]}
    state = ErrorRecoveryNet(in_channels).state_dict()
    assert list(state) == list(expected)
    assert {name: tuple(tensor.shape) for name, tensor in state.items()} == expected
    if in_channels == 1:
        assert sum(t.numel() for t in state.values()) == keys[f"parameters_{key}"]


@pytest.mark.golden
@pytest.mark.parametrize("precision", ["f64", "f32"])
def test_every_layer_answers_as_the_released_network(recorded: Recorded, precision: str) -> None:
    dtype = torch.float64 if precision == "f64" else torch.float32
    network = reference_network(1, read_seed(recorded), dtype)
    kept: dict[str, Tensor] = {}
    for name in LAYERS:
        network.get_submodule(name).register_forward_hook(
            lambda _module, _inputs, output, name=name: kept.__setitem__(name, output)
        )
    with torch.no_grad():
        kept["out"] = network(reference_masks(recorded, dtype)).unsqueeze(1)
    for name, tensor in kept.items():
        assert_recorded(recorded, f"eor1_{name}__{precision}", tensor, rel=TOLERANCE[precision])


@pytest.mark.golden
def test_the_variant_that_sees_the_video(recorded: Recorded) -> None:
    seed = read_seed(recorded)
    video = torch.from_numpy(gen(seed, "eor/video").random((1, 3, 8, 224, 224)).astype(np.float32))
    network = reference_network(4, seed, torch.float32)
    with torch.no_grad():
        logits = network(reference_masks(recorded, torch.float32), video)
    assert_recorded(recorded, "eor4_out__f32", logits.unsqueeze(1), rel=TOLERANCE["f32"])


@pytest.mark.golden
def test_a_public_file_is_taken_whole(golden_folder: Path, tmp_path: Path) -> None:
    keys = json.loads((golden_folder / "smt_keys.json").read_text())
    state = {
        name: torch.full(shape, 0.25) for name, shape, _ in keys["state_dict_error_recovery_1"]
    }
    torch.save(state, tmp_path / "eor.pth")
    network = ErrorRecoveryNet()
    report = load_initial_weights(network, tmp_path / "eor.pth")
    assert not report.missing + report.skipped_shape + report.unused
    assert all((parameter == 0.25).all() for parameter in network.parameters())


def reference_network(in_channels: int, seed: int, dtype: torch.dtype) -> ErrorRecoveryNet:
    network = ErrorRecoveryNet(in_channels).to(dtype)
    load_reference_weights(network, seed)
    return network


def reference_masks(recorded: Recorded, dtype: torch.dtype) -> Tensor:
    logits = blobs(read_seed(recorded), "eor/input", b=1).astype(np.float64)
    return torch.from_numpy((1 / (1 + np.exp(-logits))).astype(np.float32))[:, 0].to(dtype)
