from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from tiny_network import NETWORKS, SPEC, SPECS, TinyNetwork
from torch import Tensor

from vadsdk.errors import ConfigError, ExportError
from vadsdk.export import ExportReport, export_onnx
from vadsdk.export.parity import Tolerance, check_parity
from vadsdk.export.parity_clips import smooth_noise_clips
from vadsdk.models import build_model
from vadsdk.runtime import load_model
from vadsdk.structures import ModelKind

EXPORTED = {
    "mask": ("class_scores", "mask_probabilities"),
    "box": ("boxes01", "objectness", "class_scores"),
    "recognition": ("class_scores",),
}
"""What parity measures, by kind."""
Exports = dict[ModelKind, ExportReport]


@pytest.mark.parametrize("kind", EXPORTED)
def test_parity_is_measured_on_all_outputs_and_on_detections(
    tiny_exports: Exports, kind: ModelKind
) -> None:
    parity = tiny_exports[kind].parity
    assert tuple(output.name for output in parity.outputs) == EXPORTED[kind]
    assert parity.max_abs_error < 1e-5
    assert parity.num_clips == 4
    assert parity.num_detections >= 2 * 4  # each clip is seen alone and in the batch
    assert parity.unmatched_detections == 0


@pytest.mark.parametrize("kind", EXPORTED)
def test_the_spec_comes_back_from_the_file(tiny_exports: Exports, kind: ModelKind) -> None:
    assert load_model(tiny_exports[kind].path).spec == SPECS[kind]


def test_the_folder_holds_the_file_and_its_manifest_only(tiny_export: ExportReport) -> None:
    names = sorted(entry.name for entry in tiny_export.path.parent.iterdir())
    assert names == ["tiny.onnx", "tiny.onnx.json"]


def test_the_manifest_tells_hash_versions_precision_and_parity(tiny_export: ExportReport) -> None:
    manifest = json.loads(tiny_export.path.with_name("tiny.onnx.json").read_text())
    assert manifest["sha256"] == hashlib.sha256(tiny_export.path.read_bytes()).hexdigest()
    assert manifest["versions"]["torch"] == torch.__version__
    assert manifest["path"] == "tiny.onnx"
    assert (manifest["precision"], manifest["opset"]) == ("fp32", 18)
    assert [entry["name"] for entry in manifest["parity"]["outputs"]] == list(EXPORTED["mask"])
    assert all(entry["max_abs_error"] < 1e-5 for entry in manifest["parity"]["outputs"])
    assert manifest["spec"]["labels"] == list(SPEC.labels)


def test_nothing_of_the_exporting_machine_is_in_the_file(tiny_export: ExportReport) -> None:
    content = tiny_export.path.read_bytes()
    assert str(Path(__file__).resolve().parents[2]).encode() not in content
    assert b"raw_contract.py" not in content


def test_the_graph_takes_uint8_clips_of_any_batch(tiny_export: ExportReport) -> None:
    model = onnx.load(tiny_export.path)
    (entry,) = model.graph.input
    shape = entry.type.tensor_type.shape.dim
    assert entry.type.tensor_type.elem_type == onnx.TensorProto.UINT8
    assert [dim.dim_param or dim.dim_value for dim in shape] == ["batch", 4, 24, 32, 3]
    assert model.opset_import[0].version == 18


@pytest.mark.parametrize(
    ("kind", "output"),
    [("mask", "class scores"), ("box", "objectness"), ("recognition", "class scores")],
)
def test_a_graph_that_differs_from_the_network_leaves_no_file(
    tmp_path: Path, kind: ModelKind, output: str
) -> None:
    tampered = NETWORKS[kind](exported_factor=0.9)
    earlier = tmp_path / "earlier.onnx"
    earlier.write_bytes(b"earlier")
    for path in (tmp_path / "tiny.onnx", earlier) if kind == "mask" else (earlier,):
        with pytest.raises(ExportError, match=rf"{output} by \d\.\d+e-02 \(allowed 1e-03\)"):
            export_onnx(tampered, SPECS[kind], path)
    assert list(tmp_path.iterdir()) == [earlier]
    assert earlier.read_bytes() == b"earlier"


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("mask", "body.weight"),
        ("mask", "mask.bias"),
        ("mask", "scores.weight"),
        ("box", "head.weight"),
        ("box", "anchors"),
        ("recognition", "head.bias"),
    ],
)
def test_tampered_weights_fail_parity(tiny_exports: Exports, kind: ModelKind, name: str) -> None:
    network, spec, path = NETWORKS[kind](), SPECS[kind], tiny_exports[kind].path
    network.state_dict()[name].mul_(1.2)
    with pytest.raises(ExportError, match="differs from the network"):
        check_parity(network, spec, path, smooth_noise_clips(spec), Tolerance())


def test_boxes_that_suppression_would_drop_are_compared_too(tiny_exports: Exports) -> None:
    """A repetition that moves changes no detection, but it is an error of the file."""
    network, spec = NETWORKS["box"](), SPECS["box"]
    lenient = Tolerance(boxes01=1e9)
    network.state_dict()["anchors"][0].mul_(0.3)
    arguments = (network, spec, tiny_exports["box"].path, smooth_noise_clips(spec))
    with pytest.raises(ExportError, match="boxes01 by"):
        check_parity(*arguments, Tolerance(unmatched_detections=10))
    with pytest.raises(ExportError, match="detections without a counterpart"):
        check_parity(*arguments, lenient)


def test_a_network_that_gives_nan_fails_parity(tmp_path: Path) -> None:
    network = TinyNetwork()
    torch.nn.init.constant_(network.scores.bias, torch.nan)
    with pytest.raises(ExportError, match="not numbers"):
        export_onnx(network, SPEC, tmp_path / "tiny.onnx")
    assert list(tmp_path.iterdir()) == []


def test_a_network_that_branches_on_its_data_is_refused(tmp_path: Path) -> None:
    class Branching(TinyNetwork):
        def forward(self, clips: Tensor, condition: Tensor | None = None):  # type: ignore[no-untyped-def]
            return super().forward(clips if clips.sum() > 0 else -clips)

    with pytest.raises(ExportError, match="cannot export 'tiny' to ONNX"):
        export_onnx(Branching(), SPEC, tmp_path / "tiny.onnx")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("precision", "message"),
    [
        ("fp16", "not in this version"),
        ("int8", "not in this version"),
        ("fp23", "Did you mean 'fp32'"),
    ],
)
def test_other_precisions_are_refused(tmp_path: Path, precision: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        export_onnx(TinyNetwork(), SPEC, tmp_path / "tiny.onnx", precision=precision)


def test_one_clip_is_too_few_for_parity(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="2 clips or more"):
        export_onnx(TinyNetwork(), SPEC, tmp_path / "a.onnx", clips=smooth_noise_clips(SPEC, 1))


def test_synthesised_clips_move_and_use_the_whole_range() -> None:
    clips = smooth_noise_clips(replace(SPEC, clip_length=8), num_clips=2)
    assert clips.shape == (2, 8, 24, 32, 3)
    assert (clips.min(), clips.max()) == (0, 255)
    assert np.abs(np.diff(clips.astype(int), axis=1)).mean() > 1
    assert not np.array_equal(clips[0], clips[1])


def test_capsules_that_are_all_but_inactive_are_routed_alike(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = build_model("videocapsnet-s", 4).eval()
    with torch.no_grad():  # an engine whose sigmoid stops at 1.5e-8 is off by 0.5 here
        network.activations.bias.copy_(torch.linspace(-28, -19, 8))
        network.activations.weight.mul_(0.3)
        network.poses.weight.mul_(10)
    spec = network.spec("videocapsnet-s", tuple("abcd"))
    report = export_onnx(network, spec, tmp_path / "model.onnx")
    assert report.parity.max_abs_error < 1e-5


def test_a_clip_without_any_active_capsule_scores_nothing() -> None:
    torch.manual_seed(0)
    network = build_model("videocapsnet-s", 4).eval()
    with torch.no_grad():
        network.activations.bias.fill_(-300)
        outputs = network(torch.rand(2, 3, 8, 112, 112))
    assert outputs.class_scores.abs().max() < 1e-6
    assert outputs.mask_logits.isfinite().all()
