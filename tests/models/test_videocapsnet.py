"""What methods, export and runtime expect of paper 1's networks; sizes are asked of the network."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from fresh_memory import fresh_memory_is_nan
from torch import Tensor, nn

from vadsdk.export import export_onnx
from vadsdk.models import ClipOutputs, build_model
from vadsdk.models.backbones.i3d import Unit3D
from vadsdk.structures import ModelSpec

NUM_CLASSES = 3
LABELS = ("jump", "run", "wave")
LEAST_SIDE = 80  # of `videocapsnet`: a grid of 2 x 2 capsules


@pytest.fixture(scope="module", params=["videocapsnet-s", "videocapsnet-n"])
def network(request: pytest.FixtureRequest) -> nn.Module:
    torch.manual_seed(0)
    return build_model(request.param, NUM_CLASSES).eval()


@pytest.fixture(scope="module")
def spec(network: nn.Module) -> ModelSpec:
    return spec_of(network)


def spec_of(network: nn.Module) -> ModelSpec:
    value: ModelSpec = network.spec("videocapsnet", LABELS)  # type: ignore[operator]
    return value


def clips_of(spec: ModelSpec, count: int, seed: int = 0) -> Tensor:
    size = (count, 3, spec.clip_length, spec.input_height, spec.input_width)
    return torch.rand(size, generator=torch.Generator().manual_seed(seed))


@torch.no_grad()
def answer(network: nn.Module, clips: Tensor, condition: Tensor | None = None) -> ClipOutputs:
    outputs: ClipOutputs = network(clips, condition)
    return outputs


def test_shapes_and_ranges_are_those_of_the_contract(network: nn.Module, spec: ModelSpec) -> None:
    outputs = answer(network, clips_of(spec, 2))
    assert outputs.class_scores.shape == (2, NUM_CLASSES)
    assert outputs.mask_logits.shape == (2, spec.clip_length, spec.input_height, spec.input_width)
    assert outputs.features.shape[::2] == (2, NUM_CLASSES)
    for scores in (outputs.class_scores, outputs.features):
        assert ((scores >= 0) & (scores <= 1)).all()
    assert all(torch.isfinite(tensor).all() for tensor in outputs)
    assert spec.labels == LABELS
    assert network.input_size in (spec.input_height, (spec.input_height, spec.input_width))


def test_clips_do_not_see_each_other(network: nn.Module, spec: ModelSpec) -> None:
    clips = clips_of(spec, 2)
    together, alone = answer(network, clips), answer(network, clips[1:])
    for both, single in zip(together, alone, strict=True):
        torch.testing.assert_close(both[1:], single, rtol=1e-4, atol=1e-5)


def test_a_row_of_zeros_decodes_the_clips_own_best_class(
    network: nn.Module, spec: ModelSpec
) -> None:
    clips = clips_of(spec, 2)
    free = answer(network, clips)
    own = F.one_hot(free.class_scores.argmax(1), NUM_CLASSES).float()
    given = own.clone()
    given[0] = 0
    for condition in (torch.zeros_like(own), own, given):
        torch.testing.assert_close(answer(network, clips, condition), free, rtol=0, atol=1e-6)


def test_each_condition_decodes_other_masks_of_the_same_scores(
    network: nn.Module, spec: ModelSpec
) -> None:
    clips = clips_of(spec, 1).expand(NUM_CLASSES + 1, -1, -1, -1, -1)
    outputs = answer(network, clips, torch.cat([torch.eye(NUM_CLASSES), torch.ones(1, 3)]))
    torch.testing.assert_close(
        outputs.class_scores, outputs.class_scores[:1].expand(4, -1), rtol=0, atol=1e-5
    )
    logits = outputs.mask_logits.flatten(1)
    gaps = (logits[:, None] - logits[None]).abs().amax(2)
    assert (gaps + torch.eye(len(logits)) > 1e-5).all()


@pytest.mark.parametrize("name", ["videocapsnet", "videocapsnet-s", "videocapsnet-n"])
def test_every_parameter_learns_also_in_bf16_from_memory_full_of_nan(name: str) -> None:
    torch.manual_seed(0)
    network = prepared_as_for_training(build_model(name, NUM_CLASSES)).train()
    spec = spec_of(network)
    side = LEAST_SIDE if name == "videocapsnet" else spec.input_height
    for seed in range(2):
        clips = clips_of(spec, 2, seed)[..., :side, :side]
        network.zero_grad()
        with fresh_memory_is_nan():
            with torch.autocast("cpu", torch.bfloat16):
                outputs = network(clips, torch.zeros(2, NUM_CLASSES))
                loss = sum(t.float().square().mean() for t in outputs)
            assert isinstance(loss, Tensor)
            loss.backward()
        assert math.isfinite(loss.item())
        for key, parameter in network.named_parameters():
            assert parameter.grad is not None, key
            assert torch.isfinite(parameter.grad).all(), key
            assert parameter.grad.abs().sum() > 0, key


def prepared_as_for_training(network: nn.Module) -> nn.Module:
    for module in network.modules():
        if isinstance(module, nn.Conv3d | nn.ConvTranspose3d):
            module.to(memory_format=torch.channels_last_3d)
    return network


def plain_convolution(x: Tensor, unit: Unit3D) -> Tensor:
    return F.conv3d(x, unit.conv3d.weight, None, 1, 1)


def unit_gradient(forward: Callable[[Tensor, Unit3D], Tensor]) -> Tensor:
    torch.manual_seed(0)
    unit = Unit3D(16, 32, (3, 3, 3))
    unit.to(memory_format=torch.channels_last_3d)
    x = torch.randn(2, 16, 2, 7, 7).to(memory_format=torch.channels_last_3d)
    with fresh_memory_is_nan():
        with torch.autocast("cpu", torch.bfloat16):
            loss = forward(x, unit).float().square().mean()
        loss.backward()
    assert unit.conv3d.weight.grad is not None
    return unit.conv3d.weight.grad


def test_two_frames_do_not_read_memory_that_nobody_wrote() -> None:
    assert torch.isfinite(unit_gradient(lambda x, unit: unit(x))).all()


@pytest.mark.skipif(
    not torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported(),
    reason="oneDNN's other kernels",
)
def test_the_fault_that_unit3d_goes_around_is_still_there() -> None:
    # When this fails, oneDNN is mended and `Unit3D` can drop its padding of two frames.
    assert not torch.isfinite(unit_gradient(plain_convolution)).all()


def test_an_exported_file_is_the_same_network(
    network: nn.Module, spec: ModelSpec, tmp_path: Path
) -> None:
    report = export_onnx(network, spec, tmp_path / "model.onnx")
    assert report.parity.num_clips >= 2  # each alone and all in one batch
    assert report.parity.max_abs_error < 1e-4
