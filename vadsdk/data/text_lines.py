"""Text files of public data sets: lines with their numbers, and numbers in them."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from pathlib import Path

from vadsdk.data.problems import Problem
from vadsdk.errors import DatasetError

_INTEGER = re.compile(r"[+-]?[0-9]{1,9}")
_MAX_NAME_LENGTH = 255


class FieldError(ValueError):
    """One field of a line is wrong."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


def read_text(path: Path) -> str:
    """Read a UTF-8 file, with or without a byte order mark.

    Raises:
        DatasetError: the file is missing, not readable, or not UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise DatasetError(f"{path} does not exist; unpack the official file there") from None
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise DatasetError(
            f"{path}, line {line}: this is not UTF-8 text ({error.reason}); save it as UTF-8"
        ) from error
    except OSError as error:
        raise DatasetError(f"cannot read {path}: {error}") from error


def numbered_lines(path: Path, *, may_be_empty: bool = False) -> Iterator[tuple[int, str]]:
    """Yield the number, from 1, and the text of each line that is not blank, stripped.

    Args:
        path: of the file.
        may_be_empty: whether a file without such a line means something. A list of videos never
            does: it was cut off, and a split or a class would be missing in silence.

    Raises:
        DatasetError: the file is missing, not readable, not UTF-8, or empty where it must not be.
    """
    is_empty = True
    for number, line in enumerate(read_text(path).split("\n"), start=1):
        stripped = line.strip()
        if stripped:
            is_empty = False
            yield number, stripped
    if is_empty and not may_be_empty:
        raise DatasetError(f"{path} is empty; unpack the official file there again, or remove it")


def line_problem(path: Path, number: int, error: FieldError) -> Problem:
    """Return the problem of a field in a line."""
    return Problem(str(path), f"line {number}, {error.field}", str(error))


def integer_of(text: str, field: str, *, least: int = 0) -> int:
    """Return a whole number of at most nine digits, or raise a FieldError."""
    if not _INTEGER.fullmatch(text) or int(text) < least:
        raise FieldError(field, f"expected a whole number from {least} on, not {shown(text)}")
    return int(text)


def number_of(text: str, field: str) -> float:
    """Return a finite number, or raise a FieldError."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value) or "_" in text:
        raise FieldError(field, f"expected a finite number, not {shown(text)}")
    return value


def name_of(text: str, field: str) -> str:
    """Return a name that is safe as a part of a path, or raise a FieldError."""
    if not _is_name(text) or set(text) & set("/\\"):
        raise FieldError(field, f"expected a plain name without slashes, not {shown(text)}")
    return text


def relative_path_of(text: str, field: str) -> str:
    """Return a path with forward slashes that stays below its folder, or raise a FieldError."""
    if not all(map(_is_name, text.split("/"))) or set(text) & set("\\:"):
        raise FieldError(
            field,
            f"{shown(text)} leads out of the data set or is no path; "
            "expected one such as 'class/video.avi'",
        )
    return text


def printable(path: Path) -> str:
    """Return a path for people; bytes of its name that are not UTF-8 are spelt out."""
    return str(path).encode("utf-8", "backslashreplace").decode("utf-8")


def _is_name(text: str) -> bool:
    return text not in {"", ".", ".."} and len(text) <= _MAX_NAME_LENGTH and text.isprintable()


def shown(text: str) -> str:
    """Return the text in quotes, cut if it is long."""
    return repr(text) if len(text) <= 60 else f"{text[:60]!r}..."
