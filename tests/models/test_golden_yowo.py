"""YOWO: the names of its checkpoints, and what the released network answers."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from golden_rules import Recorded, assert_within, read_seed
from golden_weights import load_reference_weights
from numpy.typing import NDArray
from torch import Tensor, nn

from vadsdk.models.box_grid import BoxNetworkSettings, decode_grid
from vadsdk.models.channel_fusion import ChannelAttention
from vadsdk.models.yowo import Yowo, YowoSettings

pytestmark = pytest.mark.golden

NUM_CLASSES = 24
REL = 1e-4  # of the greatest value, as the golden README has it
BOXES = 5 * (5 + NUM_CLASSES)
ADDED_ATTENTION = 0.5
SMALLER_SUMS = np.float32(0.2)
"""Or else the values of 33 residual blocks add up to 1e7."""


@dataclass(frozen=True, kw_only=True)
class Answers:
    """Of the network with the recorded weights, for 16 and for 32 frames."""

    out_16f: Tensor
    out_32f: Tensor
    maps: dict[str, Tensor]


@pytest.fixture(scope="module")
def recorded(golden_folder: Path) -> Recorded:
    return np.load(golden_folder / "yowo_forward.npz")


@pytest.fixture(scope="module")
def network() -> nn.Module:
    return Yowo(NUM_CLASSES, YowoSettings(frame_head=False)).eval()


@torch.no_grad()
def give_recorded_weights(network: nn.Module, seed: int) -> None:
    load_reference_weights(network, seed)
    for name, tensor in network.state_dict().items():
        if name.startswith("backbone_3d.") and name.endswith(".bn3.weight"):
            tensor.mul_(torch.tensor(SMALLER_SUMS))
    network.get_parameter("cfam.sc.gamma").fill_(ADDED_ATTENTION)


@pytest.fixture(scope="module")
def answers(recorded: Recorded, network: nn.Module) -> Answers:
    seed = read_seed(recorded)
    give_recorded_weights(network, seed)
    generator = np.random.default_rng(seed)
    clips = [
        torch.from_numpy(generator.random((1, 3, frames, 224, 224)).astype(np.float32))
        for frames in (16, 32)
    ]
    maps: dict[str, Tensor] = {}
    hooks = [
        network.get_submodule(str(name)).register_forward_hook(
            lambda _m, _i, out, name=str(name): maps.__setitem__(name, out.clone())
        )
        for name in recorded["probe_names"]
    ]
    with torch.no_grad():
        out_16f = network(clips[0]).predictions
        for hook in hooks:
            hook.remove()
        out_32f = network(clips[1]).predictions
    return Answers(out_16f=out_16f, out_32f=out_32f, maps=maps)


def assert_close(name: str, came: Tensor, expected: NDArray[np.generic]) -> None:
    assert tuple(came.shape) == expected.shape
    assert_within(name, came, expected, REL * float(np.abs(expected).max()))


def test_names_shapes_and_order_are_those_of_the_released_checkpoints(
    golden_folder: Path, network: nn.Module
) -> None:
    released = json.loads((golden_folder / "yowo_keys.json").read_text())
    came = [
        [name, list(value.shape), str(value.dtype).removeprefix("torch.")]
        for name, value in network.state_dict().items()
    ]
    assert came == released["state_dict"]
    assert sum(p.numel() for p in network.parameters()) == released["n_parameters"]


def test_the_frame_head_has_names_of_its_own_behind_the_released_ones(network: nn.Module) -> None:
    with torch.device("meta"):
        names = list(Yowo(NUM_CLASSES).state_dict())
    released = list(network.state_dict())
    assert names[: len(released)] == released
    assert {name.partition(".")[0] for name in names[len(released) :]} == {"frame_head"}


@pytest.mark.parametrize("length", ["16f", "32f"])
def test_predictions_equal_the_recorded_ones(
    recorded: Recorded, answers: Answers, length: str
) -> None:
    predictions = getattr(answers, f"out_{length}")
    assert tuple(predictions.shape) == (1, 5, 5 + NUM_CLASSES, 7, 7)
    assert_close(length, predictions.reshape(1, BOXES, 7, 7), recorded[f"out_{length}"])


@pytest.mark.parametrize("name", ["backbone_2d", "backbone_3d", "cfam"])
def test_backbones_and_fusion_equal_the_recorded_ones(
    recorded: Recorded, answers: Answers, name: str
) -> None:
    assert_close(name, answers.maps[name], recorded[name])


def test_every_probed_layer_equals_the_recorded_one(recorded: Recorded, answers: Answers) -> None:
    assert len(answers.maps) == len(recorded["probe_names"]) > 20
    for row, name in enumerate(recorded["probe_names"]):
        values = answers.maps[str(name)].double().numpy()
        largest = float(np.abs(recorded["probe_stats"][row, 2:]).max())
        stats = [values.mean(), values.std(), values.min(), values.max()]
        assert_within(f"{name} stats", stats, recorded["probe_stats"][row], REL * largest)
        first = values.reshape(-1)[:16]
        assert_within(f"{name} first", first, recorded["probe_first16"][row], REL * largest)


@torch.no_grad()
def test_channel_attention_alone(recorded: Recorded) -> None:
    attention = ChannelAttention()
    attention.gamma.fill_(0.7)
    assert_close("cam", attention(torch.from_numpy(recorded["cam_in"])), recorded["cam_out"])


@pytest.mark.parametrize("threshold", ["0.005", "0.1", "0.25"])
@pytest.mark.parametrize("image", [0, 1])
def test_decoded_boxes_equal_the_recorded_ones_in_their_order(
    golden_folder: Path, threshold: str, image: int
) -> None:
    recorded = np.load(golden_folder / "yowo_decode_nms.npz")
    predictions = torch.from_numpy(recorded["output"]).unflatten(1, (5, -1))
    anchors = BoxNetworkSettings().anchors_in_cells(7)
    boxes, objectness, scores = (
        values[image] for values in decode_grid(predictions, anchors, multi_label=False)
    )
    best = scores.amax(1)
    kept = objectness * best > float(threshold)
    low, high = boxes[kept, :2], boxes[kept, 2:]
    came = torch.cat(
        [
            (low + high) / 2,
            high - low,
            objectness[kept, None],
            best[kept, None],
            scores.argmax(1)[kept, None].float(),
        ],
        1,
    )
    expected = recorded[f"boxes_{threshold}_{image}"]
    assert tuple(came.shape) == expected.shape
    assert_within("boxes", came, expected, 1e-5)
