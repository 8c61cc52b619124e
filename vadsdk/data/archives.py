"""Unpack an archive that nobody vouches for: into one folder, nothing outside, no bombs.

What is refused, before or while anything is written: names that lead out of the folder, links,
devices, and content that unpacks to far more than an archive of videos and annotation can.
"""

from __future__ import annotations

import re
import shutil
import stat
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import IO

from vadsdk.errors import DatasetError, VadsdkError

ARCHIVE_SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
MAX_RATIO = 100
"""Unpacked over packed size; annotation as text reaches 20, videos 1."""
ALWAYS_ALLOWED_BYTES = 64 << 20
"""What may come out whatever the ratio: a small archive of zeros harms nobody."""
MAX_MEMBERS = 2_000_000
_CHUNK = 1 << 20
_ADVICE = re.compile(r"(List all of them with: vadsdk data check).*")
_PREFIX = ".unpacked-"
_TWICE = "has a name that another member has too"


@dataclass(frozen=True, kw_only=True, slots=True)
class UnpackLimits:
    """How much may come out of an archive."""

    max_ratio: int = MAX_RATIO
    """Of unpacked to packed size."""
    allowed_bytes: int = ALWAYS_ALLOWED_BYTES
    """Unpacked size that is allowed whatever the ratio."""


def is_archive(path: Path) -> bool:
    """Return whether a path is named like an archive that `unpacked` reads."""
    return path.name.lower().endswith(ARCHIVE_SUFFIXES)


@contextmanager
def unpacked(path: Path, beside: Path, limits: UnpackLimits | None = None) -> Iterator[Path]:
    """Unpack an archive into a temporary folder, which is removed at the end of the block.

    Args:
        path: the archive.
        beside: the temporary folder is made in this one, so that files can be linked out of it.
        limits: how much may come out.

    Raises:
        DatasetError: it is damaged, no archive, or not to be trusted; the message names the member.

    Errors of vadsdk that are raised in the block name members of the archive, too.
    """
    try:
        beside.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=beside))
    except OSError as error:
        raise DatasetError(
            f"cannot unpack {path} in {beside}: {error.strerror or error}; choose another folder"
        ) from error
    try:
        _unpack(path, folder, limits or UnpackLimits())
        yield _only_folder(folder)
    except VadsdkError as error:
        raise type(error)(member_names(str(error), folder, path)) from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def member_names(text: str, unpacked_to: Path, archive: Path) -> str:
    """Return a message in which files that came out of an archive are ARCHIVE:MEMBER.

    Args:
        text: names files of the temporary folder, which is gone when a user reads it.
        unpacked_to: what `unpacked` gave.
        archive: where it came from.
    """
    up = (unpacked_to, *unpacked_to.parents)
    top = next((folder for folder in up if folder.name.startswith(_PREFIX)), unpacked_to)
    for folder in (top, top.resolve()):
        text = text.replace(f"{folder}/", f"{archive}:").replace(str(folder), str(archive))
    text = text.replace(top.name, archive.name)
    return _ADVICE.sub(r"\1 FOLDER, once it is unpacked there", text)


def _unpack(path: Path, folder: Path, limits: UnpackLimits) -> None:
    try:
        budget = _Budget(path, max(path.stat().st_size * limits.max_ratio, limits.allowed_bytes))
        if path.name.lower().endswith(".zip"):
            with zipfile.ZipFile(path) as archive:
                _unpack_zip(path, archive, folder, budget)
        else:
            with tarfile.open(path) as tar:
                _unpack_tar(path, tar, folder, budget)
    except (zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError, RuntimeError) as error:
        raise DatasetError(
            f"{path} cannot be unpacked ({error}); download it again, or unpack it by hand and "
            "give the folder"
        ) from error
    except (OSError, ValueError, NotImplementedError) as error:
        reason = getattr(error, "strerror", None) or error
        raise DatasetError(f"{path} cannot be unpacked: {reason}") from error


def _unpack_zip(path: Path, archive: zipfile.ZipFile, folder: Path, budget: _Budget) -> None:
    for member in archive.infolist():
        target = _target(path, folder, member.filename)
        kind = stat.S_IFMT(member.external_attr >> 16)
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise _refused(path, member.filename, "is a link or a device")
        if member.is_dir():
            budget.make_folder(target, member.filename)
            continue
        with archive.open(member) as source:
            budget.copy(source, target, member.filename)


def _unpack_tar(path: Path, tar: tarfile.TarFile, folder: Path, budget: _Budget) -> None:
    for member in tar:
        target = _target(path, folder, member.name)
        if member.isdir():
            budget.make_folder(target, member.name)
            continue
        source = tar.extractfile(member) if member.isfile() else None
        if source is None:
            raise _refused(path, member.name, "is a link or a device")
        with source:
            budget.copy(source, target, member.name)


class _Budget:
    """Copies members and counts what really comes out: sizes in headers may lie."""

    def __init__(self, path: Path, num_bytes: int) -> None:
        self._path = path
        self._left = num_bytes
        self._num_members = 0

    def make_folder(self, target: Path, name: str) -> None:
        try:
            target.mkdir(parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError):
            raise _refused(self._path, name, _TWICE) from None

    def copy(self, source: IO[bytes], target: Path, name: str) -> None:
        self._num_members += 1
        if self._num_members > MAX_MEMBERS:
            raise DatasetError(f"{self._path} has over {MAX_MEMBERS} files; unpack it by hand")
        self.make_folder(target.parent, name)
        try:
            file = target.open("xb")
        except FileExistsError:
            raise _refused(self._path, name, _TWICE) from None
        with file as out:
            while chunk := source.read(_CHUNK):
                self._left -= len(chunk)
                if self._left < 0:
                    raise _refused(
                        self._path,
                        name,
                        "makes the archive unpack to far more than videos and annotation do",
                    )
                out.write(chunk)


def _target(path: Path, folder: Path, name: str) -> Path:
    parts = PurePosixPath(name).parts
    leads_out = name.startswith("/") or ".." in parts or PureWindowsPath(name).drive
    if leads_out or "\\" in name or "\0" in name or not parts:
        raise _refused(path, name, "has a name that leads out of the folder")
    return folder.joinpath(*parts)


def _refused(path: Path, name: str, why: str) -> DatasetError:
    return DatasetError(
        f"{path}: {name!r} {why}; do not trust this archive. If you know where it comes from, "
        "unpack it by hand and give the folder"
    )


def _only_folder(folder: Path) -> Path:
    """Return the one folder that an archive often has at its top, else `folder`."""
    entries = [entry for entry in folder.iterdir() if not entry.name.startswith((".", "__MACOSX"))]
    return entries[0] if len(entries) == 1 and entries[0].is_dir() else folder
