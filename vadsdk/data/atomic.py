"""Data set files that appear whole or not at all, with errors that say what to do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vadsdk.errors import DatasetError
from vadsdk.whole_file import whole_file


@contextmanager
def complete_or_absent(path: Path) -> Iterator[Path]:
    """Give a temporary name to write to, as `whole_file` does.

    Raises:
        DatasetError: the file system refused (full disk, no permission); `path` is as it was.
    """
    try:
        with whole_file(path) as temporary:
            yield temporary
    except OSError as error:
        raise DatasetError(
            f"cannot write {path}: {error.strerror or error}. "
            "Free some space or choose another folder, then run again; nothing is half-written."
        ) from error


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 file completely or not at all."""
    with complete_or_absent(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
