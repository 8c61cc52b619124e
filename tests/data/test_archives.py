from __future__ import annotations

import io
import re
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from vadsdk.data.archives import UnpackLimits, unpacked
from vadsdk.errors import DatasetError

SMALL = UnpackLimits(max_ratio=10, allowed_bytes=1 << 16)

Members = dict[str, bytes] | list[tuple[str, bytes]]


def listed(members: Members) -> list[tuple[str, bytes]]:
    return members if isinstance(members, list) else list(members.items())


def make_zip(path: Path, members: Members) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in listed(members):
            archive.writestr(name, content)
    return path


def make_tar(path: Path, members: Members) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for name, content in listed(members):
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


MAKERS = pytest.mark.parametrize("make", [make_zip, make_tar])
Make = Callable[[Path, Members], Path]


def name_for(make: Make) -> str:
    return "a.zip" if make is make_zip else "a.tar.gz"


@MAKERS
def test_members_come_out_and_go_again(tmp_path: Path, make: Make) -> None:
    path = make(tmp_path / name_for(make), {"a.txt": b"1", "b/c.txt": b"2"})
    with unpacked(path, tmp_path / "work") as folder:
        assert (folder / "a.txt").read_bytes() == b"1"
        assert (folder / "b" / "c.txt").read_bytes() == b"2"
    assert not list((tmp_path / "work").iterdir())


@MAKERS
def test_a_single_folder_at_the_top_is_the_data_set(tmp_path: Path, make: Make) -> None:
    path = make(tmp_path / name_for(make), {"set/a.txt": b"1"})
    with unpacked(path, tmp_path) as folder:
        assert folder.name == "set"


@MAKERS
@pytest.mark.parametrize("name", ["../a", "b/../../a", "/etc/a", "C:/a", "..\\a"])
def test_names_that_lead_out_are_refused(tmp_path: Path, make: Make, name: str) -> None:
    path = make(tmp_path / name_for(make), {"fine": b"1", name: b"2"})
    with pytest.raises(DatasetError, match="leads out of the folder; do not trust"):
        with unpacked(path, tmp_path / "work"):
            pass
    assert not list((tmp_path / "work").iterdir())


@MAKERS
def test_a_bomb_is_stopped_before_it_fills_the_disk(tmp_path: Path, make: Make) -> None:
    path = make(tmp_path / name_for(make), {"bomb": bytes(1 << 20)})
    with pytest.raises(DatasetError, match=r"'bomb' makes the archive unpack to far more"):
        with unpacked(path, tmp_path / "work", SMALL):
            pass
    assert not list((tmp_path / "work").iterdir())


@MAKERS
@pytest.mark.parametrize(
    "names", [("a.txt", "a.txt"), ("a", "a/b.txt"), ("a/b.txt", "a"), ("a.txt", "./a.txt")]
)
@pytest.mark.filterwarnings("ignore:Duplicate name:UserWarning")
def test_two_members_of_one_name_are_refused(
    tmp_path: Path, make: Make, names: tuple[str, str]
) -> None:
    path = make(tmp_path / name_for(make), [(names[0], b"1"), (names[1], b"2")])
    expected = f"{path}: {names[1]!r} has a name that another member has too; do not trust"
    with pytest.raises(DatasetError, match=re.escape(expected)):
        with unpacked(path, tmp_path / "work"):
            pass
    assert not list((tmp_path / "work").iterdir())


def test_a_folder_with_the_name_of_a_file_is_refused(tmp_path: Path) -> None:
    path = make_zip(tmp_path / "a.zip", [("a", b"1"), ("a/", b"")])
    with pytest.raises(DatasetError, match=r"'a/' has a name that another member has too"):
        with unpacked(path, tmp_path / "work"):
            pass


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_of_a_tar_are_refused(tmp_path: Path, kind: bytes) -> None:
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        info = tarfile.TarInfo("link")
        info.type, info.linkname = kind, "/etc/passwd"
        archive.addfile(info)
    with pytest.raises(DatasetError, match="'link'"):
        with unpacked(tmp_path / "a.tar", tmp_path / "work"):
            pass


def test_links_of_a_zip_are_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        info = zipfile.ZipInfo("link")
        info.external_attr = 0o120777 << 16
        archive.writestr(info, "/etc/passwd")
    with pytest.raises(DatasetError, match="'link' is a link or a device"):
        with unpacked(tmp_path / "a.zip", tmp_path / "work"):
            pass


@pytest.mark.parametrize("name", ["a.zip", "a.tar.gz"])
@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x03\x04broken"])
def test_what_is_no_archive_is_said(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DatasetError, match=f"{name} cannot be unpacked"):
        with unpacked(tmp_path / name, tmp_path / "work"):
            pass


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    path = make_zip(tmp_path / "a.zip", {"a.txt": b"1"})
    (tmp_path / "file").write_bytes(b"")
    expected = f"cannot unpack {path} in {tmp_path / 'file' / 'work'}: Not a directory; choose ano"
    with pytest.raises(DatasetError, match=re.escape(expected)):
        with unpacked(path, tmp_path / "file" / "work"):
            pass


@MAKERS
def test_a_cut_archive_is_said(tmp_path: Path, make: Make) -> None:
    path = make(tmp_path / name_for(make), {"a.txt": bytes(range(256)) * 300})
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(DatasetError, match="cannot be unpacked"):
        with unpacked(path, tmp_path / "work"):
            pass
