"""The masks of a COCO file.

Legend: H, W of the source frame.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco_mask

from vadsdk.data.coco_schema import Polygons, RleEntry
from vadsdk.data.rle import decode_masks


def mask_field(box_field: str) -> str:
    """Return the place of the mask that belongs to a box: `annotations[3].bbox` has it beside."""
    return box_field.replace("bboxes", "segmentations").replace("bbox", "segmentation")


def check_segmentation(segmentation: Polygons | RleEntry, size: tuple[int, int]) -> None:
    """Raise a ValueError for a segmentation that cannot be of a frame of H x W.

    Compressed runs are only added up when they are decoded.
    """
    if isinstance(segmentation, RleEntry):
        if tuple(segmentation.size) != size:
            raise ValueError(
                f"the mask is {segmentation.size[0]} x {segmentation.size[1]}, the frame "
                f"{size[0]} x {size[1]} (height x width)"
            )
        if not isinstance(segmentation.counts, str):
            _check_runs(segmentation.counts, size)
        return
    if not segmentation:
        raise ValueError("the mask has no polygon")
    for index, polygon in enumerate(segmentation):
        if len(polygon) < 6 or len(polygon) % 2:
            raise ValueError(
                f"polygon {index} has {len(polygon)} numbers; give x and y of three points or more"
            )
        # pycocotools walks along each edge, however far it leads.
        far = [
            value
            for place, value in enumerate(polygon)
            if not -size[1 - place % 2] <= value <= 2 * size[1 - place % 2]
        ]
        if far:
            raise ValueError(f"polygon {index} reaches to {far[0]:g}, far outside the frame")


def decode_segmentation(
    segmentation: Polygons | RleEntry, size: tuple[int, int]
) -> NDArray[np.bool_]:
    """Return the (H, W) mask of a segmentation.

    Raises:
        ValueError: it does not describe a mask of that size.
    """
    check_segmentation(segmentation, size)
    if isinstance(segmentation, RleEntry):
        if isinstance(segmentation.counts, str):
            return _decode_text(segmentation.counts, size)
        values = np.arange(len(segmentation.counts)) % 2 == 1  # runs alternate, background first
        mask: NDArray[np.bool_] = np.repeat(values, segmentation.counts).reshape(size[::-1]).T
        return mask  # the runs go down the columns
    merged = coco_mask.merge(coco_mask.frPyObjects(segmentation, *size))
    return _decode_text(merged["counts"].decode("ascii"), size)


def _decode_text(counts: str, size: tuple[int, int]) -> NDArray[np.bool_]:
    mask: NDArray[np.bool_] = decode_masks([counts], size)[0]
    return mask


def _check_runs(counts: list[int], size: tuple[int, int]) -> None:
    """Pycocotools and numpy would write past a mask that is too small."""
    if any(count < 0 for count in counts) or sum(counts) != size[0] * size[1]:
        raise ValueError(f"a mask's runs do not add up to its {size[0]} x {size[1]} pixels")
