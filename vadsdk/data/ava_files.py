"""The files of AVA v2 (Gu et al., CVPR 2018): boxes of key frames, exclusions, label map.

    ground truth   video, timestamp, x1, y1, x2, y2, action id, person id   (shares of the frame)
                   video, timestamp                                         nobody is in this frame
    detections     video, timestamp, x1, y1, x2, y2, action id, score
    exclusions     video, timestamp

Legend: N rows of a file.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vadsdk.data.ava_label_map import read_label_map
from vadsdk.data.problems import Problem
from vadsdk.data.text_lines import (
    FieldError,
    integer_of,
    line_problem,
    name_of,
    number_of,
    numbered_lines,
)
from vadsdk.errors import DatasetError
from vadsdk.structures.ava import NO_PERSON, TIMESTAMP_DECIMALS, AvaRows, KeyFrame

__all__ = [
    "AvaFile",
    "parse_ava_detections",
    "parse_ava_rows",
    "read_ava_detections",
    "read_ava_rows",
    "read_exclusions",
    "read_label_map",
]

BOX_FIELDS = ("x1", "y1", "x2", "y2")
OUTSIDE_TOLERANCE01 = 0.01
"""How far a ground truth box may reach over the edge, as a share of the frame."""
SMALLEST_SIDE01 = 1e-6
"""Boxes of ground truth with a shorter side are empty."""
_MAX_TIMESTAMP = 1e7


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class AvaFile:
    """The rows of a file that could be read, and what is wrong with the others."""

    rows: AvaRows
    """Ground truth may still hold boxes that are named in `problems`."""
    line_numbers: NDArray[np.int64]
    """(N,) line of each row, from 1."""
    problems: tuple[Problem, ...]


@dataclass(slots=True)
class _Columns:
    videos: list[str] = field(default_factory=list)
    numbers: list[tuple[float, float, float, float, float]] = field(default_factory=list)
    """Timestamp and box."""
    class_ids: list[int] = field(default_factory=list)
    last: list[float] = field(default_factory=list)
    """Person id or score."""
    line_numbers: list[int] = field(default_factory=list)
    empty: dict[KeyFrame, int] = field(default_factory=dict)
    """Line of each mark of an empty key frame."""


def read_ava_rows(path: Path) -> AvaRows:
    """Read a csv of ground truth.

    Raises:
        DatasetError: the file is missing or malformed; names the line and the field.
    """
    return _rows_or_error(parse_ava_rows(path))


def read_ava_detections(path: Path) -> AvaRows:
    """Read a csv of detections, with a score in place of the person id.

    Boxes outside the frame and boxes with x2 < x1 are kept: what becomes of them is a matter of
    the metric.

    Raises:
        DatasetError: the file is missing or malformed; names the line and the field.
    """
    return _rows_or_error(parse_ava_detections(path))


def read_exclusions(path: Path) -> frozenset[KeyFrame]:
    """Read a csv of key frames that count neither for training nor for evaluation.

    Raises:
        DatasetError: the file is missing or malformed; names the line and the field.
    """
    excluded: set[KeyFrame] = set()
    for number, line in numbered_lines(path, may_be_empty=True):
        fields = line.split(",")
        try:
            if len(fields) != 2:
                raise FieldError("columns", f"expected video, timestamp, not {len(fields)} columns")
            excluded.add(_key_frame(fields))
        except FieldError as error:
            raise DatasetError(str(line_problem(path, number, error))) from error
    return frozenset(excluded)


def parse_ava_rows(path: Path) -> AvaFile:
    """Read a csv of ground truth; what is wrong with it is returned, not raised.

    Raises:
        DatasetError: the file is missing or no text.
    """
    columns, problems = _parse(path, is_ground_truth=True)
    last = np.array(columns.last, np.int64)
    rows = _rows(columns, person_ids=last, scores=np.ones(len(last)))
    problems += _box_problems(path, rows, columns.line_numbers)
    for key_frame in sorted(set(rows.key_frames()) & columns.empty.keys()):
        message = "the line says that nobody is in this key frame, others have boxes of it"
        place = f"line {columns.empty[key_frame]}"
        problems.append(Problem(str(path), place, f"{message}; remove one or the other"))
    return AvaFile(
        rows=rows,
        line_numbers=np.array(columns.line_numbers, np.int64),
        problems=tuple(problems),
    )


def parse_ava_detections(path: Path) -> AvaFile:
    """Read a csv of detections; what is wrong with it is returned, not raised.

    Raises:
        DatasetError: the file is missing or no text.
    """
    columns, problems = _parse(path, is_ground_truth=False)
    persons = np.full(len(columns.last), NO_PERSON, np.int64)
    rows = _rows(columns, person_ids=persons, scores=np.array(columns.last, np.float64))
    return AvaFile(
        rows=rows,
        line_numbers=np.array(columns.line_numbers, np.int64),
        problems=tuple(problems),
    )


def _parse(path: Path, *, is_ground_truth: bool) -> tuple[_Columns, list[Problem]]:
    columns = _Columns()
    problems: list[Problem] = []
    for number, line in numbered_lines(path, may_be_empty=not is_ground_truth):
        fields = [part.strip() for part in line.split(",")]
        try:
            if is_ground_truth and (len(fields) == 2 or not any(fields[2:])):
                columns.empty.setdefault(_key_frame(fields), number)
            else:
                _add_row(columns, fields, is_ground_truth)
                columns.line_numbers.append(number)
        except FieldError as error:
            problems.append(line_problem(path, number, error))
    return columns, problems


def _add_row(columns: _Columns, fields: Sequence[str], is_ground_truth: bool) -> None:
    """Append a row to all columns but `line_numbers`, or to none and raise a FieldError."""
    last_field = "person id" if is_ground_truth else "score"
    if len(fields) != 8 and not (is_ground_truth and len(fields) == 7):
        raise FieldError(
            "columns",
            f"expected 8: video, timestamp, x1, y1, x2, y2, action id, {last_field}; "
            f"not {len(fields)}",
        )
    video, timestamp = _key_frame(fields)
    x1, y1, x2, y2 = (number_of(fields[2 + i], name) for i, name in enumerate(BOX_FIELDS))
    class_id = integer_of(fields[6], "action id", least=1)
    last: float = NO_PERSON
    if is_ground_truth and len(fields) == 8:
        last = integer_of(fields[7], last_field, least=NO_PERSON)
    elif not is_ground_truth:
        last = number_of(fields[7], last_field)
    columns.videos.append(video)
    columns.numbers.append((timestamp, x1, y1, x2, y2))
    columns.class_ids.append(class_id)
    columns.last.append(last)


def _key_frame(fields: Sequence[str]) -> KeyFrame:
    if len(fields) < 2:
        raise FieldError("columns", "expected video, timestamp, ... separated by commas, not 1")
    video = name_of(fields[0].strip(), "video")
    timestamp = number_of(fields[1].strip(), "timestamp")
    if not 0 <= timestamp <= _MAX_TIMESTAMP:
        raise FieldError("timestamp", f"expected seconds from 0 on, not {timestamp:g}")
    return video, round(timestamp, TIMESTAMP_DECIMALS)


def _rows(
    columns: _Columns, *, person_ids: NDArray[np.int64], scores: NDArray[np.float64]
) -> AvaRows:
    numbers = np.array(columns.numbers, np.float64).reshape(-1, 5)
    videos = np.array(columns.videos, np.str_)
    found = set(zip(columns.videos, numbers[:, 0].tolist(), strict=True))
    return AvaRows(
        videos=videos,
        timestamps=numbers[:, 0],
        boxes01=numbers[:, 1:],
        class_ids=np.array(columns.class_ids, np.int64),
        person_ids=person_ids,
        scores=scores,
        empty_key_frames=frozenset(columns.empty.keys() - found),
    )


def _box_problems(path: Path, rows: AvaRows, line_numbers: Sequence[int]) -> list[Problem]:
    """Return the ground truth boxes that are empty or outside, each with its line."""
    lowest, highest = -OUTSIDE_TOLERANCE01, 1 + OUTSIDE_TOLERANCE01
    x1, y1, x2, y2 = rows.boxes01.T
    outside = ((rows.boxes01 < lowest) | (rows.boxes01 > highest)).any(axis=1)
    # Readers clip to the frame and store float32: the box must keep an area all the same.
    x_is_empty = np.minimum(x2, 1) - np.maximum(x1, 0) < SMALLEST_SIDE01
    y_is_empty = np.minimum(y2, 1) - np.maximum(y1, 0) < SMALLEST_SIDE01
    kinds = (
        (outside, "box", "lies outside 0 to 1; the coordinates are shares of width and height"),
        (~outside & x_is_empty, "x2", "is empty; x2 must be greater than x1"),
        (~outside & ~x_is_empty & y_is_empty, "y2", "is empty; y2 must be greater than y1"),
    )
    problems = []
    for is_bad, place, what in kinds:
        for row in np.flatnonzero(is_bad).tolist():
            box = ", ".join(f"{value:g}" for value in rows.boxes01[row])
            field_name = f"line {line_numbers[row]}, {place}"
            problems.append(Problem(str(path), field_name, f"the box [{box}] {what}"))
    return problems


def _rows_or_error(content: AvaFile) -> AvaRows:
    if content.problems:
        num_others = len(content.problems) - 1
        others = f" ({num_others} more in this file)" if num_others else ""
        raise DatasetError(f"{content.problems[0]}{others}")
    return content.rows
