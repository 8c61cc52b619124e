from __future__ import annotations

import dataclasses
import itertools
import json
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from golden_rules import Recorded, assert_recorded, gen, read_seed
from golden_weights import load_reference_weights
from torch import Tensor

from vadsdk.errors import ConfigError
from vadsdk.models.backbones.i3d import (
    I3D,
    PAPER1_I3D,
    I3DConfig,
    SamePool3d,
    Unit3D,
    same_padding,
)

DTYPES = pytest.mark.parametrize(
    ("dtype", "suffix", "rel"),
    [(torch.float64, "f64", 1e-9), (torch.float32, "f32", 1e-5)],
    ids=["float64", "float32"],
)


@pytest.mark.parametrize(
    ("length", "kernel", "stride", "expected"),
    [
        (224, 7, 2, (2, 3)),
        (11, 7, 2, (3, 3)),
        (8, 3, 2, (0, 1)),
        (9, 3, 2, (1, 1)),
        (5, 3, 1, (1, 1)),
        (5, 2, 2, (0, 1)),
        (6, 1, 2, (0, 0)),
    ],
)
def test_padding_follows_the_same_rule(
    length: int, kernel: int, stride: int, expected: tuple[int, int]
) -> None:
    assert same_padding(length, kernel, stride) == expected


def zero_padded(x: Tensor, kernel: tuple[int, int, int], stride: tuple[int, int, int]) -> Tensor:
    pads = [same_padding(n, k, s) for n, k, s in zip(x.shape[2:], kernel, stride, strict=True)]
    return F.pad(x, tuple(itertools.chain(*reversed(pads))))


@pytest.mark.parametrize("size", [(1, 4, 5), (2, 5, 4), (4, 6, 7), (5, 9, 8)])
@pytest.mark.parametrize(
    ("kernel", "stride"),
    [((3, 3, 3), (1, 1, 1)), ((3, 3, 3), (2, 1, 2)), ((1, 3, 3), (1, 2, 2)), ((2, 2, 2),) * 2],
)
def test_pools_and_units_equal_explicit_zero_padding(
    size: tuple[int, int, int], kernel: tuple[int, int, int], stride: tuple[int, int, int]
) -> None:
    torch.manual_seed(0)
    x = torch.randn(2, 3, *size).relu()
    padded = zero_padded(x, kernel, stride)
    torch.testing.assert_close(
        SamePool3d(kernel, stride)(x), F.max_pool3d(padded, kernel, stride), rtol=0, atol=0
    )
    unit = Unit3D(3, 8, kernel, stride).eval()
    convolved = F.relu(unit.bn(F.conv3d(padded, unit.conv3d.weight, stride=stride)))
    torch.testing.assert_close(unit(x), convolved)


def test_width_narrows_every_layer_to_a_multiple_of_eight() -> None:
    quarter = I3D(I3DConfig(num_classes=3, width=0.25))
    assert quarter.channels["Conv3d_1a_7x7"] == 16
    assert quarter.channels["Mixed_4f"] == 64 + 80 + 32 + 32
    assert all(p.shape[0] % 8 == 0 for n, p in quarter.named_parameters() if "logits" not in n)


def test_time_collapses_and_space_stays_with_the_strides_of_paper_one() -> None:
    config = dataclasses.replace(PAPER1_I3D, width=0.125)
    network = I3D(config).eval()
    first, middle, last = network.features(
        torch.zeros(1, 3, 8, 32, 48), ["Conv3d_1a_7x7", "Conv3d_2c_3x3", "Mixed_4f"]
    )
    assert first.shape[2:] == (4, 16, 24)
    assert middle.shape[2:] == (2, 8, 12)
    assert last.shape[2:] == (1, 4, 6)


def test_an_unknown_endpoint_is_named_with_the_closest() -> None:
    with pytest.raises(ConfigError, match="Did you mean 'Mixed_4f'"):
        I3D(I3DConfig(final_endpoint="Mixed_4x"))
    network = I3D(I3DConfig(num_classes=None, final_endpoint="Conv3d_1a_7x7", width=0.125))
    with pytest.raises(ConfigError, match="unknown I3D endpoint 'Mixed_4f'"):
        network.features(torch.zeros(1, 3, 8, 16, 16), ["Mixed_4f"])


@pytest.mark.golden
def test_state_dict_has_the_names_shapes_and_order_of_the_public_files(golden_folder: Path) -> None:
    recorded = json.loads((golden_folder / "i3d_keys.json").read_text())
    state = I3D().state_dict()
    came = [[k, list(v.shape), str(v.dtype).removeprefix("torch.")] for k, v in state.items()]
    assert came == recorded["state_dict"]


@pytest.mark.golden
@DTYPES
def test_paper_one_endpoints_equal_the_recorded_ones(
    golden_folder: Path, dtype: torch.dtype, suffix: str, rel: float
) -> None:
    recorded = np.load(golden_folder / "i3d_paper1.npz")
    seed = read_seed(recorded)
    network = I3D(PAPER1_I3D).to(dtype).eval()
    load_reference_weights(network, seed)
    clips = gen(seed, "i3d/input").random((1, 3, 8, 224, 224)).astype(np.float32)
    compare_endpoints(network, clips, recorded, suffix, rel)


@pytest.mark.golden
@DTYPES
def test_kinetics_network_equals_the_recorded_one(
    golden_folder: Path, dtype: torch.dtype, suffix: str, rel: float
) -> None:
    recorded = np.load(golden_folder / "i3d_kinetics.npz")
    seed = read_seed(recorded)
    network = I3D().to(dtype).eval()
    load_reference_weights(network, seed)
    clips = gen(seed, "i3d_kinetics/input").random((1, 3, 16, 224, 224)).astype(np.float32)
    pooled: list[Tensor] = []
    network.avg_pool.register_forward_hook(lambda _m, _i, out: pooled.append(out))
    with torch.inference_mode():
        logits = network(torch.from_numpy(clips).to(dtype))
    assert_recorded(recorded, f"logits__{suffix}", logits, rel=rel)
    assert_recorded(recorded, f"features__{suffix}", pooled[0], rel=rel)
    compare_endpoints(network, clips, recorded, suffix, rel)
    odd = gen(seed, "i3d_odd/input").random((1, 3, 11, 101, 95)).astype(np.float32)
    compare_endpoints(network, odd, recorded, suffix, rel, "odd_")


def compare_endpoints(
    network: I3D,
    clips: np.ndarray,
    recorded: Recorded,
    suffix: str,
    rel: float,
    prefix: str = "",
) -> None:
    names = [n for n in network.endpoints if f"{prefix}{n}__{suffix}" in recorded]
    assert len(names) >= 6
    dtype = next(network.parameters()).dtype
    with torch.inference_mode():
        endpoints = network.features(torch.from_numpy(clips).to(dtype), names)
    for name, endpoint in zip(names, endpoints, strict=True):
        assert_recorded(recorded, f"{prefix}{name}__{suffix}", endpoint, rel=rel)
