"""Text lists of labelled and unlabelled videos, in the form in which paper 3 published its splits.

    ucf101_train_5_percent_labeled_split_1_rawframes.txt       path num_frames class_index
    ucf101_train_5_percent_unlabeled_split_1_rawframes.txt     path num_frames class_index
    ucf101_val_split_1_rawframes.txt                           path num_frames class_index
    kinetics400_train_1_percent_labeled_videos.txt             path class_index

Class indices count from 0; a class is called as its folder. The unlabelled list is the whole
training list, those of the labelled list included: each video is one record, labelled if it is in
the labelled list. Where there is no unlabelled list, the whole list
(`ucf101_train_split_1_rawframes.txt`) stands for it. The class of an unlabelled video, which the
list states, is forgotten.

A list of raw frames is good for videos as well: `a/b` is the folder `a/b`, or the file `a/b.avi`.
`num_frames` is not used: what is there to decode counts.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from vadsdk.data.problems import Problem
from vadsdk.data.recognition_records import ListedVideo, RecognitionLists, find_listed_videos
from vadsdk.data.text_lines import (
    FieldError,
    integer_of,
    line_problem,
    numbered_lines,
    relative_path_of,
    shown,
)
from vadsdk.errors import DatasetError

_LIST_NAME = re.compile(
    r"(?P<data>[\w.-]*?)_?(?P<split>train|val|test)"
    r"(?:_(?P<percent>[0-9]{1,3})_percent_(?P<un>un)?labell?ed)?"
    r"(?:_list)?(?:_split_?(?P<index>[0-9]))?(?:_(?P<media>rawframes|videos))?\.txt",
    re.ASCII,
)
_FOLDERS = (".", "videossl_splits", "lists", "splits", "annotations")
_MEDIA = ("rawframes", "videos", ".")
_NUM_FIELDS = {"rawframes": 3, "videos": 2}
_MAX_CLASSES = 100_000


@dataclass(frozen=True, kw_only=True, slots=True)
class _ListFile:
    path: Path
    data: str
    split: str
    percent: int | None
    """None: the list is of all videos of the split."""
    is_unlabelled: bool
    index: int | None
    media: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class _Line:
    video: ListedVideo
    class_index: int


def is_lists(root: Path) -> bool:
    """Return whether a folder plainly has a training list of this form."""
    return any(file.split == "train" for file in _list_files(root))


def list_variants(root: Path) -> list[tuple[int, int | None]]:
    """Return the split index and percentage of each training list, None for a whole one alone."""
    percents_of: dict[int, set[int]] = {}
    for file in _list_files(root):
        if file.split == "train":
            percents = percents_of.setdefault(file.index or 1, set())
            if file.percent is not None and not file.is_unlabelled:
                percents.add(file.percent)
    variants: list[tuple[int, int | None]] = []
    for index, percents in sorted(percents_of.items()):
        variants += [(index, percent) for percent in sorted(percents)] or [(index, None)]
    return variants


def read_lists(root: Path, split_index: int, percent: int | None) -> RecognitionLists:
    """Read the lists of a folder and find the videos.

    Args:
        root: holds the lists, and `rawframes`, `videos` or the classes' folders.
        split_index: which of several splits; lists without a number are split 1.
        percent: which share of labelled videos; None takes the only one that is there, or the whole
            list as labelled if there is none.

    Raises:
        DatasetError: there are no lists, or several to choose from.
    """
    files = _files_of_split(root, split_index)
    percent = _chosen_percent(root, files, percent)
    labelled = _read(_pick(files, "train", percent), keep_class=True)
    unlabelled = _Reading()
    if percent is not None:
        whole = _pick(files, "train", percent, is_unlabelled=True) or _pick(files, "train", None)
        unlabelled = _read(whole, keep_class=False)
    others = [_read(_pick(files, split, None), keep_class=True) for split in ("val", "test")]
    known = {line.video.name for line in labelled.lines}
    rest = [line for line in unlabelled.lines if line.video.name not in known]
    problems = [p for part in (labelled, unlabelled, *others) for p in part.problems]
    evaluated = [line for part in others for line in part.lines]
    labels, wrong = _class_names([*labelled.lines, *unlabelled.lines, *evaluated])
    problems += wrong
    folders = [root / name for name in _MEDIA]
    videos = [_named(line, labels) for line in (*labelled.lines, *rest, *evaluated)]
    records, wrong = find_listed_videos(root, folders, videos)
    return RecognitionLists(
        labels=labels,
        records=tuple(records),
        problems=(*problems, *wrong),
    )


@dataclass(frozen=True, slots=True)
class _Reading:
    lines: tuple[_Line, ...] = ()
    problems: tuple[Problem, ...] = ()


def _list_files(root: Path) -> list[_ListFile]:
    found = []
    for folder in _FOLDERS:
        for path in sorted((root / folder).glob("*.txt")):
            match = _LIST_NAME.fullmatch(path.name)
            if match:
                found.append(
                    _ListFile(
                        path=path,
                        data=match["data"],
                        split=match["split"],
                        percent=int(match["percent"]) if match["percent"] else None,
                        is_unlabelled=match["un"] is not None,
                        index=int(match["index"]) if match["index"] else None,
                        media=match["media"],
                    )
                )
    return found


def _files_of_split(root: Path, split_index: int) -> list[_ListFile]:
    files = _list_files(root)
    names = sorted({file.data for file in files if file.split == "train"})
    if len(names) != 1:
        what = f"lists of {', '.join(map(repr, names))}" if names else "no training list"
        raise DatasetError(
            f"{root} has {what}; expected those of one data set, such as "
            "ucf101_train_10_percent_labeled_split_1_rawframes.txt"
        )
    of_split = [
        file
        for file in files
        if file.data == names[0]
        and (file.index == split_index or (file.index is None and split_index == 1))
    ]
    if not any(file.split == "train" for file in of_split):
        known = sorted({file.index or 1 for file in files if file.split == "train"})
        raise DatasetError(
            f"{root} has lists of the splits {', '.join(map(str, known))}, not {split_index}"
        )
    return of_split


def _chosen_percent(root: Path, files: Sequence[_ListFile], percent: int | None) -> int | None:
    known = sorted({f.percent for f in files if f.percent is not None and not f.is_unlabelled})
    if percent in known or (percent is None and not known):
        return percent
    if percent is None and len(known) == 1:
        return known[0]
    listed = ", ".join(map(str, known)) or "none"
    asked = "none was chosen" if percent is None else f"not {percent}"
    raise DatasetError(
        f"{root} has lists for these percentages of labelled videos: {listed}; {asked}. "
        "Choose one with --labelled-percent (in vadsdk train: --set data.labelled_percent=10)"
    )


def _pick(
    files: Sequence[_ListFile], split: str, percent: int | None, *, is_unlabelled: bool = False
) -> _ListFile | None:
    """Return the list of that kind, that with numbers of frames before others."""
    found = [
        file
        for file in files
        if (file.split, file.percent, file.is_unlabelled) == (split, percent, is_unlabelled)
    ]
    return min(found, key=lambda file: (file.media != "rawframes", file.path), default=None)


def _read(file: _ListFile | None, *, keep_class: bool) -> _Reading:
    if file is None:
        return _Reading()
    lines = []
    problems = []
    for number, text in numbered_lines(file.path):
        try:
            lines.append(_parse(file, number, text, keep_class))
        except FieldError as error:
            problems.append(line_problem(file.path, number, error))
    return _Reading(tuple(lines), tuple(problems))


def _parse(file: _ListFile, number: int, text: str, keep_class: bool) -> _Line:
    num_fields = _NUM_FIELDS.get(file.media or "", len(text.split()))
    fields = text.rsplit(maxsplit=num_fields - 1)
    if num_fields not in {2, 3} or len(fields) != num_fields:
        raise FieldError(
            "columns",
            f"expected 'path num_frames class_index' or 'path class_index', not {shown(text)}",
        )
    place = PurePosixPath(relative_path_of(fields[0], "path"))
    if num_fields == 3:
        integer_of(fields[1], "num_frames", least=1)
    class_index = integer_of(fields[-1], "class_index")
    if class_index >= _MAX_CLASSES:
        raise FieldError("class_index", f"{class_index} is no index of a class; correct it")
    label = place.parent.name or str(class_index)
    video = ListedVideo(
        list_file=file.path,
        line=number,
        name=str(place.with_suffix("") if file.media == "videos" else place),
        places=(str(place),),
        label=label if keep_class else None,
        split=file.split,
    )
    return _Line(video=video, class_index=class_index)


def _class_names(lines: Sequence[_Line]) -> tuple[tuple[str, ...], list[Problem]]:
    """Return the names of the classes in the order of their indices, and what contradicts them."""
    name_of_index: dict[int, str] = {}
    index_of_name: dict[str, int] = {}
    problems = []
    for line in lines:
        place = PurePosixPath(line.video.places[0])
        name = place.parent.name or str(line.class_index)
        if (
            name_of_index.setdefault(line.class_index, name) != name
            or index_of_name.setdefault(name, line.class_index) != line.class_index
        ):
            message = (
                f"the class {name} has the index {line.class_index} here, elsewhere index or name "
                f"differ ({name_of_index[line.class_index]} is {line.class_index}); correct one"
            )
            field = f"line {line.video.line}, class_index"
            problems.append(Problem(str(line.video.list_file), field, message))
    gaps = sorted(set(range(max(name_of_index, default=-1) + 1)) - set(name_of_index))
    if gaps and lines:
        message = f"no list has a video of class {gaps[0]}, but of class {max(name_of_index)}"
        problems.append(Problem(str(lines[0].video.list_file), "class_index", message))
    return tuple(name for _, name in sorted(name_of_index.items())), problems


def _named(line: _Line, labels: Sequence[str]) -> ListedVideo:
    """Return the video; a label that contradicts the others, which is a problem, is dropped."""
    known = line.video.label is None or line.video.label in labels
    return line.video if known else replace(line.video, label=None)
