"""Small footage for tests of what runs: a bright square that moves over a dark ground."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vadsdk.video import VideoWriter


def moving_square(num_frames: int) -> list[NDArray[np.uint8]]:
    """Return (48, 64, 3) images."""
    images = []
    for index in range(num_frames):
        image = np.full((48, 64, 3), 20, np.uint8)
        image[12:36, 8 + index : 28 + index] = 250
        images.append(image)
    return images


def write_video(path: Path, num_frames: int) -> Path:
    with VideoWriter(path, fps=25) as writer:
        for image in moving_square(num_frames):
            writer.write(image)
    return path
