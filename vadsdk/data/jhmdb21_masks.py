"""The puppet masks of JHMDB-21 and their tight boxes.

Legend: F frames of a clip, N clips.
"""

from __future__ import annotations

import hashlib
import logging
import os
import zipfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vadsdk.data.atomic import complete_or_absent
from vadsdk.data.matlab_files import read_mat
from vadsdk.errors import DatasetError

NUM_READERS = 2
CACHE_VERSION = 1
LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class ClipBoxes:
    """Where the actor of one clip is."""

    boxes_xyxy: NDArray[np.float32]
    """(F, 4) pixels, max edge exclusive; all zero where the mask is empty."""
    height: int
    """Of the mask, in pixels."""
    width: int
    """Of the mask, in pixels."""


def read_part_mask(root: Path, clip: str) -> NDArray[np.bool_]:
    """Read the actor of a clip `<class>/<name>`, (F, H, W).

    Raises:
        DatasetError: the file is missing or no such mask.
    """
    path = mask_path(root, clip)
    if not path.is_file():
        raise DatasetError(f"{path} does not exist; unpack the official puppet masks there")
    content = read_mat(path)
    mask = content.get("part_mask")
    if not isinstance(mask, np.ndarray) or mask.ndim != 3 or mask.dtype.kind not in "bui":
        found = "no part_mask"
        if isinstance(mask, np.ndarray):
            found = f"a part_mask {mask.shape} of {mask.dtype}"
        raise DatasetError(f"{path} holds {found}, expected integers (height, width, frames)")
    return np.ascontiguousarray(mask.transpose(2, 0, 1) != 0)  # (H, W, F) -> (F, H, W)


def tight_boxes(masks: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return the tight box of each of (F, H, W) masks, (F, 4); zeros for an empty mask."""
    boxes = np.zeros((len(masks), 4), np.float32)
    for axis, (low, high) in ((1, (0, 2)), (2, (1, 3))):  # columns give x, rows give y
        occupied = np.asarray(masks.any(axis=axis))  # (F, W) or (F, H)
        boxes[:, low] = occupied.argmax(axis=1)
        boxes[:, high] = occupied.shape[1] - occupied[:, ::-1].argmax(axis=1)
    boxes[~masks.any(axis=(1, 2))] = 0
    return boxes


def read_all_boxes(
    root: Path, clips: Sequence[str], progress: Callable[[int, int], None] | None = None
) -> dict[str, ClipBoxes]:
    """Return the boxes of all clips, from the cache where the mask files are unchanged."""
    cache_path = _cache_path(root)
    stamps = {clip: _stamp(mask_path(root, clip)) for clip in clips}
    known = _read_cache(cache_path)
    boxes = {
        clip: known[clip][1] for clip in clips if clip in known and known[clip][0] == stamps[clip]
    }
    missing = [clip for clip in clips if clip not in boxes]
    if missing:
        with ThreadPoolExecutor(NUM_READERS) as pool:
            for done, (clip, found) in enumerate(
                zip(missing, pool.map(lambda clip: _clip_boxes(root, clip), missing), strict=True),
                1,
            ):
                boxes[clip] = found
                if progress:
                    progress(done, len(missing))
        _write_cache(cache_path, {clip: (stamps[clip], boxes[clip]) for clip in clips})
    return boxes


def _clip_boxes(root: Path, clip: str) -> ClipBoxes:
    masks = read_part_mask(root, clip)
    return ClipBoxes(boxes_xyxy=tight_boxes(masks), height=masks.shape[1], width=masks.shape[2])


def mask_path(root: Path, clip: str) -> Path:
    """Return where the mask of a clip `<class>/<name>` belongs."""
    return root / "puppet_mask" / clip / "puppet_mask.mat"


def _stamp(path: Path) -> tuple[int, int]:
    """Size and time of change; (-1, -1) if there is no such file, which then fails on reading."""
    try:
        status = path.stat()
    except OSError:
        return (-1, -1)
    return status.st_size, status.st_mtime_ns


def _cache_path(root: Path) -> Path:
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "vadsdk"
    place = hashlib.sha256(str(root.resolve()).encode()).hexdigest()[:16]
    return folder / f"jhmdb21-boxes-{CACHE_VERSION}-{place}.npz"


def _read_cache(path: Path) -> dict[str, tuple[tuple[int, int], ClipBoxes]]:
    if not path.exists():
        return {}
    try:
        with np.load(path, allow_pickle=False) as content:
            names, stamps = content["names"].tolist(), content["stamps"].tolist()
            shapes, boxes = content["shapes"], content["boxes_xyxy"]
        parts = np.split(boxes, shapes[:, 0].cumsum()[:-1])
        return {
            name: (
                (stamp[0], stamp[1]),
                ClipBoxes(boxes_xyxy=part, height=int(shape[1]), width=int(shape[2])),
            )
            for name, stamp, shape, part in zip(names, stamps, shapes, parts, strict=True)
        }
    except (OSError, ValueError, KeyError, IndexError, EOFError, zipfile.BadZipFile) as error:
        LOGGER.warning("the cache %s is unreadable (%s); the boxes are made anew", path, error)
        return {}


def _write_cache(path: Path, boxes: dict[str, tuple[tuple[int, int], ClipBoxes]]) -> None:
    shapes = [(len(part.boxes_xyxy), part.height, part.width) for _, part in boxes.values()]
    try:
        with complete_or_absent(path) as temporary, temporary.open("wb") as file:
            np.savez(
                file,
                names=np.array(list(boxes)),
                stamps=np.array([stamp for stamp, _ in boxes.values()], np.int64),
                shapes=np.array(shapes, np.int64),
                boxes_xyxy=np.concatenate([part.boxes_xyxy for _, part in boxes.values()]),
            )
    except DatasetError as error:
        LOGGER.warning("the boxes of JHMDB-21 are not cached: %s", error)
