"""JHMDB-21 in its official layout (Jhuang et al., ICCV 2013).

    jhmdb21/
      ReCompress_Videos/<class>/<clip>.avi
      puppet_mask/<class>/<clip>/puppet_mask.mat     part_mask (H, W, T), 0 or 1
      splits/<class>_test_split<1-3>.txt             "<clip>.avi 1" train, "<clip>.avi 2" test

One actor a clip. Its box in a frame is the tight box of its mask; a frame with an empty mask has
none. The boxes take some seconds to compute, so they are kept in the user's cache folder.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vadsdk.data.contained_paths import LEADS_OUT, ContainedPaths
from vadsdk.data.jhmdb21_masks import ClipBoxes, mask_path, read_all_boxes, read_part_mask
from vadsdk.data.records import VideoRecord, records_of_split
from vadsdk.data.rle import EncodedMasks
from vadsdk.data.text_lines import numbered_lines, printable
from vadsdk.errors import DatasetError
from vadsdk.structures import Tube

FRAMES_PER_SECOND = 30.0
"""Of every clip: the parent data set HMDB51 is normalised to it (Kuehne et al. 2011, section 3)."""
SPLIT_CODES = {"1": "train", "2": "test"}
SPLIT_INDICES = (1, 2, 3)


class Jhmdb21Dataset:
    """JHMDB-21.

    Args:
        root: holds `ReCompress_Videos`, `puppet_mask` and `splits`.
        split_index: which of the three official splits, 1 to 3.
        progress: called with done and total while masks are read for the first time.

    Raises:
        DatasetError: a split or mask file is missing or malformed.
    """

    format = "jhmdb21"
    has_masks = True

    def __init__(
        self,
        root: Path,
        split_index: int = 1,
        progress: Callable[[int, int], None] | None = None,
    ) -> None:
        if split_index not in SPLIT_INDICES:
            raise DatasetError(f"JHMDB-21 has the splits 1, 2 and 3, not {split_index}")
        self.name = root.resolve().name
        self._root = root
        split_of = _read_splits(root, split_index)
        self.labels = tuple(sorted({clip.split("/")[0] for clip in split_of}))
        _require_contained(root, split_of)
        boxes = read_all_boxes(root, sorted(split_of), progress)
        self.records = tuple(
            _record(root, clip, split_of[clip], boxes[clip]) for clip in sorted(split_of)
        )

    def split(self, name: str) -> tuple[VideoRecord, ...]:
        """Return the records of one split; a DatasetError lists the splits if there are none."""
        return records_of_split(self, name)

    def actor_masks(
        self, record: VideoRecord, frame_indices: Sequence[int] | NDArray[np.integer]
    ) -> NDArray[np.bool_]:
        """Return the actor in each frame, (T, H, W)."""
        return read_part_mask(self._root, record.name)[np.asarray(frame_indices, np.intp)]

    def mask_path(self, record: VideoRecord) -> Path:
        """Return the mask file of a clip."""
        return mask_path(self._root, record.name)

    def tube_masks(self, record: VideoRecord, tube: Tube) -> EncodedMasks:
        """Return the masks of a tube; a clip has one actor."""
        return EncodedMasks.of(self.actor_masks(record, tube.frame_indices))


def _read_splits(root: Path, split_index: int) -> dict[str, str]:
    """Return the split of each clip `<class>/<clip>`."""
    suffix = f"_test_split{split_index}.txt"
    files = sorted((root / "splits").glob(f"*{suffix}"))
    if not files:
        raise DatasetError(
            f"{root / 'splits'} has no file *{suffix}; unpack the official splits there"
        )
    split_of = {}
    for file in files:
        label = file.name.removesuffix(suffix)
        if not label.isprintable():
            raise DatasetError(f"{printable(file)}: the name is not UTF-8 text; rename it")
        for number, line in numbered_lines(file):
            name, _, code = line.rpartition(" ")
            if code == "0":  # 0: the clip is not in this split
                continue
            is_name = name.endswith(".avi") and name.isprintable() and not set(name) & set("/\\")
            if code not in SPLIT_CODES or not is_name:
                raise DatasetError(
                    f"{file}, line {number}: {line!r} is neither '<clip>.avi 1' (train) "
                    "nor '<clip>.avi 2' (test)"
                )
            split_of[f"{label}/{name.removesuffix('.avi')}"] = SPLIT_CODES[code]
    return split_of


def _require_contained(root: Path, clips: Iterable[str]) -> None:
    contained = ContainedPaths(root)
    for clip in clips:
        for path in (_video_path(root, clip), mask_path(root, clip)):
            if not contained.holds(path):
                raise DatasetError(f"{path} {LEADS_OUT}")


def _video_path(root: Path, clip: str) -> Path:
    return root / "ReCompress_Videos" / f"{clip}.avi"


def _record(root: Path, clip: str, split: str, boxes: ClipBoxes) -> VideoRecord:
    frames = np.flatnonzero(boxes.boxes_xyxy[:, 2] > 0)
    return VideoRecord(
        name=clip,
        path=_video_path(root, clip),
        split=split,
        num_frames=len(boxes.boxes_xyxy),
        width=boxes.width,
        height=boxes.height,
        fps=FRAMES_PER_SECOND,
        tubes=(_tube(clip, frames, boxes),) if len(frames) else (),
    )


def _tube(clip: str, frames: NDArray[np.int64], boxes: ClipBoxes) -> Tube:
    return Tube(
        id=0,
        label=clip.split("/")[0],
        score=1.0,
        frame_indices=frames,
        boxes_xyxy=boxes.boxes_xyxy[frames],
        start_seconds=float(frames[0]) / FRAMES_PER_SECOND,
        end_seconds=float(frames[-1] + 1) / FRAMES_PER_SECOND,
    )
