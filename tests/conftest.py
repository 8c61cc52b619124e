"""Folders of real data and recorded numbers; both live outside the repository."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import pytest

if TYPE_CHECKING:
    from vadsdk.export import ExportReport

# The same examples everywhere, and no deadline: a slow machine must not fail a right property.
hypothesis.settings.register_profile("house", deadline=None, derandomize=True, database=None)
hypothesis.settings.load_profile("house")

SHARED = Path(__file__).resolve().parents[2] / "shared"


def outside_folder(variable: str, default: Path) -> Path:
    folder = Path(os.environ.get(variable) or default)
    if not folder.is_dir():
        reason = f"{folder} is not here; set {variable} to the folder"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return folder


@pytest.fixture(scope="session")
def data_folder() -> Path:
    return outside_folder("VADSDK_DATA", SHARED / "data")


@pytest.fixture(scope="session")
def golden_folder() -> Path:
    return outside_folder("VADSDK_GOLDEN", SHARED / "golden")


@pytest.fixture(scope="session")
def tiny_export(tmp_path_factory: pytest.TempPathFactory) -> ExportReport:
    """Return one export of the tiny network, as an export takes seconds; it must not be changed."""
    from tiny_network import SPEC, TinyNetwork

    from vadsdk.export import export_onnx

    return export_onnx(TinyNetwork(), SPEC, tmp_path_factory.mktemp("export") / "tiny.onnx")
