from __future__ import annotations

from pathlib import Path

import pytest

from vadsdk.data.atomic import complete_or_absent, write_text
from vadsdk.errors import DatasetError


def write_half(path: Path, error: BaseException) -> None:
    with complete_or_absent(path) as temporary:
        temporary.write_text("half", encoding="utf-8")
        raise error


def test_a_full_disk_leaves_the_old_file_and_no_other(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_text(path, "old")
    with pytest.raises(DatasetError, match=r"cannot write .*a\.json: No space left on device"):
        write_half(path, OSError(28, "No space left on device"))
    assert path.read_text(encoding="utf-8") == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_ctrl_c_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        write_half(tmp_path / "a.json", KeyboardInterrupt())
    assert not list(tmp_path.iterdir())
