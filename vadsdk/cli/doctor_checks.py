"""The checks of `vadsdk doctor`: each makes its part do real work and says what it found.

A check returns a line of detail, or raises: ModuleNotFoundError if the package is missing,
NoDeviceError if its device is, and anything else if it is there and does not work.
"""

from __future__ import annotations

import importlib
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np

TWICE_ONNX = (
    b'\x08\x08:9\n\x0e\n\x01x\n\x01x\x12\x01y"\x03Add\x12\x05twice'
    b"Z\x0f\n\x01x\x12\n\n\x08\x08\x01\x12\x04\n\x02\x08\x02"
    b"b\x0f\n\x01y\x12\n\n\x08\x08\x01\x12\x04\n\x02\x08\x02B\x04\n\x00\x10\x12"
)
"""The ONNX model y = x + x over two floats (opset 18) as bytes: an edge box has no onnx package."""
TRAINING_PACKAGES = ("safetensors", "onnx", "onnxscript", "tensorboard", "matplotlib")


@dataclass(frozen=True, kw_only=True, slots=True)
class Check:
    """One part of vadsdk."""

    name: str
    """As the table shows it."""
    run: Callable[[], str]
    """Returns detail or raises."""
    advice: str
    """What to do if it is missing."""


class NoDeviceError(Exception):
    """The package works, the device is not there."""


def video() -> str:
    """Encode and decode a tiny clip."""
    import av

    from vadsdk.video import VideoWriter, read_frames

    ramp = np.linspace(0, 255, 64, dtype=np.uint8)
    image = np.broadcast_to(ramp[None, :, None], (64, 64, 3)).copy()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "clip.mp4"
        with VideoWriter(path, fps=25) as writer:
            for _ in range(5):
                writer.write(image)
        frames = read_frames(path)
    error = np.abs(frames[0].astype(int) - image).mean()
    if len(frames) != 5 or error > 10:
        raise RuntimeError(f"wrote 5 frames, read {len(frames)} that differ by {error:.0f} levels")
    return f"PyAV {av.__version__}: wrote and read 5 frames of H.264"


def opencv() -> str:
    """Resize and find connected components."""
    import cv2

    square = cv2.resize(np.eye(2, dtype=np.uint8), (8, 8), interpolation=cv2.INTER_NEAREST)
    count, _ = cv2.connectedComponents(square, connectivity=4)
    if count != 3:  # the background and two squares
        raise RuntimeError(f"found {count - 1} components instead of 2")
    return f"OpenCV {cv2.__version__}"


def mask_rle() -> str:
    """Encode and decode a mask."""
    from pycocotools import mask as coco_mask

    mask = np.asfortranarray(np.eye(5, dtype=np.uint8))
    if coco_mask.area(coco_mask.encode(mask)) != 5:
        raise RuntimeError("a mask of 5 pixels came back with another area")
    return f"pycocotools {version('pycocotools')}"


def onnxruntime_cpu() -> str:
    """Run a tiny model on the CPU."""
    return _onnxruntime("CPUExecutionProvider")


def onnxruntime_cuda() -> str:
    """Run a tiny model on the first CUDA device; a silent fallback counts as not working."""
    import onnxruntime

    if "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
        raise NoDeviceError("this onnxruntime is built without CUDA")
    return _onnxruntime("CUDAExecutionProvider")


def _onnxruntime(provider: str) -> str:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(TWICE_ONNX, options, providers=[provider])
    if session.get_providers()[0] != provider:
        raise RuntimeError(f"asked for {provider}, it runs on {session.get_providers()[0]}")
    _require_twice(session.run(None, {"x": np.array([1, 2], np.float32)})[0])
    return f"onnxruntime {onnxruntime.__version__}: ran a model with {provider}"


def torch_cpu() -> str:
    """Multiply two matrices on the CPU."""
    return _torch("cpu")


def torch_cuda() -> str:
    """Multiply two matrices on the first CUDA device."""
    import torch

    if not torch.cuda.is_available():
        raise NoDeviceError(f"torch {torch.__version__} sees no CUDA device")
    return f"{_torch('cuda:0')} ({torch.cuda.get_device_name(0)})"


def _torch(device: str) -> str:
    import torch

    product = torch.full((4, 4), 2.0, device=device) @ torch.eye(4, device=device)
    if product.sum().item() != 32.0:
        raise RuntimeError(f"a product of matrices on {device} is wrong")
    return f"torch {torch.__version__}: multiplied matrices on {device}"


def training() -> str:
    """Import what fine-tuning and export need besides torch."""
    for name in TRAINING_PACKAGES:
        importlib.import_module(name)
    return ", ".join(f"{name} {version(name)}" for name in TRAINING_PACKAGES)


def tensorrt() -> str:
    """Create a builder, which needs the driver and a GPU."""
    import tensorrt

    if tensorrt.Builder(tensorrt.Logger(tensorrt.Logger.ERROR)) is None:
        raise RuntimeError("no builder could be made; is the NVIDIA driver there?")
    return f"TensorRT {tensorrt.__version__}: made a builder (vadsdk cannot run engines yet)"


def openvino() -> str:
    """Compile and run a tiny model on the CPU."""
    import openvino

    core = openvino.Core()
    compiled = core.compile_model(core.read_model(model=TWICE_ONNX), "CPU")
    _require_twice(compiled([np.array([1, 2], np.float32)])[0])
    return f"OpenVINO {openvino.__version__}: ran a model (vadsdk cannot run .xml yet)"


def _require_twice(came: object) -> None:
    if not np.array_equal(np.asarray(came), [2, 4]):
        raise RuntimeError(f"1 + 1 and 2 + 2 came out as {came}")


BASICS = (
    Check(name="video", run=video, advice='pip install --force-reinstall "vadsdk[cpu]"'),
    Check(name="OpenCV", run=opencv, advice='pip install --force-reinstall "vadsdk[cpu]"'),
    Check(name="mask RLE", run=mask_rle, advice='pip install --force-reinstall "vadsdk[cpu]"'),
)
"""Without these nothing works."""
BACKENDS = (
    Check(name="onnxruntime", run=onnxruntime_cpu, advice='pip install "vadsdk[cpu]"'),
    Check(name="torch", run=torch_cpu, advice='pip install "vadsdk[train]"'),
)
"""At least one must run models."""
OPTIONAL = (
    Check(name="training", run=training, advice='pip install "vadsdk[train]"'),
    Check(
        name="onnxruntime CUDA",
        run=onnxruntime_cuda,
        advice='pip uninstall onnxruntime; pip install "vadsdk[gpu]"',
    ),
    Check(name="torch CUDA", run=torch_cuda, advice="install torch's CUDA build from pytorch.org"),
    Check(name="TensorRT", run=tensorrt, advice='pip install "vadsdk[gpu]"'),
    Check(name="OpenVINO", run=openvino, advice='pip install "vadsdk[openvino]"'),
)
"""What speeds up, trains or exports."""
