from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from vadsdk.export import export_onnx
from vadsdk.kernels.routing import em_routing_naive
from vadsdk.models import build_model
from vadsdk.models.capsules import POSE_SIDE, POSE_SIZE, ClassCapsules
from vadsdk.models.videocapsnet_spacetime import FIELD, SpaceTimeCapsNet, pool_capsules

LABELS = ("jump", "run", "wave")
K = len(LABELS)
LEAST_SIDE = 88  # a grid of 3 x 3 capsules, 4 in time: one receptive field
SETTINGS: dict[str, object] = {"routing_dims": 3}


@pytest.fixture(scope="module")
def network() -> nn.Module:
    torch.manual_seed(0)
    return build_model("videocapsnet", K, SETTINGS).eval()


def clips_of(count: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand((count, 3, 8, LEAST_SIDE, LEAST_SIDE), generator=generator)


def test_the_setting_chooses_the_network_and_travels_in_its_spec(network: nn.Module) -> None:
    assert isinstance(network, SpaceTimeCapsNet)
    spec = network.spec("videocapsnet", LABELS)
    assert spec.model_settings == SETTINGS
    assert isinstance(build_model(spec.model, K, spec.model_settings), SpaceTimeCapsNet)
    assert not isinstance(build_model("videocapsnet", K), SpaceTimeCapsNet)
    assert all(network.get_submodule(name) for name in network.stage_names)


@torch.no_grad()
def test_shapes_and_ranges_are_those_of_the_contract(network: nn.Module) -> None:
    outputs = network(clips_of(2))
    assert outputs.class_scores.shape == (2, K)
    assert outputs.mask_logits.shape == (2, 8, LEAST_SIDE, LEAST_SIDE)
    assert outputs.features.shape == (2, 4 * 3 * 3, K)
    assert ((outputs.features >= 0) & (outputs.features <= 1)).all()
    torch.testing.assert_close(outputs.class_scores, outputs.features.mean(1))


@torch.no_grad()
def test_each_condition_decodes_other_masks_and_zeros_the_own_class(network: nn.Module) -> None:
    clips = clips_of(1).expand(K + 1, -1, -1, -1, -1)
    outputs = network(clips, torch.cat([torch.eye(K), torch.zeros(1, K)]))
    own = int(outputs.class_scores[0].argmax())
    gaps = (outputs.mask_logits - outputs.mask_logits[-1]).abs().flatten(1).amax(1)
    assert gaps[own] < 1e-6
    assert (gaps[:K].sort().values[1:] > 1e-6).all()


def test_capsules_are_routed_over_space_and_time_as_in_a_plain_loop() -> None:
    torch.manual_seed(0)
    batch, size, num_capsules = 2, (3, 4, 4), 2
    channels = num_capsules * (POSE_SIZE + 1)
    capsules = torch.rand(batch, *size, channels, dtype=torch.float64)
    layer = ClassCapsules(num_capsules, K, "em").double()
    with torch.no_grad():
        layer.beta_u.normal_()
        found = layer(pool_capsules(capsules).flatten(1, 2)).unflatten(1, size[:2])
        for row in itertools.product(range(batch), *map(range, size)):
            expected = routed_in_a_loop(capsules, layer, *row)
            torch.testing.assert_close(found[row], expected)


def routed_in_a_loop(
    capsules: Tensor, layer: ClassCapsules, clip: int, t: int, y: int, x: int
) -> Tensor:
    """One position: every capsule of the field votes, a type's votes are averaged, then EM."""
    num_capsules, reach = layer.num_capsules, FIELD // 2
    inside = [
        capsules[clip, i, j, k]
        for i in range(max(t - reach, 0), min(t + reach + 1, capsules.shape[1]))
        for j in range(max(y - reach, 0), min(y + reach + 1, capsules.shape[2]))
        for k in range(max(x - reach, 0), min(x + reach + 1, capsules.shape[3]))
    ]
    votes, activations = [], []
    for kind in range(num_capsules):
        poses = [c[kind * POSE_SIZE :][:POSE_SIZE].view(POSE_SIDE, POSE_SIDE) for c in inside]
        votes.append(
            torch.stack(
                [sum(pose @ w for pose in poses) / len(poses) for w in layer.weights[0, kind]]
            )
        )
        activations.append(sum(c[num_capsules * POSE_SIZE + kind] for c in inside) / len(inside))
    # Identity poses with the votes as transformations vote just that.
    routed = em_routing_naive(
        torch.eye(POSE_SIDE, dtype=torch.float64).expand(1, num_capsules, -1, -1),
        torch.stack(activations)[None],
        torch.stack(votes),
        layer.beta_u,
        layer.beta_a,
    )
    return torch.cat([routed.poses.flatten(), routed.activations.flatten()])


def test_every_parameter_learns() -> None:
    torch.manual_seed(0)
    network = build_model("videocapsnet", K, SETTINGS).train()
    outputs = network(clips_of(1), torch.eye(K)[:1])
    sum(t.square().mean() for t in outputs).backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name
        assert parameter.grad.abs().sum() > 0, name


def test_an_exported_file_is_the_same_network(network: nn.Module, tmp_path: Path) -> None:
    spec = network.spec("videocapsnet", LABELS)
    small = replace(spec, input_height=LEAST_SIDE, input_width=LEAST_SIDE)
    report = export_onnx(network, small, tmp_path / "model.onnx")
    assert report.parity.max_abs_error < 1e-3
