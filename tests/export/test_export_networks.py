"""Networks of every kind through the exporter, as small as their settings allow."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from test_every_pair import batch_for, method_of, network_of, optimiser_of, step

from vadsdk import Detector
from vadsdk.export import export_onnx
from vadsdk.models import build_model

LABELS = ("wave", "jump", "sit")
SMALL: dict[str, dict[str, object]] = {
    "r3d-n": {"input_size": 32, "clip_length": 4, "frame_stride": 1},
    "yowo-n": {"input_size": 64, "frame_stride": 1},
}


@pytest.mark.parametrize("name", SMALL)
def test_the_exported_network_is_the_same_detector_and_runs(name: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = build_model(name, len(LABELS), SMALL[name])
    spec = network.spec(name, LABELS)
    report = export_onnx(network, spec, tmp_path / "model.onnx")
    assert report.parity.max_abs_error < 1e-5
    assert report.parity.num_detections > 0
    assert report.parity.unmatched_detections == 0
    frames = [np.full((40, 60, 3), 10 * i, np.uint8) for i in range(8)]
    result = Detector.load(tmp_path / "model.onnx").predict(frames)
    assert [frame.index for frame in result.frames] == list(range(8))


def test_the_exported_box_network_is_the_same_detector_without_its_frame_head(
    tmp_path: Path,
) -> None:
    torch.manual_seed(0)
    small = {"input_size": 64, "channels": [8, 8, 16, 16], "blocks": [1, 1]}
    network = build_model("yowo-n", len(LABELS), small)
    for head in (network.box_head[-1], network.class_head[-1]):  # or else nothing is found
        torch.nn.init.normal_(head.weight, std=0.5)
        torch.nn.init.zeros_(head.bias)
    path = tmp_path / "model.onnx"
    report = export_onnx(network, network.spec("yowo-n", LABELS), path)
    assert report.parity.max_abs_error < 1e-4
    assert report.parity.num_detections > 0
    assert report.parity.unmatched_detections == 0
    weights = [tensor.name for tensor in onnx.load(path).graph.initializer]
    assert any("class_head" in name for name in weights)
    assert not any("frame_head" in name for name in weights)
    frames = [np.full((40, 60, 3), 10 * i, np.uint8) for i in range(8)]
    result = Detector.load(path).predict(frames)
    assert [frame.index for frame in result.frames] == list(range(8))


@pytest.mark.parametrize(
    ("model", "method"),
    [("videocapsnet-n", "e2e"), ("yowo-n", "dual_guidance"), ("r3d-n", "temporal_gradient")],
)
def test_what_a_method_taught_exports(model: str, method: str, tmp_path: Path) -> None:
    network = network_of(model)
    learner = method_of(method, network)
    step(learner, optimiser_of(network, learner), batch_for(network))
    report = export_onnx(network.eval(), network.spec(model, LABELS), tmp_path / "model.onnx")
    assert report.parity.max_abs_error < 1e-4
    assert report.parity.unmatched_detections == 0
