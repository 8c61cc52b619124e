from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode

from vadsdk.errors import ConfigError
from vadsdk.models import build_model
from vadsdk.models.yowo import Yowo, YowoSettings
from vadsdk.structures import BoxDecodingSpec


@pytest.fixture
def no_values() -> Iterator[None]:
    """Tensors without values: enough for names and shapes."""
    with FakeTensorMode():
        yield


def network_of(**settings: object) -> nn.Module:
    return build_model("yowo", 3, settings)


@pytest.mark.usefixtures("no_values")
@pytest.mark.parametrize(
    ("settings", "anchors", "grid", "frame_classes"),
    [
        ({}, 5, 7, 4),
        ({"clip_length": 32, "anchors": "jhmdb21"}, 5, 7, 4),
        ({"clip_length": 8, "input_size": 320}, 5, 10, 4),
        ({"anchors": [[0.2, 0.4], [0.4, 0.4]], "multi_label": True}, 2, 7, 3),
        ({"frame_head": False}, 5, 7, 0),
    ],
)
def test_options_give_their_shapes(
    settings: dict[str, object], anchors: int, grid: int, frame_classes: int
) -> None:
    network = network_of(**settings).train()
    spec = network.spec("yowo", ("wave", "jump", "sit"))
    shape = (2, 3, spec.clip_length, spec.input_height, spec.input_width)
    outputs = network(torch.empty(shape))
    assert tuple(outputs.predictions.shape) == (2, anchors, 5 + 3, grid, grid)
    assert tuple(outputs.frame_logits.shape) == (2, frame_classes)
    assert tuple(network.anchors.shape) == (anchors, 2)
    assert network.has_frame_head == bool(frame_classes)


@pytest.mark.usefixtures("no_values")
def test_the_spec_is_that_of_the_release_and_rebuilds_the_network() -> None:
    spec = network_of(clip_length=32).spec("yowo", ("wave", "jump", "sit"))
    assert (spec.kind, spec.clip_length, spec.frame_stride) == ("box", 32, 1)
    assert (spec.input_height, spec.input_width) == (224, 224)
    assert (spec.pixel_mean, spec.pixel_std) == ((0, 0, 0), (1, 1, 1))
    assert spec.decoding == BoxDecodingSpec()
    assert YowoSettings.model_validate(spec.model_settings) == YowoSettings(clip_length=32)


@pytest.mark.parametrize(
    "settings",
    [
        {"clip_length": 12},
        {"input_size": 100},
        {"input_size": 32},
        {"frame_stride": 0},
        {"anchors": "coco"},
        {"multi_lable": True},
    ],
)
def test_options_that_do_not_fit_are_errors(settings: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        network_of(**settings)


@pytest.fixture(scope="module")
def small() -> Yowo:
    torch.manual_seed(0)
    return Yowo(3, YowoSettings(input_size=64, clip_length=8)).train()


@pytest.mark.parametrize("bf16", [False, True])
def test_the_gradient_reaches_every_parameter(small: Yowo, bf16: bool) -> None:
    small.zero_grad()
    with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        outputs = small(torch.rand(2, 3, 8, 64, 64))
    loss = outputs.predictions.float().square().sum() + outputs.frame_logits.float().square().sum()
    loss.backward()
    for name, parameter in small.named_parameters():
        assert parameter.grad is not None, name
        assert bool(torch.isfinite(parameter.grad).all()), name
        assert parameter.grad.abs().max() > 0, name


def test_bf16_does_not_reach_3d_convolutions_on_a_cpu(small: Yowo) -> None:
    """See `cpu_precision`."""
    seen: list[torch.dtype] = []
    layer = small.get_submodule("backbone_3d.layer4")
    with (
        layer.register_forward_hook(lambda _module, _inputs, out: seen.append(out.dtype)),
        torch.autocast("cpu", torch.bfloat16),
    ):
        small(torch.rand(2, 3, 8, 64, 64))
    assert seen == [torch.float32]


@pytest.mark.usefixtures("no_values")
def test_only_the_last_frame_is_seen_by_the_2d_backbone() -> None:
    """The key frame of a box network is its clip's last."""
    network = network_of()
    seen: list[torch.Tensor] = []
    network.get_submodule("backbone_2d").register_forward_pre_hook(
        lambda _module, inputs: seen.append(inputs[0])
    )
    clips = torch.empty(1, 3, 16, 224, 224)
    network(clips)
    assert seen[0].storage_offset() == clips[:, :, -1].storage_offset() > 0
