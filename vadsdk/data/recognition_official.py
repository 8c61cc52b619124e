"""The official lists of UCF-101 (Soomro et al. 2012) and HMDB-51 (Kuehne et al., ICCV 2011).

    ucf101/                                     hmdb51/
      ucfTrainTestlist/classInd.txt               splits/<class>_test_split1.txt
        1 ApplyEyeMakeup                            <clip>.avi 1      train
      ucfTrainTestlist/trainlist01.txt              <clip>.avi 2      test
        ApplyEyeMakeup/v_..._g08_c01.avi 1          <clip>.avi 0      not in this split
      ucfTrainTestlist/testlist01.txt             <class>/<clip>.avi
        ApplyEyeMakeup/v_..._g01_c01.avi
      UCF-101/<class>/<clip>.avi

The lists may lie in the root as well, and the videos in `videos/`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path, PurePosixPath

from vadsdk.data.problems import Problem
from vadsdk.data.recognition_records import ListedVideo, RecognitionLists, find_listed_videos
from vadsdk.data.text_lines import (
    FieldError,
    integer_of,
    line_problem,
    name_of,
    numbered_lines,
    printable,
    relative_path_of,
    shown,
)
from vadsdk.errors import DatasetError

SPLIT_INDICES = (1, 2, 3)
_UCF101_LISTS = (".", "ucfTrainTestlist", "annotations", "splits")
_HMDB51_LISTS = (".", "splits", "testTrainMulti_7030_splits", "annotations")
_HMDB51_SPLITS = {"1": "train", "2": "test"}


def is_ucf101(root: Path) -> bool:
    """Return whether a folder plainly has UCF-101's lists."""
    return any((root / folder / "classInd.txt").is_file() for folder in _UCF101_LISTS)


def is_hmdb51(root: Path) -> bool:
    """Return whether a folder plainly has HMDB-51's lists, which JHMDB's look like."""
    return not (root / "puppet_mask").exists() and bool(_hmdb51_lists(root, "[123]"))


def read_ucf101(root: Path, split_index: int) -> RecognitionLists:
    """Read the lists of UCF-101 and find its videos.

    Raises:
        DatasetError: a list is missing or no text, or there is no such split.
    """
    _check_split_index(split_index)
    folders = [root / name for name in _UCF101_LISTS]
    found = [folder for folder in folders if (folder / "classInd.txt").is_file()]
    folder = found[0] if found else root
    index_of, problems = _read_class_indices(folder / "classInd.txt")
    videos: list[ListedVideo] = []
    for split in ("train", "test"):
        path = folder / f"{split}list{split_index:02d}.txt"
        listed, wrong = _read_lines(path, partial(_ucf101_video, path, split, index_of))
        videos += listed
        problems += wrong
    labels = tuple(sorted(index_of, key=index_of.__getitem__))
    return _found(root, (root, root / "UCF-101", root / "videos"), videos, labels, problems)


def read_hmdb51(root: Path, split_index: int) -> RecognitionLists:
    """Read the lists of HMDB-51 and find its videos.

    Raises:
        DatasetError: the lists are missing or no text, or there is no such split.
    """
    _check_split_index(split_index)
    suffix = f"_test_split{split_index}.txt"
    paths = _hmdb51_lists(root, str(split_index))
    if not paths:
        raise DatasetError(f"{root} has no file *{suffix}; unpack the official splits there")
    videos: list[ListedVideo] = []
    problems: list[Problem] = []
    labels = tuple(sorted(path.name.removesuffix(suffix) for path in paths))
    for path in paths:
        label = path.name.removesuffix(suffix)
        if not label.isprintable():
            message = "the file's name, which is that of the class, is not UTF-8; rename it"
            problems.append(Problem(printable(path), "", message))
            continue
        listed, wrong = _read_lines(path, partial(_hmdb51_video, path, label))
        videos += listed
        problems += wrong
    return _found(root, (root, root / "videos", root / "hmdb51_org"), videos, labels, problems)


def ucf101_splits(root: Path) -> list[int]:
    """Return the splits of which a training or a test list is there."""
    return [
        index
        for index in SPLIT_INDICES
        if any(
            (root / folder / f"{split}list{index:02d}.txt").is_file()
            for folder in _UCF101_LISTS
            for split in ("train", "test")
        )
    ]


def hmdb51_splits(root: Path) -> list[int]:
    """Return the splits of which lists are there."""
    return [index for index in SPLIT_INDICES if _hmdb51_lists(root, str(index))]


def _check_split_index(split_index: int) -> None:
    if split_index not in SPLIT_INDICES:
        raise DatasetError(f"the lists have the splits 1, 2 and 3, not {split_index}")


def _hmdb51_lists(root: Path, split_index: str) -> list[Path]:
    for folder in _HMDB51_LISTS:
        paths = sorted((root / folder).glob(f"?*_test_split{split_index}.txt"))
        if paths:
            return paths
    return []


def _read_lines(
    path: Path, video_of: Callable[[int, str], ListedVideo | None]
) -> tuple[list[ListedVideo], list[Problem]]:
    videos: list[ListedVideo] = []
    problems = []
    for number, line in numbered_lines(path):
        try:
            video = video_of(number, line)
        except FieldError as error:
            problems.append(line_problem(path, number, error))
        else:
            videos += [video] if video else []
    return videos, problems


def _read_class_indices(path: Path) -> tuple[dict[str, int], list[Problem]]:
    """Return the index of each class, from 1, which are complete unless a problem says not."""
    index_of: dict[str, int] = {}
    problems = []
    for number, line in numbered_lines(path, may_be_empty=True):
        index, _, label = line.partition(" ")
        try:
            name = name_of(label.strip(), "class")
            if name in index_of:
                raise FieldError("class", f"{shown(name)} comes twice; keep one line")
            index_of[name] = integer_of(index, "index", least=1)
        except FieldError as error:
            problems.append(line_problem(path, number, error))
    if sorted(index_of.values()) != list(range(1, len(index_of) + 1)) or not index_of:
        message = "the indices must be 1, 2, 3 ..., each once; take the official file"
        problems.append(Problem(str(path), "", message))
    return index_of, problems


def _ucf101_video(
    path: Path, split: str, index_of: dict[str, int], number: int, line: str
) -> ListedVideo:
    place, _, index = line.partition(" ")
    relative_path_of(place, "path")
    label = PurePosixPath(place).parent.name
    if label not in index_of:
        raise FieldError("path", f"the class {shown(label)} is not in classInd.txt; add it there")
    if split == "train" or index:
        given = integer_of(index.strip(), "class index", least=1)
        if given != index_of[label]:
            raise FieldError(
                "class index", f"{given} is not the index {index_of[label]} of {label}; correct it"
            )
    return ListedVideo(
        list_file=path,
        line=number,
        name=str(PurePosixPath(place).with_suffix("")),
        places=(place,),
        label=label,
        split=split,
    )


def _hmdb51_video(path: Path, label: str, number: int, line: str) -> ListedVideo | None:
    name, _, code = line.rpartition(" ")
    name = name_of(name.strip(), "clip")
    if code == "0":
        return None
    if code not in _HMDB51_SPLITS:
        raise FieldError("code", f"expected 1 (train), 2 (test) or 0 (neither), not {shown(code)}")
    place = f"{label}/{name}"
    return ListedVideo(
        list_file=path,
        line=number,
        name=str(PurePosixPath(place).with_suffix("")),
        places=(place,),
        label=label,
        split=_HMDB51_SPLITS[code],
    )


def _found(
    root: Path,
    folders: tuple[Path, ...],
    videos: list[ListedVideo],
    labels: tuple[str, ...],
    problems: list[Problem],
) -> RecognitionLists:
    records, wrong = find_listed_videos(root, folders, videos)
    return RecognitionLists(
        labels=labels,
        records=tuple(records),
        problems=(*problems, *wrong),
    )
