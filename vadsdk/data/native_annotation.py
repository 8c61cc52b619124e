"""Read `dataset.json` and say what is wrong with it."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ValidationError

from vadsdk.data.native_schema import DATASET_FILE, DatasetFile, VideoEntry
from vadsdk.data.problems import Problem, VideoExtent, label_problems, tube_problems
from vadsdk.errors import DatasetError

_MAX_NAME_BYTES = 255
Document = TypeVar("Document", bound=BaseModel)


def read_annotation(root: Path) -> tuple[DatasetFile | None, list[Problem]]:
    """Read `dataset.json` of a native data set.

    Returns:
        the document, or None if its structure is wrong; and everything that is wrong with it.

    Raises:
        DatasetError: there is no such file, or it is no JSON.
    """
    document, problems = parse_file(root / DATASET_FILE, DatasetFile)
    if document is not None:
        problems = document_problems(document, root)
    return document, problems


def parse_file(path: Path, kind: type[Document]) -> tuple[Document | None, list[Problem]]:
    """Read a JSON file of a known structure; return it, or None and what is wrong with it."""
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise DatasetError(f"{path} does not exist") from None
    except json.JSONDecodeError as error:
        raise DatasetError(
            f"{path}, line {error.lineno}, column {error.colno}: this is not JSON ({error.msg}); "
            "mend the file there, or write it again"
        ) from error
    except (OSError, ValueError, RecursionError) as error:  # ValueError: no UTF-8, huge numbers
        raise DatasetError(
            f"cannot read {path}: {error}; mend the file, or write it again"
        ) from error
    try:
        return kind.model_validate(content), []
    except ValidationError as error:
        return None, [
            Problem(
                str(path), _field(detail["loc"]), f"{detail['msg']}, not {_shown(detail['input'])}"
            )
            for detail in error.errors(include_url=False)
        ]


def document_problems(document: DatasetFile, root: Path) -> list[Problem]:
    """Return everything that is wrong with what `dataset.json` says; no video is opened."""
    file = str(root / DATASET_FILE)
    problems = [
        Problem(file, "labels", f"the label {label!r} comes {count} times; keep one")
        for label, count in Counter(document.labels).items()
        if count > 1
    ]
    problems += [
        Problem(file, f"labels[{index}]", f"the label {label!r} is no name; write one or drop it")
        for index, label in enumerate(document.labels)
        if not is_label(label)
    ]
    paths = Counter(str(PurePosixPath(video.path)) for video in document.videos)
    for index, video in enumerate(document.videos):
        field = f"videos[{index}]"
        if paths[str(PurePosixPath(video.path))] > 1:
            message = f"{video.path!r} is listed more than once; keep one entry a video"
            problems.append(Problem(file, f"{field}.path", message))
        problems += _path_problems(file, f"{field}.path", root, video.path)
        if video.masks is not None:
            problems += _path_problems(file, f"{field}.masks", root, video.masks)
        problems += _video_label_problems(file, field, video, document.labels)
        problems += _tubes_problems(file, field, video, document.labels)
    return problems


def is_label(text: str) -> bool:
    """Whether a text can name a class: something that can be seen, and nothing that cannot."""
    return bool(text.strip()) and text.isprintable()


def _path_problems(file: str, field: str, root: Path, path: str) -> list[Problem]:
    """A data set must not reach files outside its folder: it may come from anywhere."""
    inside = root.resolve()
    if not _is_file_name(path):
        message = f"{_shown(path)} is no name of a file; write it as the file is called"
        return [Problem(file, field, message)]
    if path and (inside / path).resolve().is_relative_to(inside) and not Path(path).is_absolute():
        return []
    message = f"{path!r} leads out of the data set; paths are relative to {inside} and stay inside"
    return [Problem(file, field, message)]


def _is_file_name(path: str) -> bool:
    """Whether the system can look a path up at all."""
    try:
        names = os.fsencode(path).split(b"/")
    except UnicodeEncodeError:
        return False
    return "\0" not in path and max(map(len, names)) <= _MAX_NAME_BYTES


def _video_label_problems(
    file: str, field: str, video: VideoEntry, labels: Sequence[str]
) -> list[Problem]:
    if video.video_label is None:
        return []
    place = f"{field}.video_label"
    problems = label_problems(file, place, video.video_label, labels)
    if not video.labelled:
        message = f"{video.path} has a class, but `labelled` is false; set it true or drop the one"
        problems.append(Problem(file, place, message))
    if video.tubes:
        message = f"{video.path} has a class as a whole and tubes, which name theirs; drop one"
        problems.append(Problem(file, place, message))
    return problems


def _tubes_problems(
    file: str, field: str, video: VideoEntry, labels: Sequence[str]
) -> list[Problem]:
    problems = []
    extent = VideoExtent(num_frames=video.num_frames, width=video.width, height=video.height)
    if video.tubes and not video.labelled:
        message = f"{video.path} has tubes, but `labelled` is false; set it true or drop the tubes"
        problems.append(Problem(file, f"{field}.tubes", message))
    ids = Counter(tube.id for tube in video.tubes)
    for index, tube in enumerate(video.tubes):
        place = f"{field}.tubes[{index}]"
        if ids[tube.id] > 1:
            message = f"{video.path} has {ids[tube.id]} tubes with the id {tube.id}; number them"
            problems.append(Problem(file, f"{place}.id", message))
        problems += label_problems(file, f"{place}.label", tube.label, labels)
        frames = np.array([box[0] for box in tube.boxes], np.int64)
        boxes = np.array([box[1:] for box in tube.boxes], np.float64)
        problems += tube_problems(file, place, frames, boxes, extent)
        problems += _sparse_problems(file, place, video, frames)
    return problems


def _sparse_problems(
    file: str, place: str, video: VideoEntry, frames: NDArray[np.int64]
) -> list[Problem]:
    if video.annotated_frames is None or np.isin(frames, video.annotated_frames).all():
        return []
    index = int((~np.isin(frames, video.annotated_frames)).argmax())
    message = (
        f"frame {frames[index]} is not among the video's `annotated_frames`; add it there or "
        "remove the box"
    )
    return [Problem(file, f"{place}.boxes[{index}]", message)]


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}..."


def _field(location: tuple[int | str, ...]) -> str:
    """`("videos", 3, "fps")` -> `videos[3].fps`."""
    parts = (f"[{part}]" if isinstance(part, int) else f".{part}" for part in location)
    return "".join(parts).lstrip(".")
