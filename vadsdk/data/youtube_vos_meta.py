"""`meta.json` of YouTube-VOS, and the files that it speaks of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict

from vadsdk.data.davis_sequences import MaskedSequence, list_sequence
from vadsdk.data.native_annotation import parse_file
from vadsdk.data.problems import Problem
from vadsdk.data.text_lines import FieldError, name_of

META_FILE = "meta.json"
FRAMES_PER_SECOND = 30.0
"""Of the videos; frame 5 lies 5/30 seconds after frame 0 (Xu et al. 2018, section 3)."""
UNNAMED_LABEL = "object"
"""Of an object without a category."""
MAX_OBJECT = 255


class ObjectEntry(BaseModel):
    """One object of a video."""

    model_config = ConfigDict(extra="ignore")

    category: str | None = None
    """Null or absent in some releases of the test split."""
    frames: list[str] = []
    """Names of the frames in which the object is annotated or, where the masks are kept back, to
    be found."""


class VideoEntry(BaseModel):
    """One video."""

    model_config = ConfigDict(extra="ignore")

    objects: dict[str, ObjectEntry]


class MetaFile(BaseModel):
    """`meta.json`."""

    model_config = ConfigDict(extra="ignore")

    videos: dict[str, VideoEntry]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class MetaVideo:
    """A video of `meta.json` with its files."""

    sequence: MaskedSequence
    label_of: Mapping[int, str]
    """Category of each object number."""


def list_split(root: Path, split: str) -> tuple[list[MetaVideo], list[Problem]]:
    """Return the videos of a split and what is wrong with them; no mask is opened.

    Raises:
        DatasetError: `meta.json` is no JSON or not readable.
    """
    path = root / split / META_FILE
    document, problems = parse_file(path, MetaFile)
    if document is None:
        return [], problems
    videos = []
    for name, entry in sorted(document.videos.items()):
        video, wrong = _video(root, split, name, entry)
        problems += wrong
        videos += [video] if video else []
    return videos, problems


def read_categories(path: Path) -> frozenset[str] | None:
    """Return the categories that a `meta.json` names; None if it is not there or malformed."""
    document = parse_file(path, MetaFile)[0] if path.is_file() else None
    if document is None:
        return None
    objects = [item for video in document.videos.values() for item in video.objects.values()]
    return frozenset(item.category for item in objects if item.category)


def _video(
    root: Path, split: str, name: str, entry: VideoEntry
) -> tuple[MetaVideo | None, list[Problem]]:
    file, place = str(root / split / META_FILE), f"videos.{name}"
    try:
        name_of(name, "videos")
    except FieldError as error:
        return None, [Problem(file, "videos", str(error))]
    folders = [root / split / kind / name for kind in ("JPEGImages", "Annotations")]
    sequence, problems = list_sequence(
        root, *folders, name=name, split=split, fps=FRAMES_PER_SECOND
    )
    labels, wrong = _labels(file, f"{place}.objects", entry)
    problems += wrong
    if sequence is None:
        return None, problems
    problems += _frame_problems(file, f"{place}.objects", entry, sequence)
    sequence = replace(sequence, fps=_frame_rate(sequence))
    return MetaVideo(sequence=sequence, label_of=labels), problems


def _labels(file: str, place: str, entry: VideoEntry) -> tuple[dict[int, str], list[Problem]]:
    labels: dict[int, str] = {}
    problems = []
    for key, item in entry.objects.items():
        number = int(key) if key.isascii() and key.isdecimal() and len(key) < 4 else 0
        if not 1 <= number <= MAX_OBJECT or str(number) != key:
            message = f"an object is a whole number from 1 to {MAX_OBJECT}, not {key[:20]!r}"
            problems.append(Problem(file, place, message))
        elif item.category is not None and not (item.category and item.category.isprintable()):
            message = f"the category {item.category[:20]!a} is empty or not printable; correct it"
            problems.append(Problem(file, f"{place}.{key}.category", message))
        else:
            labels[number] = item.category or UNNAMED_LABEL
    return labels, problems


def _frame_problems(
    file: str, place: str, entry: VideoEntry, sequence: MaskedSequence
) -> list[Problem]:
    """Return the first frame of each object that is not there, or in `train` has no mask."""
    frames = set(sequence.frame_names)
    annotated = {path.stem for path in sequence.masks}
    problems = []
    for key, item in entry.objects.items():
        absent = [frame for frame in item.frames if frame not in frames]
        unmasked = [frame for frame in item.frames if frame not in annotated]
        if absent:
            message = f"there is no frame {absent[0][:20]!r} in {sequence.images}; unpack it again"
            problems.append(Problem(file, f"{place}.{key}.frames", message))
        elif unmasked and sequence.split == "train":
            message = f"frame {unmasked[0]} of {sequence.name} has no mask; unpack it again"
            problems.append(Problem(file, f"{place}.{key}.frames", message))
    return problems


def _frame_rate(sequence: MaskedSequence) -> float:
    """Return the rate at which the frames lie: of 30 a second every 5th, or all."""
    numbers = np.array([int(name) for name in sequence.frame_names], np.float64)
    step = float(np.median(np.diff(numbers))) if len(numbers) > 1 else 1.0
    return FRAMES_PER_SECOND / step
