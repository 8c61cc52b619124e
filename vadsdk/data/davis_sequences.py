"""A folder of frames and a folder of masks as one record; DAVIS and YouTube-VOS have that form.

    images/00000.jpg  00001.jpg  00002.jpg  00003.jpg ...
    masks/00000.png                         00003.png ...       annotated frames

Legend: T frames asked for, H and W of the frame.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vadsdk.data.contained_paths import ContainedPaths
from vadsdk.data.davis_masks import MaskBoxes, MaskKind, read_object_ids
from vadsdk.data.problems import Problem
from vadsdk.data.records import VideoRecord
from vadsdk.data.text_lines import printable
from vadsdk.errors import DatasetError, VideoError
from vadsdk.structures import Tube
from vadsdk.video.folders import IMAGE_SUFFIXES, read_images

MASK_SUFFIX = ".png"


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class MaskedSequence:
    """One video of a data set, as it lies on disk."""

    name: str
    split: str
    images: Path
    """Folder of the frames."""
    frame_names: tuple[str, ...]
    """Of all frames without suffix, in their order."""
    masks: tuple[Path, ...]
    """In the order of the frames; of some frames, or of all."""
    fps: float

    @property
    def annotated_frames(self) -> NDArray[np.int64]:
        """Position of each mask's frame."""
        position_of = {name: position for position, name in enumerate(self.frame_names)}
        return np.array([position_of[path.stem] for path in self.masks], np.int64)


@dataclass(frozen=True, kw_only=True, slots=True)
class SequenceAnnotation:
    """What a folder holds, and what is wrong with it."""

    labels: tuple[str, ...]
    """Names of the classes."""
    records: tuple[VideoRecord, ...]
    """Without tubes where their annotation has a problem."""
    sequences: tuple[MaskedSequence, ...]
    """That of each record."""
    problems: tuple[Problem, ...]


def list_sequence(
    root: Path, images: Path, masks: Path, *, name: str, split: str, fps: float
) -> tuple[MaskedSequence | None, list[Problem]]:
    """Return the files of a sequence, or None and what is wrong with them; no file is opened.

    A sequence without a folder of masks has no masks.
    """
    contained = ContainedPaths(root)
    for folder in (images, masks):
        if not contained.holds(folder):
            message = "the folder leads out of the data set; put the folder itself there"
            return None, [Problem(str(folder), "", message)]
    if not images.is_dir():
        return None, [Problem(str(images), "", "there is no such folder; unpack the frames there")]
    frames, problems = _numbered_files(images, IMAGE_SUFFIXES, contained)
    found, mask_problems = _numbered_files(masks, frozenset({MASK_SUFFIX}), contained)
    known = {path.stem for path in frames}
    problems += mask_problems
    problems += [
        Problem(str(path), "", f"there is no frame of this name in {images}; remove the mask")
        for path in found
        if path.stem not in known
    ]
    if not frames:
        problems.append(Problem(str(images), "", "there is no frame in the folder; unpack it"))
    sequence = MaskedSequence(
        name=name,
        split=split,
        images=images,
        frame_names=tuple(path.stem for path in frames),
        masks=tuple(found),
        fps=fps,
    )
    return (None if problems else sequence), problems


def masked_record(
    sequence: MaskedSequence, boxes: MaskBoxes, label_of: Mapping[int, str]
) -> VideoRecord:
    """Return the record of a sequence with a tube for each object that can be seen.

    Args:
        sequence: with one mask or more.
        boxes: of its masks.
        label_of: of the object numbers; others make no tube.
    """
    frames = sequence.annotated_frames
    rows_of: dict[int, list[NDArray[np.int32]]] = defaultdict(list)
    for row in boxes.rows:
        rows_of[int(row[1])].append(row)
    is_sparse = len(frames) < len(sequence.frame_names)
    return VideoRecord(
        name=sequence.name,
        path=sequence.images,
        split=sequence.split,
        num_frames=len(sequence.frame_names),
        width=boxes.width,
        height=boxes.height,
        fps=sequence.fps,
        tubes=tuple(
            _tube(number, label_of[number], np.stack(rows), frames, sequence.fps)
            for number, rows in sorted(rows_of.items())
            if number in label_of
        ),
        annotated_frames=tuple(frames.tolist()) if is_sparse else None,
    )


def unlabelled_record(sequence: MaskedSequence) -> tuple[VideoRecord | None, list[Problem]]:
    """Return the record of a sequence without masks; its first frame tells the size."""
    try:
        (image,) = read_images(sequence.images, [0])
    except (VideoError, OSError) as error:
        return None, [Problem(str(sequence.images), "", str(error))]
    record = VideoRecord(
        name=sequence.name,
        path=sequence.images,
        split=sequence.split,
        num_frames=len(sequence.frame_names),
        width=image.shape[1],
        height=image.shape[0],
        fps=sequence.fps,
        labelled=False,
    )
    return record, []


def union_masks(
    sequence: MaskedSequence,
    record: VideoRecord,
    frame_indices: Sequence[int] | NDArray[np.integer],
    kind: MaskKind,
) -> NDArray[np.bool_]:
    """Return the union of a record's objects in each frame, (T, H, W); none where not annotated.

    Raises:
        DatasetError: a mask is missing or malformed, or has changed its size.
    """
    numbers = [tube.id for tube in record.tubes]
    path_of = dict(zip(sequence.annotated_frames.tolist(), sequence.masks, strict=True))
    masks = np.zeros((len(frame_indices), record.height, record.width), np.bool_)
    for mask, frame in zip(masks, frame_indices, strict=True):
        path = path_of.get(int(frame))
        if path is None:
            continue
        object_ids = read_object_ids(path, kind)
        if object_ids.shape != mask.shape:
            raise DatasetError(
                f"{path} has changed its size since the data set was opened; open it again"
            )
        mask[:] = np.isin(object_ids, numbers)
    return masks


def _tube(
    number: int, label: str, rows: NDArray[np.int32], frames: NDArray[np.int64], fps: float
) -> Tube:
    own = frames[rows[:, 0]]
    return Tube(
        id=number,
        label=label,
        score=1.0,
        frame_indices=own,
        boxes_xyxy=rows[:, 2:].astype(np.float32),
        start_seconds=float(own[0]) / fps,
        end_seconds=float(own[-1] + 1) / fps,
    )


def _numbered_files(
    folder: Path, suffixes: frozenset[str], contained: ContainedPaths
) -> tuple[list[Path], list[Problem]]:
    """Return the files of a folder that are named by numbers, in their order."""
    if not folder.is_dir():
        return [], []
    found = [
        path
        for path in folder.iterdir()
        if path.suffix.lower() in suffixes and not path.name.startswith(".")
    ]
    files = [path for path in found if path.stem.isascii() and path.stem.isdecimal()]
    problems = [
        Problem(
            printable(path), "", "expected a number as the name, such as 00012; rename or remove it"
        )
        for path in sorted(set(found) - set(files))
    ]
    files.sort(key=lambda path: (int(path.stem), path.name))
    for earlier, later in pairwise(files):
        if int(earlier.stem) == int(later.stem):
            message = f"{earlier.name} has the same number; remove one of the two"
            problems.append(Problem(str(later), "", message))
    problems += [
        Problem(str(path), "", "the link leads out of the data set; put the file itself there")
        for path in files
        if not contained.holds(path)
    ]
    return files, problems
