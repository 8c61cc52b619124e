"""DAVIS in its official layout, 2016 (Perazzi et al., CVPR) and 2017 (Pont-Tuset et al., arXiv).

    DAVIS/
      JPEGImages/480p/<sequence>/00000.jpg
      Annotations/480p/<sequence>/00000.png      2016: not 0 is the object
                                                 2017: the number of the object; 255 is void
      ImageSets/2016/train.txt, val.txt          a sequence a line; a 2016 download has
      ImageSets/480p/train.txt, val.txt          "/JPEGImages/480p/<sequence>/00000.jpg ...png"
      ImageSets/2017/train.txt, val.txt, test-dev.txt

DAVIS names no classes: every object has the label "object".
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vadsdk.data.davis_boxes import read_all_boxes
from vadsdk.data.davis_masks import VOID, MaskKind
from vadsdk.data.davis_sequences import (
    MaskedSequence,
    SequenceAnnotation,
    list_sequence,
    masked_record,
    union_masks,
    unlabelled_record,
)
from vadsdk.data.object_maps import ObjectMaps, read_object_maps
from vadsdk.data.problems import Problem, raise_if_fatal
from vadsdk.data.records import VideoRecord, records_of_split
from vadsdk.data.rle import EncodedMasks, encode_in_parts
from vadsdk.data.text_lines import FieldError, line_problem, name_of, numbered_lines
from vadsdk.errors import DatasetError
from vadsdk.structures import Tube

LABEL = "object"
FRAMES_PER_SECOND = 24.0
"""Of every sequence (Perazzi et al. 2016, section 3.1)."""
RESOLUTION = "480p"
SPLITS = ("train", "val", "test-dev", "test-challenge")
FULLY_ANNOTATED_SPLITS = ("train", "val")
"""In the others the first frame has a mask, if any."""
YEARS = (2016, 2017)
_KINDS = {2016: MaskKind.BINARY, 2017: MaskKind.NUMBERED_WITH_VOID}


class DavisDataset:
    """DAVIS.

    Args:
        root: holds `JPEGImages`, `Annotations` and `ImageSets`.
        year: 2016 (one object a sequence) or 2017 (several); None takes the latest that is there.
        progress: called with done and total while masks are read for the first time.

    Raises:
        DatasetError: a list, frame or mask is missing or malformed.
    """

    format = "davis"
    has_masks = True

    def __init__(
        self,
        root: Path,
        year: int | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> None:
        self.year = _year(root, year)
        annotation = read_davis(root, self.year, progress)
        raise_if_fatal(annotation.problems, root)
        self.name = root.resolve().name
        self.labels = annotation.labels
        self.records = annotation.records
        self._sequences = {sequence.name: sequence for sequence in annotation.sequences}

    def split(self, name: str) -> tuple[VideoRecord, ...]:
        """Return the records of one split; a DatasetError lists the splits if there are none."""
        return records_of_split(self, name)

    def actor_masks(
        self, record: VideoRecord, frame_indices: Sequence[int] | NDArray[np.integer]
    ) -> NDArray[np.bool_]:
        """Return the union of the objects in each frame, (T, H, W); none where not annotated."""
        sequence = self._sequences[record.name]
        return union_masks(sequence, record, frame_indices, _KINDS[self.year])

    def tube_masks(self, record: VideoRecord, tube: Tube) -> EncodedMasks:
        """Return the masks of a tube, which is one object."""
        sequence = self._sequences[record.name]
        alone = replace(record, tubes=(tube,))
        return encode_in_parts(
            tube.frame_indices,
            (record.height, record.width),
            lambda frames: union_masks(sequence, alone, frames, _KINDS[self.year]),
        )

    @property
    def is_foreground(self) -> bool:
        """Whether all that moves is one object, as in 2016."""
        return self.year == 2016

    @property
    def seen_labels(self) -> None:
        """None: DAVIS does not tell seen from unseen categories."""
        return None

    def object_maps(
        self, record: VideoRecord, frame_indices: Sequence[int] | NDArray[np.integer]
    ) -> ObjectMaps:
        """Return the objects of annotated frames; a DatasetError where a mask is missing."""
        sequence = self._sequences[record.name]
        return read_object_maps(sequence, record, frame_indices, _KINDS[self.year])


def is_davis(root: Path) -> bool:
    """Return whether a folder plainly has this layout."""
    return all((root / name).is_dir() for name in ("JPEGImages", "Annotations", "ImageSets")) and (
        bool(_years_of(root))
    )


def read_davis(
    root: Path, year: int | None = None, progress: Callable[[int, int], None] | None = None
) -> SequenceAnnotation:
    """Read all annotation of a folder, as `DavisDataset` does, and collect what is wrong with it.

    Raises:
        DatasetError: the lists are missing or no text, or the year is unknown.
    """
    year = _year(root, year)
    sequences, problems = _list_all(root, _lists_folder(root, year))
    masks = {sequence.name: sequence.masks for sequence in sequences if sequence.masks}
    boxes, wrong = read_all_boxes(root, masks, _KINDS[year], progress)
    problems += wrong
    records: dict[str, VideoRecord] = {}
    numbers = range(1, VOID)
    for sequence in sequences:
        if sequence.name in boxes:
            labels = dict.fromkeys(numbers, LABEL)
            records[sequence.name] = masked_record(sequence, boxes[sequence.name], labels)
        else:
            record, wrong = unlabelled_record(sequence)
            problems += wrong
            if record is not None:
                records[sequence.name] = record
    return SequenceAnnotation(
        labels=(LABEL,),
        records=tuple(records.values()),
        sequences=tuple(sequence for sequence in sequences if sequence.name in records),
        problems=tuple(problems),
    )


def _years_of(root: Path) -> list[int]:
    return [year for year in YEARS if _lists_folder(root, year).is_dir()]


def _lists_folder(root: Path, year: int) -> Path:
    folder = root / "ImageSets" / str(year)
    if year == 2016 and not folder.is_dir():
        return root / "ImageSets" / RESOLUTION
    return folder


def _year(root: Path, year: int | None) -> int:
    found = _years_of(root)
    if year is None and found:
        return found[-1]
    if year in found:
        return year
    if year is not None and year not in YEARS:
        raise DatasetError(f"DAVIS has the years 2016 and 2017, not {year}")
    raise DatasetError(
        f"{root / 'ImageSets'} has no lists of {year or '2016 or 2017'}; unpack the official ones "
        f"there, such as {root / 'ImageSets' / str(year or 2017) / 'train.txt'}"
    )


def _list_all(root: Path, lists: Path) -> tuple[list[MaskedSequence], list[Problem]]:
    """Return the sequences of all lists, each once."""
    sequences: list[MaskedSequence] = []
    problems: list[Problem] = []
    split_of: dict[str, str] = {}
    for split in SPLITS:
        path = lists / f"{split}.txt"
        names, wrong = _listed_names(path) if path.is_file() else ([], [])
        problems += wrong
        for name in names:
            if split_of.setdefault(name, split) != split:
                message = f"the sequence {name} is in {split_of[name]} as well; keep one"
                problems.append(Problem(str(path), name, message))
                continue
            sequence, wrong = _listed(root, name, split)
            problems += wrong
            sequences += [sequence] if sequence else []
    if not split_of and not problems:
        problems.append(Problem(str(lists), "", "no list names a sequence; unpack them again"))
    return sequences, problems


def _listed_names(path: Path) -> tuple[list[str], list[Problem]]:
    """Return the sequences of a list, which names them or each of their frames."""
    names: dict[str, None] = {}
    problems = []
    for number, line in numbered_lines(path):
        try:
            names[_sequence_name(line)] = None
        except FieldError as error:
            problems.append(line_problem(path, number, error))
    return list(names), problems


def _sequence_name(line: str) -> str:
    fields = line.split()
    if len(fields) == 1 and not line.startswith("/"):
        return name_of(line, "sequence")
    parts = fields[0].split("/")
    if len(parts) != 5 or parts[:2] != ["", "JPEGImages"]:
        raise FieldError(
            "sequence",
            f"expected a name such as 'camel', or '/JPEGImages/{RESOLUTION}/camel/00000.jpg' and "
            f"its mask, not {line[:60]!r}",
        )
    return name_of(parts[3], "sequence")


def _listed(root: Path, name: str, split: str) -> tuple[MaskedSequence | None, list[Problem]]:
    images, masks = (root / kind / RESOLUTION / name for kind in ("JPEGImages", "Annotations"))
    sequence, problems = list_sequence(
        root, images, masks, name=name, split=split, fps=FRAMES_PER_SECOND
    )
    if sequence is None or split not in FULLY_ANNOTATED_SPLITS:
        return sequence, problems
    annotated = {path.stem for path in sequence.masks}
    missing = [frame for frame in sequence.frame_names if frame not in annotated]
    if missing:
        message = (
            f"{len(missing)} of {len(sequence.frame_names)} frames have no mask, such as "
            f"{missing[0]}; unpack the annotation again"
        )
        problems.append(Problem(str(masks), "", message))
    return sequence, problems
