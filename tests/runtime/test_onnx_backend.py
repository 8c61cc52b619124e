from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from tiny_network import NETWORKS, SPEC, SPECS, TinyNetwork

from vadsdk.errors import ConfigError, ModelFileError
from vadsdk.export import ExportReport
from vadsdk.runtime import load_model
from vadsdk.runtime.checkpoint import TorchModel
from vadsdk.structures import OUTPUTS_OF_KIND, ModelKind, output_names
from vadsdk.structures.model_spec import SPEC_KEY


@pytest.fixture
def onnx_file(tiny_export: ExportReport) -> Path:
    return tiny_export.path


@pytest.mark.parametrize("batch", [1, 2, 5])
@pytest.mark.parametrize("kind", NETWORKS)
def test_onnxruntime_equals_torch_at_every_batch(
    tiny_exports: dict[ModelKind, ExportReport], kind: ModelKind, batch: int
) -> None:
    clips = np.random.default_rng(batch).integers(0, 256, (batch, 4, 24, 32, 3), np.uint8)
    expected = TorchModel(NETWORKS[kind](), SPECS[kind]).infer(clips)
    came = load_model(tiny_exports[kind].path).infer(clips)
    assert type(came) is type(expected) is OUTPUTS_OF_KIND[kind]
    assert len(came.class_scores) == batch
    for name in output_names(kind):
        np.testing.assert_allclose(getattr(came, name), getattr(expected, name), atol=1e-4)


def test_class_scores_of_recognition_are_a_softmax(
    tiny_exports: dict[ModelKind, ExportReport],
) -> None:
    clips = np.random.default_rng(0).integers(0, 256, (2, 4, 24, 32, 3), np.uint8)
    scores = load_model(tiny_exports["recognition"].path).infer(clips).class_scores
    np.testing.assert_allclose(scores.sum(axis=1), 1, rtol=1e-5)
    assert scores.std() > 0.01


def test_pixels_are_normalised_inside_as_the_spec_says(onnx_file: Path) -> None:
    import torch

    clips = np.random.default_rng(0).integers(0, 256, (1, 4, 24, 32, 3), np.uint8)
    mean, std = np.array(SPEC.pixel_mean), np.array(SPEC.pixel_std)
    pixels = ((clips / 255 - mean) / std).transpose(0, 4, 1, 2, 3).astype(np.float32)
    with torch.no_grad():
        expected = TinyNetwork()(torch.from_numpy(np.ascontiguousarray(pixels)))
    came = load_model(onnx_file).infer(clips)
    np.testing.assert_allclose(came.mask_logits, expected.mask_logits.numpy(), atol=1e-4)


def test_read_only_and_strided_clips_are_taken(onnx_file: Path) -> None:
    clips = np.random.default_rng(0).integers(0, 256, (2, 4, 24, 32, 3), np.uint8)
    flipped = clips[:, :, :, ::-1]
    flipped.flags.writeable = False
    for model in (load_model(onnx_file), TorchModel(TinyNetwork(), SPEC)):
        expected = model.infer(np.ascontiguousarray(flipped))
        np.testing.assert_array_equal(model.infer(flipped).class_scores, expected.class_scores)


@pytest.mark.parametrize(
    "clips",
    [
        np.zeros((0, 4, 24, 32, 3), np.uint8),
        np.zeros((1, 4, 32, 24, 3), np.uint8),
        np.zeros((1, 4, 24, 32, 3), np.float32),
        np.zeros((4, 24, 32, 3), np.uint8),
    ],
)
def test_clips_of_another_shape_or_type_are_refused(onnx_file: Path, clips: np.ndarray) -> None:
    for model in (load_model(onnx_file), TorchModel(TinyNetwork(), SPEC)):
        with pytest.raises(ValueError, match=r"clips must be \(B, 4, 24, 32, 3\) uint8"):
            model.infer(clips)


def test_a_text_file_named_onnx_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "notes.onnx"
    path.write_text("this is not a model\n" * 50)
    with pytest.raises(ModelFileError, match=r"cannot load .*notes\.onnx.*vadsdk export"):
        load_model(path)


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "empty.onnx"
    path.touch()
    with pytest.raises(ModelFileError, match="has 0 bytes"):
        load_model(path)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.95])
def test_a_truncated_file_is_refused(onnx_file: Path, tmp_path: Path, share: float) -> None:
    content = onnx_file.read_bytes()
    path = tmp_path / "cut.onnx"
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(ModelFileError, match=r"cut\.onnx"):
        load_model(path)


def test_a_damaged_file_never_gives_anything_but_our_error(onnx_file: Path, tmp_path: Path) -> None:
    content = bytearray(onnx_file.read_bytes())
    generator = np.random.default_rng(0)
    path = tmp_path / "damaged.onnx"
    for _ in range(40):
        damaged = content.copy()
        for position in generator.integers(0, len(content), 20):
            damaged[position] = generator.integers(0, 256)
        path.write_bytes(damaged)
        try:
            load_model(path)  # damage to weights alone cannot be seen
        except ModelFileError:
            continue


def test_an_onnx_file_of_someone_else_is_refused(onnx_file: Path, tmp_path: Path) -> None:
    model = onnx.load(onnx_file)
    del model.metadata_props[:]
    onnx.save(model, tmp_path / "foreign.onnx")
    with pytest.raises(ModelFileError, match="without a vadsdk spec"):
        load_model(tmp_path / "foreign.onnx")


def test_metadata_of_another_model_is_refused(onnx_file: Path, tmp_path: Path) -> None:
    model = onnx.load(onnx_file)
    for spec in (replace(SPEC, clip_length=8), SPECS["box"]):
        onnx.helper.set_model_props(model, {SPEC_KEY: spec.to_json()})
        onnx.save(model, tmp_path / "mixed.onnx")
        with pytest.raises(ModelFileError, match="do not belong together"):
            load_model(tmp_path / "mixed.onnx")


@pytest.mark.parametrize("location", ["weights.bin", "../weights.bin", "{folder}/weights.bin"])
def test_weights_outside_the_file_are_never_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, location: str
) -> None:
    inside = tmp_path / "inside"
    inside.mkdir()
    for folder in (tmp_path, inside):
        np.zeros(4, np.float32).tofile(folder / "weights.bin")
    weights = onnx.numpy_helper.from_array(np.zeros(4, np.float32), "weights")
    weights.ClearField("raw_data")
    weights.data_location = onnx.TensorProto.EXTERNAL
    entry = weights.external_data.add()
    entry.key, entry.value = "location", location.format(folder=tmp_path)
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("Add", ["x", "weights"], ["y"])],
        "external",
        [onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [4])],
        [onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [4])],
        [weights],
    )
    opsets = [onnx.helper.make_opsetid("", 18)]
    model = onnx.helper.make_model(graph, opset_imports=opsets, ir_version=9)
    path = inside / "external.onnx"
    path.write_bytes(model.SerializeToString())
    monkeypatch.chdir(inside)
    with pytest.raises(ModelFileError, match=r"cannot load .*keeps weights in other files"):
        load_model(path)


def test_a_device_that_is_not_there_is_an_error(onnx_file: Path) -> None:
    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("this onnxruntime has CUDA")
    with pytest.raises(ModelFileError, match=r"has no CUDA; .*vadsdk\[gpu\]"):
        load_model(onnx_file, "cuda:0")


@pytest.mark.parametrize("device", ["gpu", "cuda:", "cuda:x", "cpu:0", ""])
def test_an_unknown_device_is_an_error(onnx_file: Path, device: str) -> None:
    with pytest.raises(ConfigError, match="unknown device"):
        load_model(onnx_file, device)


def test_the_number_of_threads_is_taken(onnx_file: Path) -> None:
    model = load_model(onnx_file, num_threads=1)
    assert model.infer(np.zeros((1, 4, 24, 32, 3), np.uint8)).class_scores.shape == (1, 3)
