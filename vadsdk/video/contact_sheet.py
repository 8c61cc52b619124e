"""Many pictures on one sheet, for reports."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

_GAP = 4
_PAPER = 255


def contact_sheet(images: Sequence[NDArray[np.uint8]], columns: int) -> NDArray[np.uint8]:
    """Return images row by row on white, `columns` a row, each centred in a cell of its own.

    Args:
        images: (H, W, 3) RGB, at least one; those larger than the first are shrunk to fit its size.
        columns: at least 1.
    """
    if not images or columns < 1:
        raise ValueError(f"a sheet of {len(images)} images in {columns} columns shows nothing")
    height, width = images[0].shape[:2]
    columns = min(columns, len(images))
    rows = -(-len(images) // columns)
    size = (rows * (height + _GAP) + _GAP, columns * (width + _GAP) + _GAP, 3)
    sheet = np.full(size, _PAPER, np.uint8)
    for index, image in enumerate(images):
        row, column = divmod(index, columns)
        fitted = _fit(image, height, width)
        top = _GAP + row * (height + _GAP) + (height - fitted.shape[0]) // 2
        left = _GAP + column * (width + _GAP) + (width - fitted.shape[1]) // 2
        sheet[top : top + fitted.shape[0], left : left + fitted.shape[1]] = fitted
    return sheet


def _fit(image: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    scale = min(1.0, height / image.shape[0], width / image.shape[1])
    if scale == 1.0:
        return image
    size = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
