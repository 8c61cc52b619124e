"""What is known of an exported file, written beside it as `<file>.json`."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

from vadsdk.export.parity import ParityReport
from vadsdk.structures import ModelSpec

VERSIONED = ("vadsdk", "torch", "onnx", "onnxscript", "onnxruntime", "numpy")
"""Packages whose versions are kept."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ExportReport:
    """One finished export."""

    path: Path
    """The model file."""
    num_bytes: int
    """Its size."""
    sha256: str
    """Of its content, hexadecimal."""
    precision: str
    """Arithmetic of the file."""
    opset: int
    """ONNX operator set."""
    versions: dict[str, str]
    """Package -> version that took part."""
    parity: ParityReport
    """How far the file is from the network."""


def manifest_path(path: Path) -> Path:
    """Return where the manifest of a model file lies: `model.onnx` -> `model.onnx.json`."""
    return path.with_name(path.name + ".json")


def make_report(
    path: Path, written: Path, spec: ModelSpec, *, opset: int, parity: ParityReport
) -> ExportReport:
    """Describe the file `written`, which is about to be renamed to `path`."""
    content = written.read_bytes()
    return ExportReport(
        path=path,
        num_bytes=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
        precision=spec.precision,
        opset=opset,
        versions={name: _version(name) for name in VERSIONED},
        parity=parity,
    )


def write_manifest(report: ExportReport, spec: ModelSpec, path: Path) -> None:
    """Write the report and the spec as JSON; the file is named without its folder."""
    values = {
        **asdict(report),
        "path": report.path.name,
        "spec": json.loads(spec.to_json()),
    }
    path.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")


def _version(package: str) -> str:
    names = (package, "onnxruntime-gpu") if package == "onnxruntime" else (package,)
    for name in names:
        try:
            return version(name)
        except ImportError:  # PackageNotFoundError: the other distribution of the same module
            continue
    return "unknown"
