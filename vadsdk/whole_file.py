"""Files that appear whole or not at all: written under a temporary name, then renamed."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Give a temporary path to write to; a clean exit moves it to `path`, an error removes it.

    What lay at `path` before stays untouched until then; of a link, what it leads to is replaced. A
    pipe or a device (see `is_written_into`) is given as it is. The folder is made if it is missing.
    The temporary name is hidden and keeps the suffix (`.model.1234.partial.onnx`), as writers go by
    it.

    Raises:
        OSError: the folder cannot be made, or the file not be synced or renamed; or it is a folder.
    """
    if is_written_into(path):
        yield path
        return
    path = link_target(path)
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.stem}.{os.getpid()}.partial{path.suffix}")
    try:
        yield temporary
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def is_written_into(path: Path) -> bool:
    """Tell whether a path is a pipe or a device, which is written into and never replaced."""
    # Unlike `Path`'s own methods, these say no of what may not be looked at.
    return os.path.exists(path) and not os.path.isfile(path) and not os.path.isdir(path)


def link_target(path: Path) -> Path:
    """Return what a link leads to, whether that exists or not; other paths as they are."""
    return Path(os.path.realpath(path)) if path.is_symlink() else path
