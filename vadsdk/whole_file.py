"""Files that appear whole or not at all: written under a temporary name, then renamed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Give a temporary path to write to; a clean exit moves it to `path`, an error removes it.

    What lay at `path` before stays untouched until then. The folder is made if it is missing. The
    temporary name is hidden and keeps the suffix (`.model.1234.partial.onnx`), as writers go by it.

    Raises:
        OSError: the folder cannot be made, or the file not be synced or renamed.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.stem}.{os.getpid()}.partial{path.suffix}")
    try:
        yield temporary
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
