"""Files that appear complete or not at all: written under a temporary name, then renamed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vadsdk.errors import DatasetError


@contextmanager
def complete_or_absent(path: Path) -> Iterator[Path]:
    """Give a temporary name beside `path` to write to, renamed when the block ends without error.

    Raises:
        DatasetError: the file system refused (full disk, no permission); `path` is as it was.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        temporary.replace(path)
    except OSError as error:
        raise DatasetError(
            f"cannot write {path}: {error.strerror or error}. "
            "Free some space or choose another folder, then run again; nothing is half-written."
        ) from error
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 file completely or not at all."""
    with complete_or_absent(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
