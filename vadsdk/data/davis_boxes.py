"""The boxes of all masks of a data set, made once and kept in the user's cache folder.

Legend: S sequences, R boxes of all of them.
"""

from __future__ import annotations

import hashlib
import logging
import os
import zipfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from vadsdk.data.atomic import complete_or_absent
from vadsdk.data.davis_masks import MaskBoxes, MaskKind, boxes_of_masks
from vadsdk.data.problems import Problem
from vadsdk.errors import DatasetError

NUM_READERS = 2
CACHE_VERSION = 1
LOGGER = logging.getLogger(__name__)

_Cached = dict[str, tuple[str, MaskBoxes]]
"""Stamp and boxes of each sequence."""


def read_all_boxes(
    root: Path,
    masks: Mapping[str, Sequence[Path]],
    kind: MaskKind,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[dict[str, MaskBoxes], list[Problem]]:
    """Return the boxes of each sequence, from the cache where its masks are unchanged.

    A sequence whose masks cannot be read is not among them; the problems say why.

    Args:
        root: of the data set.
        masks: for each sequence its mask files in the order of the frames, one or more.
        kind: what the numbers in the masks mean.
        progress: called with done and total while masks are read for the first time.
    """
    cache_path = _cache_path(root, kind)
    stamps = {name: _stamp(paths) for name, paths in masks.items()}
    known = _read_cache(cache_path)
    boxes = {
        name: known[name][1]
        for name, stamp in stamps.items()
        if name in known and known[name][0] == stamp
    }
    missing = [name for name in masks if name not in boxes]
    problems: list[Problem] = []
    with ThreadPoolExecutor(NUM_READERS, thread_name_prefix="masks") as pool:
        results = pool.map(lambda name: boxes_of_masks(masks[name], kind), missing)
        for done, (name, (found, wrong)) in enumerate(zip(missing, results, strict=True), start=1):
            problems += wrong
            if found is not None:
                boxes[name] = found
            if progress:
                progress(done, len(missing))
    if missing:
        _write_cache(cache_path, {name: (stamps[name], boxes[name]) for name in sorted(boxes)})
    return boxes, problems


def _stamp(paths: Sequence[Path]) -> str:
    """Return a digest of names, sizes and times of change."""
    digest = hashlib.sha256()
    for path in paths:
        try:
            status = path.stat()
            digest.update(f"{path.name}\0{status.st_size}\0{status.st_mtime_ns}\n".encode())
        except OSError:
            digest.update(f"{path.name}\0missing\n".encode())
    return digest.hexdigest()


def _cache_path(root: Path, kind: MaskKind) -> Path:
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "vadsdk"
    place = hashlib.sha256(str(root.resolve()).encode()).hexdigest()[:16]
    return folder / f"mask-boxes-{CACHE_VERSION}-{kind}-{place}.npz"


def _read_cache(path: Path) -> _Cached:
    if not path.exists():
        return {}
    try:
        with np.load(path, allow_pickle=False) as content:
            names, stamps = content["names"].tolist(), content["stamps"].tolist()
            shapes, rows = content["shapes"], content["rows"]
        parts = np.split(rows, shapes[:, 0].cumsum()[:-1])
        return {
            name: (stamp, MaskBoxes(height=int(shape[1]), width=int(shape[2]), rows=part))
            for name, stamp, shape, part in zip(names, stamps, shapes, parts, strict=True)
        }
    except (OSError, ValueError, KeyError, IndexError, EOFError, zipfile.BadZipFile) as error:
        LOGGER.warning("the cache %s is unreadable (%s); the boxes are made anew", path, error)
        return {}


def _write_cache(path: Path, boxes: _Cached) -> None:
    if not boxes:
        return
    shapes = [(len(found.rows), found.height, found.width) for _, found in boxes.values()]
    try:
        with complete_or_absent(path) as temporary, temporary.open("wb") as file:
            np.savez(
                file,
                names=np.array(list(boxes)),
                stamps=np.array([stamp for stamp, _ in boxes.values()]),
                shapes=np.array(shapes, np.int64),
                rows=np.concatenate([found.rows for _, found in boxes.values()]),
            )
    except DatasetError as error:
        LOGGER.warning("the boxes of the masks are not cached: %s", error)
