"""Networks at full width through the exporter: what they deploy runs in onnxruntime, and alike."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from vadsdk.export import export_onnx
from vadsdk.models import build_model

LABELS = ("wave", "jump", "sit")
NETWORKS: dict[str, tuple[str, dict[str, object]]] = {
    "videocapsnet": ("videocapsnet", {}),
    "videocapsnet-3d": ("videocapsnet", {"routing_dims": 3}),
    "videocapsnet-s": ("videocapsnet-s", {"input_size": 80}),
    "videocapsnet-n": ("videocapsnet-n", {"input_size": 80}),
    "yowo": ("yowo", {"input_size": 64}),
    "r3d18": ("r3d18", {"input_size": 32}),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_the_exported_network_is_the_same_detector(name: str, tmp_path: Path) -> None:
    model, settings = NETWORKS[name]
    torch.manual_seed(0)
    network = build_model(model, len(LABELS), settings)
    report = export_onnx(network, network.spec(model, LABELS), tmp_path / "model.onnx")
    assert report.parity.max_abs_error < 1e-4
    assert report.parity.unmatched_detections == 0
