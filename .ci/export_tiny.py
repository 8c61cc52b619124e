"""Exports an untrained small network, for the check that it runs where torch is not.

Usage: export_tiny.py MODEL OUT.onnx
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import torch

from vadsdk.export.onnx import export_onnx
from vadsdk.models import build_model
from vadsdk.structures import BoxDecodingSpec, MaskDecodingSpec, RecognitionDecodingSpec

LABELS = ("wave", "jump", "sit")
EVERYTHING = {
    "mask": MaskDecodingSpec(mask_threshold=0.0, min_score=0.0),
    "box": BoxDecodingSpec(min_score=0.0),
    "recognition": RecognitionDecodingSpec(min_score=0.0),
}
"""Untrained scores are of any size; so every frame has a detection, and the check can fail."""


def main(name: str, path: Path) -> None:
    """Write the model."""
    torch.manual_seed(0)
    network = build_model(name, len(LABELS))
    spec = network.spec(name, LABELS)
    export_onnx(network, replace(spec, decoding=EVERYTHING[spec.kind]), path)
    print(f"exported an untrained {name}: {path.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
