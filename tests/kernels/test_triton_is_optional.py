"""Triton is for CUDA tensors alone: all else is imported and runs where it is not installed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import vadsdk.kernels

KERNELS = Path(vadsdk.kernels.__file__).parent
WITHOUT_TRITON = "import sys; sys.modules['triton'] = None; "


def run(program: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)


def test_kernels_and_training_are_imported_without_triton() -> None:
    names = [f"vadsdk.kernels.{path.stem}" for path in KERNELS.glob("*.py")]
    names = [name.removesuffix(".__init__") for name in names if "_triton" not in name]
    assert "vadsdk.kernels.routing" in names
    finished = run(f"{WITHOUT_TRITON}import {', '.join(names)}, vadsdk.training, vadsdk.models")
    assert finished.returncode == 0, finished.stderr


def test_a_module_that_needs_triton_would_be_noticed() -> None:
    assert "import of triton halted" in run(f"{WITHOUT_TRITON}import triton").stderr
