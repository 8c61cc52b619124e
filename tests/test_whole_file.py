from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from vadsdk.whole_file import whole_file


def test_the_file_appears_when_the_block_ends(tmp_path: Path) -> None:
    path = tmp_path / "new" / "model.onnx"
    with whole_file(path) as temporary:
        assert temporary.suffix == ".onnx"
        temporary.write_text("done")
        assert not path.exists()
    assert path.read_text() == "done"
    assert list(path.parent.iterdir()) == [path]


def test_an_error_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_text("earlier")
    with pytest.raises(UnicodeEncodeError), whole_file(path) as temporary:
        temporary.write_text("half\udc80", encoding="utf-8")
    assert path.read_text() == "earlier"
    assert list(tmp_path.iterdir()) == [path]


def test_a_block_that_writes_nothing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), whole_file(tmp_path / "model.onnx"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_what_a_link_leads_to_is_replaced_and_the_link_stays(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    link = tmp_path / "model.onnx"
    link.symlink_to(Path("there") / "version1.onnx")  # relative, and not there yet
    for content in ("first", "second"):
        with whole_file(link) as temporary:
            assert temporary.parent == tmp_path / "there"
            temporary.write_text(content)
        assert link.is_symlink()
        assert (tmp_path / "there" / "version1.onnx").read_text() == content
    assert [path.name for path in (tmp_path / "there").iterdir()] == ["version1.onnx"]


def test_a_pipe_is_written_into_and_stays_a_pipe(tmp_path: Path) -> None:
    pipe = tmp_path / "model.onnx"
    os.mkfifo(pipe)
    came: list[str] = []
    reader = threading.Thread(target=lambda: came.append(pipe.read_text()))
    reader.start()
    with whole_file(pipe) as given:
        given.write_text("through the pipe")
    reader.join(10)
    assert came == ["through the pipe"]
    assert pipe.is_fifo()
    assert list(tmp_path.iterdir()) == [pipe]


def test_a_folder_is_refused_before_the_work(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError, match=str(tmp_path)), whole_file(tmp_path):
        pytest.fail("the work began")
