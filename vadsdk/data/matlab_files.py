"""Read MATLAB 5 files of structs, text and numbers from anywhere.

Written out here, because scipy's reader trusts what it reads: nested cells overflow its stack, an
unknown type or a promised size its memory. (MathWorks, "MAT-File Format", version 5.)

    element   type, number of bytes, content, padding to 8 bytes
    matrix    an element of elements: flags, dimensions, name, then what its class has
"""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from vadsdk.errors import DatasetError

Value: TypeAlias = "str | NDArray[Any] | list[dict[str, Value]]"
"""Text, numbers, or a struct array in MATLAB's order, column by column."""

MAX_BYTES = 256 << 20
"""Of the file, and of what it decompresses to."""
MAX_DEPTH = 16
_HEADER_BYTES = 128
_BYTE_ORDERS = {b"IM": "<", b"MI": ">"}
_INT32, _UINT32, _MATRIX, _COMPRESSED = 5, 6, 14, 15
_NUMBER_TYPES = dict(
    zip((1, 2, 3, 4, 5, 6, 7, 9, 12, 13), "i1 u1 i2 u2 i4 u4 f4 f8 i8 u8".split(), strict=True)
)
_TEXT_ENCODINGS = {1: "latin-1", 2: "latin-1", 4: "utf-16", 16: "utf-8", 17: "utf-16", 18: "utf-32"}
_STRUCT, _CHAR, _NUMERIC = 2, 4, range(6, 16)
_COMPLEX_FLAG = 0x0800


def read_mat(path: Path) -> dict[str, Value]:
    """Read the variables of a MATLAB 5 file.

    Raises:
        DatasetError: the file is missing, too large, malformed, or has anything but structs, text
            and real numbers in it.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise DatasetError(f"{path} is larger than {MAX_BYTES} bytes; split it")
        content = path.read_bytes()
    except OSError as error:
        raise DatasetError(f"cannot read {path}: {error.strerror or error}") from error
    try:
        order = _BYTE_ORDERS.get(content[126:_HEADER_BYTES])
        if order is None:
            raise ValueError("its header is another's")
        return dict(_variables(content[_HEADER_BYTES:], order))
    except (ArithmeticError, LookupError, ValueError, struct.error, zlib.error) as error:
        raise DatasetError(
            f"{path} is not a readable MATLAB 5 file: {error}. Get it from its source again; "
            "save data of your own as structs, text and numbers with -v7"
        ) from error


def _variables(content: bytes, order: str) -> Iterator[tuple[str, Value]]:
    reader = _Reader(content, order)
    budget = MAX_BYTES
    while reader.position < len(content):
        kind, body = reader.element(padded=False)
        if kind == _COMPRESSED:
            unpacker = zlib.decompressobj()
            body = unpacker.decompress(body, budget)
            if unpacker.unconsumed_tail:
                raise ValueError(f"it decompresses to more than {MAX_BYTES} bytes")
            budget -= len(body)
            kind, body = _Reader(body, order).element()
        if kind != _MATRIX:
            raise ValueError(f"a variable has the type {kind}, expected a matrix")
        yield _Reader(body, order).matrix(depth=0)


@dataclass(slots=True)
class _Reader:
    """Reads one element after another."""

    content: bytes
    order: str
    """`<` or `>`."""
    position: int = field(default=0)

    def element(self, *, padded: bool = True) -> tuple[int, bytes]:
        """Return the type and the content of the next element."""
        (word,) = struct.unpack_from(f"{self.order}I", self.content, self.position)
        if word >> 16:  # a small element: size and type in one word, up to four bytes in the next
            kind, size, start = word & 0xFFFF, word >> 16, self.position + 4
            end = start + 4
        else:
            kind = word
            (size,) = struct.unpack_from(f"{self.order}I", self.content, self.position + 4)
            start = self.position + 8
            end = start + size + (-size % 8 if padded else 0)
        if start + size > min(end, len(self.content)):
            raise ValueError(f"an element of {size} bytes is cut off")
        self.position = end
        return kind, self.content[start : start + size]

    def ints(self, what: str) -> list[int]:
        """Return the next element, which is of 32-bit integers."""
        kind, body = self.element()
        if kind not in (_INT32, _UINT32):
            raise ValueError(f"{what} has the type {kind}, expected 32-bit integers")
        letter = "i" if kind == _INT32 else "I"
        return list(struct.unpack(f"{self.order}{len(body) // 4}{letter}", body))

    def matrix(self, depth: int) -> tuple[str, Value]:
        """Return name and value of the matrix whose content this is."""
        if not self.content:
            return "", np.zeros((0, 0))
        if depth > MAX_DEPTH:
            raise ValueError(f"it nests more than {MAX_DEPTH} structs")
        flags = self.ints("a matrix's flags")[0]
        shape = self.ints("a matrix's size")
        if not 2 <= len(shape) <= 32 or min(shape) < 0:
            raise ValueError(f"a matrix has the size {shape[:8]}")
        name = self.element()[1].decode("latin-1")
        kind = flags & 0xFF
        if kind == _STRUCT:
            return name, self._struct(math.prod(shape), depth)
        if kind == _CHAR:
            return name, self._text()
        if kind not in _NUMERIC or flags & _COMPLEX_FLAG:
            raise ValueError(f"{name or 'a part'} is neither struct, text nor real numbers")
        return name, self._numbers(shape)

    def _struct(self, count: int, depth: int) -> list[dict[str, Value]]:
        (name_size,) = self.ints("a struct's name length")
        names = self.element()[1]
        if name_size < 1 or len(names) % name_size:
            raise ValueError(f"a struct has names of {name_size} in {len(names)} bytes")
        if count * 8 > len(self.content) and names:
            raise ValueError(f"a struct of {count} parts is cut off")
        fields = [
            names[start : start + name_size].partition(b"\0")[0].decode("latin-1")
            for start in range(0, len(names), name_size)
        ]
        return [{name: self._part(depth) for name in fields} for _ in range(count if fields else 0)]

    def _part(self, depth: int) -> Value:
        kind, body = self.element()
        if kind != _MATRIX:
            raise ValueError(f"a struct's part has the type {kind}, expected a matrix")
        return _Reader(body, self.order).matrix(depth + 1)[1]

    def _text(self) -> str:
        kind, body = self.element()
        if kind not in _TEXT_ENCODINGS:
            raise ValueError(f"a text has the type {kind}")
        encoding = _TEXT_ENCODINGS[kind]
        suffix = (
            "" if "utf-" not in encoding or kind == 16 else "-le" if self.order == "<" else "-be"
        )
        return body.decode(encoding + suffix)

    def _numbers(self, shape: list[int]) -> NDArray[Any]:
        kind, body = self.element()
        if kind not in _NUMBER_TYPES:
            raise ValueError(f"numbers have the type {kind}")
        values = np.frombuffer(body, np.dtype(self.order + _NUMBER_TYPES[kind]))
        return values.reshape(shape, order="F")
