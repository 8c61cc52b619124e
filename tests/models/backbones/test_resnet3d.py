from __future__ import annotations

import pytest
import torch

from vadsdk.models.backbones.resnet3d import ResNet3d, ResNet3dConfig


@pytest.mark.parametrize(
    ("pooled", "expected"),
    [(True, [(4, 8), (2, 4), (1, 2), (1, 1)]), (False, [(8, 8), (4, 4), (2, 2), (1, 1)])],
)
def test_frames_are_halved_once_more_with_the_hidden_pool(
    pooled: bool, expected: list[tuple[int, int]]
) -> None:
    network = ResNet3d(ResNet3dConfig(width=0.125, pool_after_first_stage=pooled)).eval()
    shapes = []
    for name in ResNet3d.stage_names:
        stage = network.get_submodule(name)
        stage.register_forward_hook(lambda _m, _i, out: shapes.append((out.shape[2], out.shape[3])))
    network(torch.zeros(1, 3, 8, 32, 32))
    assert shapes == expected


def test_width_narrows_every_stage_to_a_multiple_of_eight() -> None:
    network = ResNet3d(ResNet3dConfig(width=0.3))
    assert network.out_channels == 152
    assert all(len(p) % 8 == 0 for p in network.parameters())
