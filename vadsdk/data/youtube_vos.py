"""YouTube-VOS in its official layout (Xu et al., ECCV 2018).

    youtube_vos/
      train/meta.json                       {"videos": {id: {"objects": {"1": {"category": "dog",
      valid/...                                              "frames": ["00000", "00005"]}}}}}
      test/...
      train/JPEGImages/<id>/00000.jpg       every 5th frame of a video of 30 frames a second, or all
      train/Annotations/<id>/00000.png      the number of the object at each pixel

Every 5th frame is annotated in `train`; elsewhere, the first frames of the objects are:

    frame      a....a....a....a....a      a: annotated
    tube       b....b.........b....b      one object; away, or hidden, in between

The label of a tube is the object's category.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vadsdk.data.davis_boxes import read_all_boxes
from vadsdk.data.davis_masks import MaskBoxes, MaskKind
from vadsdk.data.davis_sequences import (
    MaskedSequence,
    SequenceAnnotation,
    masked_record,
    union_masks,
    unlabelled_record,
)
from vadsdk.data.object_maps import ObjectMaps, read_object_maps
from vadsdk.data.problems import Problem, raise_if_fatal
from vadsdk.data.records import VideoRecord, records_of_split
from vadsdk.data.rle import EncodedMasks, encode_in_parts
from vadsdk.data.youtube_vos_meta import (
    META_FILE,
    UNNAMED_LABEL,
    MetaVideo,
    list_split,
    read_categories,
)
from vadsdk.structures import Tube

SPLITS = ("train", "valid", "test")


class YoutubeVosDataset:
    """YouTube-VOS.

    Args:
        root: holds `train`, `valid` or `test`.
        progress: called with done and total while masks are read for the first time.

    Raises:
        DatasetError: a file is missing or malformed; the message names file and field.
    """

    format = "youtube-vos"
    has_masks = True

    def __init__(self, root: Path, progress: Callable[[int, int], None] | None = None) -> None:
        annotation = read_youtube_vos(root, progress)
        raise_if_fatal(annotation.problems, root)
        self.name = root.resolve().name
        self.labels = annotation.labels
        self.records = annotation.records
        self._sequences = {sequence.name: sequence for sequence in annotation.sequences}
        self._seen_labels = read_categories(root / SPLITS[0] / META_FILE)

    def split(self, name: str) -> tuple[VideoRecord, ...]:
        """Return the records of one split; a DatasetError lists the splits if there are none."""
        return records_of_split(self, name)

    def actor_masks(
        self, record: VideoRecord, frame_indices: Sequence[int] | NDArray[np.integer]
    ) -> NDArray[np.bool_]:
        """Return the union of the objects in each frame, (T, H, W); none where not annotated."""
        sequence = self._sequences[record.name]
        return union_masks(sequence, record, frame_indices, MaskKind.NUMBERED)

    def tube_masks(self, record: VideoRecord, tube: Tube) -> EncodedMasks:
        """Return the masks of a tube, which is one object."""
        sequence = self._sequences[record.name]
        alone = replace(record, tubes=(tube,))
        return encode_in_parts(
            tube.frame_indices,
            (record.height, record.width),
            lambda frames: union_masks(sequence, alone, frames, MaskKind.NUMBERED),
        )

    is_foreground = False

    @property
    def seen_labels(self) -> frozenset[str] | None:
        """Categories in the `meta.json` of `train`; None without it, or if an object has none."""
        return None if UNNAMED_LABEL in self.labels else self._seen_labels

    def object_maps(
        self, record: VideoRecord, frame_indices: Sequence[int] | NDArray[np.integer]
    ) -> ObjectMaps:
        """Return the objects of annotated frames; a DatasetError where a mask is missing."""
        sequence = self._sequences[record.name]
        return read_object_maps(sequence, record, frame_indices, MaskKind.NUMBERED)


def is_youtube_vos(root: Path) -> bool:
    """Return whether a folder plainly has this layout."""
    return any(
        (root / split / META_FILE).is_file() and (root / split / "JPEGImages").is_dir()
        for split in SPLITS
    )


def read_youtube_vos(
    root: Path, progress: Callable[[int, int], None] | None = None
) -> SequenceAnnotation:
    """Read all annotation of a folder, as `YoutubeVosDataset` does; collect what is wrong with it.

    Raises:
        DatasetError: a `meta.json` is no JSON or not readable at all.
    """
    videos: list[MetaVideo] = []
    problems: list[Problem] = []
    for split in SPLITS:
        if (root / split / META_FILE).is_file():
            found, wrong = list_split(root, split)
            videos += found
            problems += wrong
    if not videos and not problems:
        problems.append(Problem(str(root), "", f"no split has a {META_FILE} that lists a video"))
    problems += _repetition_problems(root, videos)
    masks = {_key(video): video.sequence.masks for video in videos if video.sequence.masks}
    boxes, wrong = read_all_boxes(root, masks, MaskKind.NUMBERED, progress)
    problems += wrong
    records: list[VideoRecord] = []
    sequences: list[MaskedSequence] = []
    for video in videos:
        record, wrong = _record(video, boxes.get(_key(video)))
        problems += wrong
        if record is not None:
            records.append(record)
            sequences.append(video.sequence)
    return SequenceAnnotation(
        labels=tuple(sorted({label for video in videos for label in video.label_of.values()})),
        records=tuple(records),
        sequences=tuple(sequences),
        problems=tuple(problems),
    )


def _key(video: MetaVideo) -> str:
    return f"{video.sequence.split}/{video.sequence.name}"


def _record(video: MetaVideo, boxes: MaskBoxes | None) -> tuple[VideoRecord | None, list[Problem]]:
    if boxes is None:
        return unlabelled_record(video.sequence)
    record = masked_record(video.sequence, boxes, video.label_of)
    return record, _number_problems(video, boxes)


def _number_problems(video: MetaVideo, boxes: MaskBoxes) -> list[Problem]:
    """Return the first pixel number of a video that its `meta.json` does not list."""
    is_unknown = ~np.isin(boxes.rows[:, 1], list(video.label_of))
    if not is_unknown.any():
        return []
    position, number = boxes.rows[int(is_unknown.argmax()), :2].tolist()
    message = (
        f"the mask has an object {number}, which {META_FILE} does not list for this video; "
        f"it lists {', '.join(map(str, sorted(video.label_of))) or 'none'}; it is left out"
    )
    return [Problem(str(video.sequence.masks[position]), "", message, fatal=False)]


def _repetition_problems(root: Path, videos: Sequence[MetaVideo]) -> list[Problem]:
    split_of: dict[str, str] = {}
    problems = []
    for video in videos:
        name, split = video.sequence.name, video.sequence.split
        if split_of.setdefault(name, split) != split:
            message = f"the video is in {split_of[name]} as well; remove it from one"
            file = str(root / split / META_FILE)
            problems.append(Problem(file, f"videos.{name}", message))
    return problems
