"""COCO run-length encoding of masks, as text; the border to pycocotools.

Legend: F masks, H, W.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco_mask


def encode_masks(masks: NDArray[np.bool_]) -> list[str]:
    """Return the compressed `counts` of each of (F, H, W) masks."""
    if not len(masks):
        return []
    stacked = np.asfortranarray(masks.transpose(1, 2, 0), np.uint8)  # (H, W, F), as COCO wants it
    return [run["counts"].decode("ascii") for run in coco_mask.encode(stacked)]


def decode_masks(counts: Sequence[str], size: tuple[int, int]) -> NDArray[np.bool_]:
    """Return (F, H, W) masks from their compressed `counts`.

    Args:
        counts: F strings, as `encode_masks` makes them.
        size: H and W.

    Raises:
        ValueError: the counts do not describe masks of that size.
    """
    height, width = size
    if not counts:
        return np.zeros((0, height, width), np.bool_)
    runs = [{"size": [height, width], "counts": text.encode("ascii")} for text in counts]
    decoded = coco_mask.decode(runs)  # (H, W, F); raises ValueError for runs of another size
    return np.ascontiguousarray(decoded.transpose(2, 0, 1)).astype(np.bool_)
