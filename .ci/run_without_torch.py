"""Runs an exported model with the installed wheel where torch is not installed.

Usage: run_without_torch.py MODEL.onnx VIDEO.mp4   (the video is made)
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import numpy as np

import vadsdk
from vadsdk import Detector
from vadsdk.video import VideoWriter

NUM_FRAMES = 40


def write_video(path: Path) -> None:
    """Write a bright block that moves over a dark ground."""
    with VideoWriter(path, fps=25) as writer:
        for index in range(NUM_FRAMES):
            image = np.full((120, 160, 3), 30, np.uint8)
            image[30:90, 20 + index : 60 + index] = 220
            writer.write(image)


def main(model: Path, video: Path) -> None:
    """Exit with a message unless every frame has its result and torch was not there."""
    if importlib.util.find_spec("torch") is not None:
        sys.exit("torch is installed here, so this proves nothing")
    if "site-packages" not in vadsdk.__file__:
        sys.exit(f"this is not the installed wheel: {vadsdk.__file__}")
    write_video(video)
    detector = Detector.load(model)
    result = detector.predict(video)
    indices = [frame.index for frame in result.frames]
    if indices != list(range(NUM_FRAMES)):
        sys.exit(f"{NUM_FRAMES} frames went in, these came out: {indices}")
    empty = [frame.index for frame in result.frames if not len(frame.detections)]
    if empty:
        sys.exit(f"frames without a detection: {empty}")
    streamed = [frame.index for frame in detector.stream(video)]
    if streamed != indices:
        sys.exit(f"the stream gave these frames: {streamed}")
    if "torch" in sys.modules:
        sys.exit("something called torch was imported")
    print(f"{len(indices)} frames and {len(result.tubes)} tubes without torch")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
