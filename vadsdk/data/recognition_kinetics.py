"""The csv files of Kinetics-400 (Kay et al. 2017).

    kinetics400/
      train.csv, validate.csv, test.csv      label,youtube_id,time_start,time_end,split
      <label>/<id>_000012_000022.mp4         or <id>.mp4; also below train/, val/, videos/, ...

The csv files may lie in `annotations/` as well, under any name, and have further columns; those of
the test split may have no label. A blank in a label may be a `_` in the folder's name. Many of the
videos are not on the web any more: those without a file are left out and counted.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from pathlib import Path

from vadsdk.data.problems import Problem
from vadsdk.data.recognition_records import ListedVideo, RecognitionLists, find_listed_videos
from vadsdk.data.text_lines import (
    FieldError,
    integer_of,
    line_problem,
    name_of,
    read_text,
    shown,
)
from vadsdk.errors import DatasetError

_COLUMNS = ("youtube_id", "time_start", "time_end", "split")
_LABEL = "label"
_FOLDERS = (".", "annotations")
_SPLITS = {
    "train": "train",
    "val": "val",
    "validate": "val",
    "validation": "val",
    "test": "test",
}
_MEDIA = (".", "videos", "train", "val", "validate", "test")
_MEDIA_OF_SPLITS = ("videos_train", "videos_val", "train_256", "val_256")


def is_kinetics(root: Path) -> bool:
    """Return whether a folder plainly has csv files of this form."""
    return bool(_csv_files(root))


def read_kinetics(root: Path) -> RecognitionLists:
    """Read the csv files and find the videos.

    Raises:
        DatasetError: there is no csv file of this form, or it is no text.
    """
    paths = _csv_files(root)
    if not paths:
        expected = ",".join((_LABEL, *_COLUMNS))
        raise DatasetError(f"{root} has no csv file that begins with the columns {expected}")
    videos: list[ListedVideo] = []
    problems: list[Problem] = []
    for path in paths:
        if not read_text(path).strip().count("\n"):
            message = "there is no row below the first line; take the official file, or remove it"
            problems.append(Problem(str(path), "line 1", message))
        for number, row in _rows(path, problems):
            try:
                videos.append(_video(path, number, row))
            except FieldError as error:
                problems.append(line_problem(path, number, error))
    labels = tuple(sorted({video.label for video in videos if video.label is not None}))
    folders = [root / name for name in (*_MEDIA, *_MEDIA_OF_SPLITS)]
    records, wrong = find_listed_videos(root, folders, videos)
    return RecognitionLists(
        labels=labels,
        records=tuple(records),
        problems=(*problems, *wrong),
    )


def _csv_files(root: Path) -> list[Path]:
    """Return the csv files with the right columns."""
    return [
        path
        for folder in _FOLDERS
        for path in sorted((root / folder).glob("*.csv"))
        if path.is_file() and set(_COLUMNS) <= set(_first_line(path).split(","))
    ]


def _first_line(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.readline(4096).decode("utf-8-sig", errors="replace").strip()
    except OSError:
        return ""


def _rows(path: Path, problems: list[Problem]) -> Iterator[tuple[int, Mapping[str, str]]]:
    """Yield the line and the fields of each row; what is wrong is added to `problems`."""
    reader = csv.reader(io.StringIO(read_text(path), newline=""), strict=True)
    header: list[str] = []
    try:
        for fields in reader:
            if not header:
                header = [field.strip() for field in fields]
            elif fields and len(fields) != len(header):
                message = f"expected {len(header)} fields as in the first line, not {len(fields)}"
                problems.append(Problem(str(path), f"line {reader.line_num}", message))
            elif fields:
                values = (field.strip() for field in fields)
                yield reader.line_num, dict(zip(header, values, strict=True))
    except csv.Error as error:
        message = f"this is not a csv file ({error}); take the official one"
        problems.append(Problem(str(path), f"line {reader.line_num}", message))


def _video(path: Path, number: int, row: Mapping[str, str]) -> ListedVideo:
    if row["split"] not in _SPLITS:
        known = ", ".join(_SPLITS)
        raise FieldError("split", f"expected one of {known}, not {shown(row['split'])}")
    youtube_id = name_of(row["youtube_id"], "youtube_id")
    start = integer_of(row["time_start"], "time_start")
    end = integer_of(row["time_end"], "time_end", least=start)
    clip = f"{youtube_id}_{start:06d}_{end:06d}"
    label = name_of(row[_LABEL], _LABEL) if row.get(_LABEL) else None
    if label is None and _SPLITS[row["split"]] != "test":
        raise FieldError(_LABEL, "a label is missing; only the test split has none")
    folders = [""] if label is None else [f"{label}/", f"{label.replace(' ', '_')}/", ""]
    return ListedVideo(
        list_file=path,
        line=number,
        name=clip if label is None else f"{label}/{clip}",
        places=tuple(f"{folder}{name}" for name in (clip, youtube_id) for folder in folders),
        label=label,
        split=_SPLITS[row["split"]],
    )
