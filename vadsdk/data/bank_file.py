"""The file of a clip bank: decoded frames that are mapped into memory and never decoded again.

    page 0     prologue: magic, version, CRC of the index, where index and file end
    page 1     frames (N, h, w, 3) uint8, all videos one after another
    aligned    masks, packed (N, P) uint8: 8 pixels a byte, the first in the highest bit
    aligned    arrays of the annotation (tubes and their boxes)
    at the end index, JSON: the data set, the videos, the arrays and where they lie

Legend: N frames of all videos, h and w of a frame, P = ceil(h w / 8) bytes of a mask.
"""

from __future__ import annotations

import json
import mmap
import shutil
import struct
import tempfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

import numpy as np
from numpy.typing import NDArray

from vadsdk.errors import DatasetError

MAGIC = b"vadsdk clip bank"
BANK_VERSION = 1
"""Raised when the layout changes, or how frames are decoded, resized or masks shrunk."""
PAGE_BYTES = 4096
_PROLOGUE = struct.Struct("<16sIIQQQ")
_BROKEN = (ValueError, KeyError, TypeError, IndexError, OverflowError)


class DamagedBankError(DatasetError):
    """A clip bank that was cut off, is of another version, or does not hold what it says."""


class BankWriter:
    """Writes the frames of one video after another; `finish` makes the file a bank.

    Args:
        path: the new file.
        size: h and w.
    """

    def __init__(self, path: Path, size: tuple[int, int]) -> None:
        self._size = size
        self._file: BinaryIO = path.open("wb")
        self._masks: BinaryIO = tempfile.TemporaryFile(dir=path.parent)
        self._file.write(bytes(PAGE_BYTES))
        self._num_frames = 0

    def append(self, frames: NDArray[np.uint8], masks: NDArray[np.uint8] | None) -> int:
        """Write a video, (F, h, w, 3), and its masks (F, h, w); return where its frames begin."""
        if frames.shape[1:] != (*self._size, 3) or frames.dtype != np.uint8:
            raise ValueError(f"frames are (F, *{self._size}, 3) uint8, not {frames.shape}")
        packed = np.zeros((len(frames), mask_bytes(self._size)), np.uint8)
        if masks is not None:
            packed = np.packbits(masks.reshape(len(frames), -1).astype(np.bool_), axis=1)
        self._file.write(np.ascontiguousarray(frames).data)
        self._masks.write(packed.data)
        first, self._num_frames = self._num_frames, self._num_frames + len(frames)
        return first

    def finish(self, index: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> None:
        """Write the rest.

        Args:
            index: what else there is to say; plain JSON.
            arrays: by name.
        """
        shape = (self._num_frames, *self._size, 3)
        places: dict[str, dict[str, Any]] = {}
        places["frames"] = {"dtype": "|u1", "shape": shape, "offset": PAGE_BYTES}
        packed = (self._num_frames, mask_bytes(self._size))
        places["masks"] = {"dtype": "|u1", "shape": packed, "offset": self._align()}
        self._masks.seek(0)
        shutil.copyfileobj(self._masks, self._file, 1 << 22)
        for name, array in arrays.items():
            place = {"dtype": array.dtype.str, "shape": array.shape, "offset": self._align()}
            places[name] = place
            self._file.write(np.ascontiguousarray(array).tobytes())
        offset = self._align()
        text = json.dumps({**index, "arrays": places}).encode()
        self._file.write(text)
        size = self._file.tell()
        self._file.seek(0)
        values = (MAGIC, BANK_VERSION, zlib.crc32(text), offset, len(text), size)
        self._file.write(_PROLOGUE.pack(*values))
        self._file.flush()

    def _align(self) -> int:
        self._file.write(bytes(-self._file.tell() % PAGE_BYTES))
        return self._file.tell()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the files."""
        self._masks.close()
        self._file.close()


def read_bank_file(path: Path) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Return the index of a bank and its arrays, mapped into memory: they cannot be written to.

    Raises:
        DatasetError: there is no such file, or it is something else.
        DamagedBankError: it was a bank; building it anew helps.
    """
    try:
        with path.open("rb") as file:
            offset, length, crc = _read_prologue(file, path)
            file.seek(offset)
            text = file.read(length)
            if zlib.crc32(text) != crc:
                raise DamagedBankError(f"the index of the clip bank {path} is damaged")
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except OSError as error:
        raise DatasetError(f"cannot read the clip bank {path}: {error.strerror}") from None
    try:
        index = json.loads(text)
        arrays = {name: _array(mapped, place) for name, place in index.pop("arrays").items()}
    except _BROKEN as error:
        raise DamagedBankError(
            f"the clip bank {path} does not hold what it says: {error}"
        ) from None
    return index, arrays


def mask_bytes(size: tuple[int, int]) -> int:
    """Return P for frames of h and w."""
    return -(-size[0] * size[1] // 8)


def _read_prologue(file: BinaryIO, path: Path) -> tuple[int, int, int]:
    """Return where the index begins, its length and its CRC."""
    start = file.read(_PROLOGUE.size)
    if not start.startswith(MAGIC):
        raise DatasetError(
            f"{path} is no clip bank; give another data.bank, which is then made there"
        )
    if len(start) < _PROLOGUE.size:
        raise DamagedBankError(f"the clip bank {path} is cut off after {len(start)} bytes")
    _, version, crc, offset, length, size = _PROLOGUE.unpack(start)
    if version != BANK_VERSION:
        raise DamagedBankError(
            f"the clip bank {path} is of version {version}, this vadsdk reads {BANK_VERSION}"
        )
    found = file.seek(0, 2)
    if found != size or offset + length != size:
        raise DamagedBankError(f"the clip bank {path} has {found} bytes instead of {size}")
    return offset, length, crc


def _array(mapped: mmap.mmap, place: Mapping[str, Any]) -> NDArray[Any]:
    shape = tuple(int(length) for length in place["shape"])
    dtype = np.dtype(place["dtype"])
    if dtype.hasobject:
        raise ValueError("an array of Python objects")
    count = int(np.prod(shape, dtype=np.int64))
    return np.frombuffer(mapped, dtype, count, int(place["offset"])).reshape(shape)
