"""Real data, recorded numbers (both live outside the repository), and the card or its stand-in."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import pytest
import torch

if TYPE_CHECKING:
    from vadsdk.export import ExportReport
    from vadsdk.structures import ModelKind

# The same examples everywhere, and no deadline: a slow machine must not fail a right property.
hypothesis.settings.register_profile("house", deadline=None, derandomize=True, database=None)
hypothesis.settings.load_profile("house")

# Triton's interpreter stands in for the card. Triton reads this when it is imported, for its own
# library too, so it is set here: a test of another folder may import it (torch does) first.
if not torch.cuda.is_available():
    os.environ.setdefault("TRITON_INTERPRET", "1")

SHARED = Path(__file__).resolve().parents[2] / "shared"


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("gpu") and not torch.cuda.is_available():
        pytest.skip("torch sees no CUDA device here")


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


class TinyExports(dict["ModelKind", "ExportReport"]):
    """Exports of the tiny networks, each made when it is first asked for, as one takes seconds."""

    def __init__(self, factory: pytest.TempPathFactory) -> None:
        super().__init__()
        self._factory = factory

    def __missing__(self, kind: ModelKind) -> ExportReport:
        from tiny_network import NETWORKS, SPECS

        from vadsdk.export import export_onnx

        path = self._factory.mktemp(f"{kind}-export") / "tiny.onnx"
        self[kind] = export_onnx(NETWORKS[kind](), SPECS[kind], path)
        return self[kind]


@pytest.fixture(scope="session")
def tiny_exports(tmp_path_factory: pytest.TempPathFactory) -> TinyExports:
    """Return the export of each tiny network by its kind; they must not be changed."""
    return TinyExports(tmp_path_factory)


@pytest.fixture(scope="session")
def tiny_export(tiny_exports: TinyExports) -> ExportReport:
    """Return the export of the tiny mask network."""
    return tiny_exports["mask"]


@pytest.fixture(scope="session", autouse=True)
def _banks_of_tests_alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep clip banks that tests make out of the user's cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VADSDK_BANKS", str(tmp_path_factory.mktemp("banks")))
        yield
