"""Exports an untrained small detector, for the check that it runs where torch is not.

Usage: export_tiny.py OUT.onnx
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import torch

from vadsdk.export.onnx import export_onnx
from vadsdk.models import build_model
from vadsdk.structures import MaskDecodingSpec

MODEL = "videocapsnet-s"
LABELS = ("wave", "jump", "sit")
EVERYTHING = MaskDecodingSpec(mask_threshold=0.0, min_score=0.0)
"""Untrained scores are of any size; so every frame has a detection, and the check can fail."""


def main(path: Path) -> None:
    """Write the model."""
    torch.manual_seed(0)
    network = build_model(MODEL, len(LABELS))
    spec = replace(network.spec(MODEL, LABELS), decoding=EVERYTHING)
    export_onnx(network, spec, path)
    print(f"exported an untrained {MODEL}: {path.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
