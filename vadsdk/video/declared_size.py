"""How many bytes a video file says it has, to tell a file that was cut off from a whole one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

_EBML_HEADER = b"\x1a\x45\xdf\xa3"
_MATROSKA_SEGMENT = b"\x18\x53\x80\x67"
_UNKNOWN = -1


def missing_bytes(path: Path) -> int:
    """Return how many bytes the headers of an mp4, mov, avi, mkv or webm file promise in vain.

    Zero for a whole file, and for formats that do not tell, such as transport streams.
    """
    with path.open("rb") as file:
        start = file.read(12)
        promised = 0
        if start[4:8] in (b"ftyp", b"moov", b"mdat", b"wide", b"free"):
            promised = max((end for _, end in _boxes(file, path.stat().st_size)), default=0)
        elif start[:4] == b"RIFF":
            promised = 8 + int.from_bytes(start[4:8], "little")
        elif start[:4] == _EBML_HEADER:
            promised = _end_of_segment(file)
    return max(0, promised - path.stat().st_size)


def is_cut_mp4(path: Path) -> bool:
    """Tell whether a file starts as an mp4 but lacks the index, which is often at its end."""
    with path.open("rb") as file:
        names = [name for name, _ in _boxes(file, path.stat().st_size)]
    return names[:1] == [b"ftyp"] and b"moov" not in names


def _boxes(file: BinaryIO, file_size: int) -> Iterator[tuple[bytes, int]]:
    """Yield name and end of each top-level box (ISO 14496-12, 4.2)."""
    position = 0
    while position + 8 <= file_size:
        file.seek(position)
        header = file.read(16)
        size = int.from_bytes(header[:4], "big")
        if size == 1:
            size = int.from_bytes(header[8:16], "big")
        elif size == 0:  # to the end of the file
            size = file_size - position
        if size < 8:
            return
        position += size
        yield header[4:8], position


def _end_of_segment(file: BinaryIO) -> int:
    """Return where Matroska's one segment ends (RFC 8794, section 6), or 0 if it does not say."""
    file.seek(len(_EBML_HEADER))
    header_size = _variable_int(file)
    file.seek(header_size, 1)
    if file.read(4) != _MATROSKA_SEGMENT:
        return 0
    size = _variable_int(file)
    return 0 if size == _UNKNOWN else file.tell() + size


def _variable_int(file: BinaryIO) -> int:
    """Read EBML's integer: the leading zeros of its first byte count the bytes that follow."""
    first = file.read(1)
    if not first or not first[0]:
        return 0
    num_more = 8 - first[0].bit_length()
    value = int.from_bytes(first + file.read(num_more), "big")
    bits = 7 * (num_more + 1)
    value &= (1 << bits) - 1
    return _UNKNOWN if value == (1 << bits) - 1 else value
