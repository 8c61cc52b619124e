from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from vadsdk.models import build_model
from vadsdk.models.backbones.joining import JoiningStage
from vadsdk.models.videocapsnet_nano import RisingStage


@pytest.mark.parametrize("kernel", [2, 6])
def test_joining_is_a_3d_convolution_of_pairs_of_frames(kernel: int) -> None:
    torch.manual_seed(0)
    stage = JoiningStage(3, 5, kernel=kernel).eval()
    clips = torch.randn(2, 3, 4, 8, 12)
    convolution = stage.refine[0]
    weight = convolution.weight.unflatten(1, (2, 3)).transpose(1, 2)  # (5, 3, 2, k, k)
    around = kernel // 2 - 1
    expected = F.conv3d(clips, weight, None, 2, (0, around, around))
    expected = F.relu(expected / (1 + stage.refine[1].eps) ** 0.5)
    torch.testing.assert_close(stage(clips), expected)


def test_rising_is_a_transposed_3d_convolution_after_a_depthwise_one() -> None:
    torch.manual_seed(0)
    stage = RisingStage(3, 5)
    clips = torch.randn(2, 3, 2, 4, 6)
    seen = F.conv3d(clips, stage.look_around.weight.unsqueeze(2), None, 1, (0, 1, 1), groups=3)
    # (2 frames x 5 channels x 2 rows x 2 columns, 3) -> (3, 5, 2, 2, 2)
    weight = stage.spread.weight[:, :, 0, 0].unflatten(0, (2, 5, 2, 2)).permute(4, 1, 0, 2, 3)
    bias = stage.spread.bias.unflatten(0, (2, 5, 2, 2)).permute(1, 0, 2, 3)
    expected = F.conv_transpose3d(seen, weight, None, 2) + bias.repeat(1, 2, 4, 6)
    torch.testing.assert_close(stage(clips), expected)


@pytest.mark.parametrize("name", ["videocapsnet-n", "videocapsnet-s"])
def test_stages_answer_with_maps_of_each_clip(name: str) -> None:
    network = build_model(name, 3).eval()
    shapes: list[torch.Size] = []

    def keep(_module: object, _inputs: object, output: Tensor) -> None:
        shapes.append(output.shape)

    for stage in network.stage_names:
        network.get_submodule(stage).register_forward_hook(keep)
    with torch.no_grad():
        network(torch.rand(2, 3, 8, 112, 112))
    assert [len(shape) for shape in shapes] == [5, 5, 5]
    assert all(shape[0] == 2 for shape in shapes)


def test_training_sees_some_clips_by_their_motion_alone() -> None:
    torch.manual_seed(0)
    network = build_model("videocapsnet-n", 3, {"colour_dropout": 1.0, "dropout": 0.0})
    grey = torch.full((1, 3, 8, 112, 112), 0.5)
    red = grey.clone()
    red[:, 0] = 0.9  # still: no motion either way
    for train, alike in ((True, True), (False, False)):
        first, second = (network.train(train)(clips).mask_logits for clips in (grey, red))
        assert torch.allclose(first, second) == alike
