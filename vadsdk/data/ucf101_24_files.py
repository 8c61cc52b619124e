"""Which files of UCF101-24 lie where: annotation, lists of the splits, videos."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from vadsdk.data.contained_paths import ContainedPaths
from vadsdk.data.problems import Problem
from vadsdk.data.text_lines import numbered_lines
from vadsdk.data.ucf101_24_annotation import MAT_FILE, PICKLE_FILE
from vadsdk.errors import DatasetError
from vadsdk.video.folders import VIDEO_SUFFIXES

SPLIT_INDICES = (1, 2, 3)
LIST_FOLDERS = ("", "splitfiles", "ucfTrainTestlist")
_LISTED = re.compile(r"(\w+/\w+)(\.avi)?( \d+)?", re.ASCII)


def is_ucf101_24(root: Path) -> bool:
    """Return whether a folder has the annotation of UCF101-24 in it."""
    return _find(root, (MAT_FILE, PICKLE_FILE)) is not None


def find_annotation(root: Path) -> Path:
    """Return the annotation file; a DatasetError if there is none."""
    path = _find(root, (MAT_FILE, PICKLE_FILE))
    if path is None:
        raise DatasetError(f"{root} has neither {MAT_FILE} nor {PICKLE_FILE}; put one there")
    return path


def read_splits(root: Path, split_index: int, names: Sequence[str]) -> dict[str, str]:
    """Return "train" or "test" for each video of a split.

    Args:
        root: of the data set.
        split_index: from 1.
        names: of the annotated videos; others in the lists are of UCF101's other classes.

    Raises:
        DatasetError: a list is missing, malformed or another data set's, or both have one video.
    """
    if split_index not in SPLIT_INDICES:
        raise DatasetError(f"UCF101-24 has the splits 1, 2 and 3, not {split_index}")
    test_path = _find(root, [f"testlist{split_index:02d}.txt"])
    if test_path is None:
        raise DatasetError(
            f"{root} has no testlist{split_index:02d}.txt; put the official one there"
        )
    train_path = _find(root, [f"trainlist{split_index:02d}.txt"])
    test = _read_list(test_path)
    train = _read_list(train_path) if train_path else frozenset(names) - test
    if train & test:
        raise DatasetError(f"{train_path} and {test_path.name} both have {min(train & test)!r}")
    splits = {name: "test" if name in test else "train" for name in names if name in train | test}
    if "test" not in splits.values():
        raise DatasetError(f"{test_path} has none of the annotated videos in it; is it another's?")
    return splits


def _read_list(path: Path) -> frozenset[str]:
    names = set()
    for number, line in numbered_lines(path):
        listed = _LISTED.fullmatch(line)
        if not listed:
            raise DatasetError(
                f"{path}, line {number}: {line[:80]!r} is not <class>/<video>, with or without .avi"
            )
        names.add(listed[1])
    return frozenset(names)


def find_videos(root: Path, names: Sequence[str]) -> tuple[dict[str, Path], list[Problem]]:
    """Return the file of each video that is there, and what is wrong with those found."""
    contained = ContainedPaths(root)
    found: dict[str, list[Path]] = {}
    for path in sorted(root.rglob("*")):
        if path.suffix.lower() in VIDEO_SUFFIXES and path.is_file():
            found.setdefault(path.stem, []).append(path)
    paths, problems = {}, []
    for name in names:
        label, video = name.split("/")
        # The native AVI in its class folder comes first: another may be of another size.
        candidates = sorted(
            found.get(video, ()),
            key=lambda path: (path.parent.name != label, path.suffix != ".avi"),
        )
        if not candidates:
            continue
        paths[name] = candidates[0]
        if len(candidates) > 1:
            message = (
                f"{name} is also {candidates[1].relative_to(root)}, which is not used; drop it"
            )
            problems.append(Problem(str(candidates[0]), "", message, fatal=False))
        if not contained.holds(candidates[0]):
            message = "it is a link that leads out of the data set; copy the video there"
            problems.append(Problem(str(candidates[0]), "", message))
    return paths, problems


def _find(root: Path, names: Sequence[str]) -> Path | None:
    paths = (root / folder / name for name in names for folder in LIST_FOLDERS)
    return next((path for path in paths if path.is_file()), None)
