"""From a trained network to a file that runs without torch, checked against the original."""

from vadsdk.export.manifest import ExportReport
from vadsdk.export.onnx import export_onnx
from vadsdk.export.parity import ParityReport

__all__ = ["ExportReport", "ParityReport", "export_onnx"]
