from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import torch
from fresh_memory import fresh_memory_is_nan
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from vadsdk.errors import ConfigError
from vadsdk.export import export_onnx
from vadsdk.methods import build_method
from vadsdk.models import build_model
from vadsdk.models.backbones.i3d import I3D, I3DConfig
from vadsdk.models.backbones.resnext3d import ResNeXt3d
from vadsdk.models.checkpoint_file import load_checkpoint, save_checkpoint
from vadsdk.models.recogniser import BACKBONES, RecogniserSettings
from vadsdk.models.weights import load_initial_weights
from vadsdk.runtime import load_model

LABELS = ("jump", "run", "wave")
TINY = {"input_size": 32, "clip_length": 8, "width": 0.125}


def test_every_backbone_may_be_asked_for() -> None:
    assert RecogniserSettings.model_fields["backbone"].annotation == Literal[tuple(BACKBONES)]


def tiny(**settings: object) -> nn.Module:
    torch.manual_seed(0)
    return build_model("r3d18", len(LABELS), {**TINY, **settings}).eval()


@pytest.mark.parametrize("backbone", BACKBONES)
@torch.no_grad()
def test_a_head_on_any_backbone_answers_each_clip_alone(backbone: str) -> None:
    network = tiny(backbone=backbone)
    clips = torch.randn(2, 3, 8, 32, 32)
    logits = network(clips).class_logits
    assert logits.shape == (2, 3)
    torch.testing.assert_close(logits[1:], network(clips[1:]).class_logits)
    assert all(network.get_submodule(name) for name in network.stage_names)


@pytest.mark.parametrize("backbone", BACKBONES)
@torch.no_grad()
def test_a_checkpoint_builds_its_network_again(tmp_path: Path, backbone: str) -> None:
    network = tiny(backbone=backbone, dropout=0.2, frame_stride=3)
    spec = network.spec("r3d18", LABELS)
    save_checkpoint(tmp_path / "best.safetensors", network, spec)
    loaded, came = load_checkpoint(tmp_path / "best.safetensors")
    assert came == spec
    assert (came.kind, came.frame_stride, came.input_height) == ("recognition", 3, 32)
    assert came.pixel_mean == network.pixel_mean == BACKBONES[backbone].pixel_mean
    assert came.pixel_std == network.pixel_std == BACKBONES[backbone].pixel_std
    clips = torch.randn(1, 3, 8, 32, 32)
    assert torch.equal(loaded(clips).class_logits, network(clips).class_logits)


def test_dropout_is_of_the_training_alone() -> None:
    network, clips = tiny(dropout=0.9), torch.randn(2, 3, 8, 32, 32)
    assert torch.equal(network(clips).class_logits, network(clips).class_logits)
    network.cls_head.train()
    assert not torch.equal(network(clips).class_logits, network(clips).class_logits)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"backbone": "i3d", "pool_after_first_stage": False}, "an option of backbone = r3d18"),
        ({"backbone": "joining", "clip_length": 12}, "clip_length of .* is 8 or a multiple"),
        ({"backbone": "x3d"}, "'backbone' of model 'r3d18' cannot be 'x3d'"),
        ({"droput": 0.1}, "'droput'. Did you mean 'dropout'"),
        ({"input_size": 16}, "'input_size' .* cannot be 16"),
    ],
)
def test_what_does_not_fit_is_named(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build_model("r3d18", 3, settings)


def test_the_small_one_costs_a_fraction_of_the_large_one() -> None:
    """The numbers of the docstrings."""
    work, weights = {}, {}
    for name in ("r3d18", "r3d-n"):
        with torch.device("meta"):
            network = build_model(name, 101).eval()
        spec = network.spec(name, tuple(map(str, range(101))))
        side = spec.input_height
        with FlopCounterMode(display=False) as counter:
            network(torch.zeros(1, 3, spec.clip_length, side, side, device="meta"))
        work[name] = counter.get_total_flops()
        weights[name] = sum(parameter.numel() for parameter in network.parameters())
    assert round(weights["r3d18"] / 1e6, 1) == 33.2
    assert round(work["r3d18"] / work["r3d-n"]) == 43


@pytest.mark.parametrize("backbone", ["r3d18", "joining"])  # slow: others in detectors
def test_training_and_the_exported_file_see_the_same_pixels(tmp_path: Path, backbone: str) -> None:
    network = tiny(backbone=backbone)
    clips = torch.randint(0, 256, (3, 8, 32, 32, 3), dtype=torch.uint8)
    with torch.no_grad():  # the head is small at the start, and so would be every difference
        view = build_method("supervised", network)._views.make(clips, "identity")
        network.cls_head.fc_cls.weight.div_(network(view.clips).class_logits.std())
        expected = network(view.clips).class_logits.softmax(1).numpy()
    export_onnx(network, network.spec("r3d18", LABELS), tmp_path / "model.onnx")
    came = load_model(tmp_path / "model.onnx").infer(clips.numpy())
    assert np.ptp(expected) > 0.2
    np.testing.assert_allclose(came.class_scores, expected, atol=1e-4)


def test_public_weights_of_a_backbone_start_a_recogniser(tmp_path: Path) -> None:
    public = I3D(I3DConfig(num_classes=400, width=0.125))
    torch.save(public.state_dict(), tmp_path / "rgb_imagenet.pt")
    network = tiny(backbone="i3d")
    report = load_initial_weights(network, tmp_path / "rgb_imagenet.pt")
    assert report.prefix == "backbone."
    assert report.missing == ("cls_head.fc_cls.weight", "cls_head.fc_cls.bias")
    first = public.get_submodule("Conv3d_1a_7x7").conv3d.weight
    assert torch.equal(network.get_submodule("backbone.Conv3d_1a_7x7").conv3d.weight, first)


def test_public_weights_of_3d_resnext_101_start_a_recogniser(tmp_path: Path) -> None:
    public = ResNeXt3d(width=0.125)
    state = {f"module.{name}": tensor for name, tensor in public.state_dict().items()}
    state |= {"module.fc.weight": torch.ones(400, 256), "module.fc.bias": torch.ones(400)}
    torch.save({"arch": "resnext-101", "state_dict": state}, tmp_path / "resnext-101-kinetics.pth")
    network = tiny(backbone="resnext101")
    report = load_initial_weights(network, tmp_path / "resnext-101-kinetics.pth")
    assert (report.prefix, report.missing_parts) == ("backbone.", ("cls_head",))
    assert report.unused_parts == ("module.fc",)
    clips = torch.randn(1, 3, 8, 32, 32)
    assert torch.equal(network.backbone(clips), public.eval()(clips))


def test_a_checkpoint_of_videocapsnet_n_starts_a_recogniser_over_its_encoder(
    tmp_path: Path,
) -> None:
    detector = build_model("videocapsnet-n", 2).eval()
    torch.save(detector.state_dict(), tmp_path / "detector.pt")
    network = tiny(backbone="joining", width=1.0)
    report = load_initial_weights(network, tmp_path / "detector.pt")
    assert (report.prefix, report.missing_parts) == ("backbone.", ("cls_head",))
    heard: list[torch.Tensor] = []
    detector.deep.register_forward_hook(lambda _module, _inputs, output: heard.append(output))
    clips = torch.rand(1, 3, 8, 112, 112)
    detector(clips)
    torch.testing.assert_close(network.backbone(clips), heard[0])


def test_pixels_of_3d_resnext_101_are_those_of_its_public_files() -> None:
    """RGB from 0 to 255, less the means that OpenCV's sample of the same weights subtracts."""
    chosen = BACKBONES["resnext101"]
    pixels = torch.tensor([0.2, 0.5, 1.0])
    came = (pixels - torch.tensor(chosen.pixel_mean)) / torch.tensor(chosen.pixel_std)
    expected = 255 * pixels - torch.tensor([114.7748, 107.7354, 99.475])
    torch.testing.assert_close(came, expected, atol=1e-3, rtol=0)


@pytest.mark.parametrize("backbone", BACKBONES)
def test_gradients_in_bf16_read_no_memory_that_nobody_wrote(backbone: str) -> None:
    """As `Unit3D` tells: maps of two frames, or of one, are where oneDNN goes wrong."""
    network = tiny(backbone=backbone, clip_length=8, input_size=64).train()
    for module in network.modules():
        if isinstance(module, nn.Conv3d):
            module.weight.data = module.weight.to(memory_format=torch.channels_last_3d)
    with fresh_memory_is_nan():
        with torch.autocast("cpu", torch.bfloat16):
            loss = network(torch.randn(2, 3, 8, 64, 64)).class_logits.float().square().mean()
        loss.backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())


def test_what_3d_resnext_101_has_left_of_a_long_clip_is_averaged() -> None:
    torch.manual_seed(0)
    network = ResNeXt3d(width=0.05).eval()
    kept: list[Tensor] = []
    network.layer4.register_forward_hook(lambda module, given, answer: kept.append(answer))
    with torch.no_grad():
        features = network(torch.rand(1, 3, 32, 32, 32))
    assert kept[0].shape[2] == 2
    assert not torch.equal(kept[0][:, :, 0], kept[0][:, :, 1])
    torch.testing.assert_close(features, (kept[0][:, :, :1] + kept[0][:, :, 1:]) / 2)
