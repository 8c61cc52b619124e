"""Paper 3's recogniser: the names of its checkpoints, and what the released networks answer."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from golden_rules import Recorded, assert_recorded, gen, read_seed
from golden_weights import load_reference_weights
from torch import Tensor, nn

from vadsdk.models.contrast_head import ContrastHead
from vadsdk.models.recogniser import Recogniser
from vadsdk.models.weights import load_initial_weights

pytestmark = pytest.mark.golden

NUM_CLASSES = 101
LAYERS = {
    "stem": "backbone.conv1",
    "maxpool": "backbone.maxpool",
    "layer1": "backbone.layer1",
    "res2": "backbone.pool2",
    "res3": "backbone.layer2",
    "res4": "backbone.layer3",
    "res5": "backbone.layer4",
}


@pytest.fixture(scope="module")
def recorded(golden_folder: Path) -> Recorded:
    return np.load(golden_folder / "r3d18.npz")


@pytest.fixture(scope="module")
def released_state(golden_folder: Path) -> list[tuple[str, tuple[int, ...], str]]:
    entries = json.loads((golden_folder / "r3d18_tg_keys.json").read_text())["state_dict"]
    return [(name, tuple(shape), kind) for name, shape, kind in entries]


@pytest.fixture(scope="module")
def network() -> nn.Module:
    return Recogniser(NUM_CLASSES).eval()


@torch.no_grad()
def with_weights(network: nn.Module, seed: int, dtype: torch.dtype, stream: str) -> nn.Module:
    """Fill a recogniser by the rule, under the names of the release's RGB or TG stream."""
    network.to(dtype)
    head = "cls_head." if stream == "backbone." else "temp_sup_head."
    load_reference_weights(network.get_submodule("backbone"), seed, stream)
    load_reference_weights(network.get_submodule("cls_head"), seed, head)
    return network


def drawn(seed: int, tag: str, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
    return torch.from_numpy(gen(seed, tag).standard_normal(shape).astype(np.float32)).to(dtype)


def test_names_shapes_and_order_are_those_of_the_released_rgb_network(
    network: nn.Module, released_state: list[tuple[str, tuple[int, ...], str]]
) -> None:
    came = [
        (name, tuple(value.shape), str(value.dtype).removeprefix("torch."))
        for name, value in network.state_dict().items()
    ]
    assert came == [e for e in released_state if e[0].startswith(("backbone.", "cls_head."))]


@pytest.mark.parametrize(
    ("dtype", "suffix", "rel"),
    [(torch.float64, "f64", 1e-9), (torch.float32, "f32", 1e-5)],
    ids=["float64", "float32"],
)
@torch.no_grad()
def test_answers_equal_the_recorded_ones(
    recorded: Recorded, network: nn.Module, dtype: torch.dtype, suffix: str, rel: float
) -> None:
    seed = read_seed(recorded)
    clips = drawn(seed, "r3d18/input", (1, 3, 8, 224, 224), dtype)
    kept: dict[str, Tensor] = {}
    hooks = [
        network.get_submodule(layer).register_forward_hook(
            lambda _m, _i, out, name=name: kept.__setitem__(name, out.clone())
        )
        for name, layer in LAYERS.items()
    ]
    kept["logits"] = with_weights(network, seed, dtype, "backbone.")(clips).class_logits
    rgb = dict(kept)
    head = ContrastHead(512).to(dtype).eval()
    load_reference_weights(head, seed, "contrast_head_rgb.")
    rgb["contrast_rgb_eval"] = head(rgb["res5"])
    videos = drawn(seed, "r3d18/clips", (2, 3, 3, 8, 112, 112), dtype)
    logits = network(videos.flatten(0, 1)).class_logits
    rgb["test_scores"] = logits.unflatten(0, (2, 3)).mean(1)
    tg_logits = with_weights(network, seed, dtype, "temp_backbone.")(clips).class_logits
    for name, values in (rgb | {"tg_logits": tg_logits, "tg_res5": kept["res5"]}).items():
        assert_recorded(recorded, f"{name}__{suffix}", values, rel=rel)
    for hook in hooks:
        hook.remove()


def test_a_released_checkpoint_gives_its_rgb_network(
    tmp_path: Path, released_state: list[tuple[str, tuple[int, ...], str]]
) -> None:
    """The file's optimiser and configuration lie beside its tensors, and other classes are left."""
    generator = torch.Generator().manual_seed(0)
    state = {
        name: torch.rand(shape, generator=generator) if kind == "float32" else torch.tensor(7)
        for name, shape, kind in released_state
    }
    meta = {"mmcv_version": "1.7.2", "config": "model = dict(...)", "epoch": 180, "seed": 0}
    optimizer = {"state": {0: {"momentum_buffer": torch.zeros(2)}}, "param_groups": [{"lr": 0.2}]}
    path = tmp_path / "epoch_180.pth"
    torch.save({"meta": meta, "state_dict": state, "optimizer": optimizer}, path)
    network = Recogniser(7)
    report = load_initial_weights(network, path)
    assert report.prefix == ""
    assert report.skipped_shape == ("cls_head.fc_cls.weight", "cls_head.fc_cls.bias")
    assert report.missing == ()
    for name, tensor in network.state_dict().items():
        if name.startswith("backbone."):
            assert torch.equal(tensor, state[name]), name
