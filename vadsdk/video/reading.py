"""A whole video as one array, which is how training reads clips."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vadsdk.video.address import file_address
from vadsdk.video.decoder import decoded_pictures
from vadsdk.video.folders import read_images
from vadsdk.video.pixels import RgbConverter


def read_frames(path: Path | str, *, size: tuple[int, int] | None = None) -> NDArray[np.uint8]:
    """Decode a whole video into memory, (F, H, W, 3) RGB, upright.

    Args:
        path: a video file, or a folder of images.
        size: (height, width) to stretch every frame to while decoding, averaging over areas;
            None keeps the size of the file.

    Raises:
        VideoError: the file is missing, no video, broken midway, or changes its frame size.
    """
    path = Path(path)
    if path.is_dir():
        return read_images(path, size=size)
    converter = RgbConverter()
    pictures = decoded_pictures(file_address(path))
    return np.stack([converter.convert(picture, size) for picture in pictures])
