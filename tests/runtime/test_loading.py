from __future__ import annotations

from pathlib import Path

import pytest

from vadsdk.errors import ModelFileError
from vadsdk.runtime import load_model


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("model.engine", r"no TensorRT backend yet .*vadsdk\[gpu\].*\.onnx"),
        ("model.xml", r"no OpenVINO backend yet .*vadsdk\[openvino\].*\.onnx"),
        ("model.pt", r"not '\.pt'"),
        ("model", "not 'a name without a suffix'"),
        ("missing.onnx", "there is no file"),
        ("missing.safetensors", "there is no file"),
    ],
)
def test_a_file_that_no_backend_runs_is_an_error(tmp_path: Path, name: str, message: str) -> None:
    if not name.startswith("missing"):
        (tmp_path / name).touch()
    with pytest.raises(ModelFileError, match=message):
        load_model(tmp_path / name)


def test_a_folder_without_a_finished_run_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "last.safetensors").touch()
    with pytest.raises(ModelFileError, match=r"holds no best\.safetensors"):
        load_model(tmp_path)
