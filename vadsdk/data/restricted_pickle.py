"""Read pickles of plain containers and plain numpy arrays, and nothing else.

A pickle is a program: what it names, it can call. Here it can name numpy's reconstructors, which
are replaced by checked ones, and built-in sets. Before it runs, its opcodes are looked through for
what would exhaust memory or the C stack even so.
"""

from __future__ import annotations

import io
import math
import pickle
import pickletools
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from vadsdk.errors import DatasetError

MAX_FILE_BYTES = 256 << 20
MAX_TUPLE_DEPTH = 32
"""Hashing a tuple descends into it on the C stack, which a deep one would overflow."""
_REFUSED_OPCODES = frozenset({"EXT1", "EXT2", "EXT4", "PERSID", "BINPERSID", "INST", "OBJ"})
_PUT_OPCODES = frozenset({"PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"})
_GET_OPCODES = frozenset({"GET", "BINGET", "LONG_BINGET"})
_TUPLE_OPCODES = frozenset({"TUPLE", "TUPLE1", "TUPLE2", "TUPLE3"})
_PLAIN_KINDS = "biufSU"
_LAST_CHARACTER = 0x10FFFF
_ANYTHING_MALFORMED = (
    pickle.UnpicklingError,
    ArithmeticError,
    AttributeError,
    EOFError,
    ImportError,
    LookupError,
    MemoryError,
    RecursionError,
    TypeError,
    ValueError,
)


def read_pickle(path: Path) -> object:
    """Read a pickle of containers, text, and arrays of numbers or text, written by Python 2 or 3.

    Text that Python 2 wrote is read as latin-1.

    Raises:
        DatasetError: the file cannot be read, is malformed or too large, or names anything else.
    """
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise DatasetError(f"{path} is larger than {MAX_FILE_BYTES} bytes; split it")
        content = path.read_bytes()
    except OSError as error:
        raise DatasetError(f"cannot read {path}: {error.strerror or error}") from error
    try:
        _check_opcodes(content)
        return _Unpickler(io.BytesIO(content), encoding="latin1").load()
    except _ANYTHING_MALFORMED as error:
        raise DatasetError(
            f"{path} is not a pickle that may be opened: {error}. Get the file from its source "
            "again; save data of your own as lists, numbers, text and arrays of them"
        ) from error


class _Global:
    """What stands for a name in the pickle: it can be called, but not changed.

    Args:
        name: dotted, as the pickle writes it.
        function: checks its arguments.
    """

    __slots__ = ("_function", "_name")

    def __init__(self, name: str, function: Callable[..., object]) -> None:
        self._name = name
        self._function = function

    def __call__(self, *arguments: object) -> object:
        return self._function(*arguments)

    def __setstate__(self, state: object) -> None:
        raise pickle.UnpicklingError(f"it changes {self._name}")


class _PlainType:
    """A numpy type under construction; that of objects or of records is refused."""

    __slots__ = ("dtype",)

    def __init__(self, code: object, *_flags: object) -> None:
        text = code.decode("latin1") if isinstance(code, bytes) else code
        dtype = np.dtype(text) if isinstance(text, str) else None
        if dtype is None or dtype.kind not in _PLAIN_KINDS:
            raise pickle.UnpicklingError(f"it has an array of {text!r}, not of numbers or text")
        self.dtype = dtype

    def __setstate__(self, state: tuple[object, ...]) -> None:
        """Take the byte order; what a plain type's state tells besides, its code tells, too."""
        _, byte_order, *extras = state
        order = byte_order.decode("latin1") if isinstance(byte_order, bytes) else byte_order
        if order not in ("<", ">", "|", "=") or any(extras[:3]):
            raise pickle.UnpicklingError(f"it has a malformed array type {state!r:.80}")
        self.dtype = np.dtype(f"{order}{self.dtype.str[1:]}")


class _PlainArray(np.ndarray[Any, np.dtype[Any]]):
    """An array under construction, which checks what it is given."""

    def __setstate__(self, state: tuple[object, ...]) -> None:
        *_version, shape, kind, is_fortran, raw = state
        values = _values(raw, kind, shape, "F" if is_fortran else "C")
        checked: Any = (1, values.shape, values.dtype, False, values.tobytes())
        super().__setstate__(checked)


def _values(
    raw: object, kind: object, shape: object, order: Literal["C", "F"] = "C"
) -> NDArray[Any]:
    content = raw.encode("latin1") if isinstance(raw, str) else raw  # Python 2 wrote its bytes so
    if not isinstance(kind, _PlainType) or not isinstance(content, bytes | bytearray):
        raise pickle.UnpicklingError("it has an array that is not of numbers or text")
    if not isinstance(shape, tuple) or not all(type(side) is int and side >= 0 for side in shape):
        raise pickle.UnpicklingError(f"it has an array of the shape {shape!r:.80}")
    if math.prod(shape) * kind.dtype.itemsize != len(content):
        raise pickle.UnpicklingError(f"it has an array {shape} of {len(content)} bytes")
    if kind.dtype.kind == "U":
        characters = np.frombuffer(content, np.dtype(f"{kind.dtype.str[0]}u4"))
        if (characters > _LAST_CHARACTER).any():
            raise pickle.UnpicklingError("it has a text that is not Unicode")
    if not kind.dtype.itemsize:
        raise pickle.UnpicklingError("it has an array of parts without size")
    return np.frombuffer(content, kind.dtype).reshape(shape, order=order)


def _empty_array(*_: object) -> object:
    return _PlainArray((0,))


def _scalar(kind: object, raw: object) -> object:
    return _values(raw, kind, ())[()]


def _from_buffer(raw: object, kind: object, shape: object, order: object) -> object:
    return _values(raw, kind, shape, "F" if order == "F" else "C")


def _no_call(*_: object) -> object:
    raise pickle.UnpicklingError("it makes an array in an unknown way")


def _no_bytes() -> object:
    return b""


def _latin1_bytes(text: object, encoding: object) -> object:
    if not isinstance(text, str) or encoding not in ("latin1", "latin-1"):
        raise pickle.UnpicklingError(f"it encodes something as {encoding!r:.40}")
    return text.encode("latin1")


_ALLOWED: dict[tuple[str, str], Callable[..., object]] = {
    ("numpy", "dtype"): _PlainType,
    ("numpy", "ndarray"): _no_call,
    ("numpy.core.multiarray", "_reconstruct"): _empty_array,
    ("numpy.core.multiarray", "scalar"): _scalar,
    ("numpy.core.numeric", "_frombuffer"): _from_buffer,
    ("builtins", "set"): set,
    ("builtins", "frozenset"): frozenset,
    ("builtins", "bytes"): _no_bytes,  # how Python 3 writes bytes for Python 2, the empty ones
    ("_codecs", "encode"): _latin1_bytes,  # and the others
}
_KNOWN_AS = {
    "__builtin__": "builtins",
    "numpy._core.multiarray": "numpy.core.multiarray",
    "numpy._core.numeric": "numpy.core.numeric",
}
"""Of Python 2, and of numpy from 2 on."""


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> _Global:
        """Return the checked stand-in for a name, or refuse it."""
        function = _ALLOWED.get((_KNOWN_AS.get(module, module), name))
        if function is None:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}")
        return _Global(f"{module}.{name}", function)


def _check_opcodes(content: bytes) -> None:
    """Refuse what the unpickler itself does not withstand: a sparse memo, deep tuples.

    Follows the stack with the depth of each value as a tuple of tuples; None is a mark.
    """
    depths: list[int | None] = []
    memo: dict[int, int | None] = {}
    for step, (opcode, argument, _) in enumerate(pickletools.genops(content)):
        if opcode.name in _REFUSED_OPCODES:
            raise pickle.UnpicklingError(f"it uses {opcode.name}")
        if opcode.name in _PUT_OPCODES:
            place = len(memo) if argument is None else int(argument)
            if place > step:
                raise pickle.UnpicklingError(f"its memo has the place {place} in step {step}")
            memo[place] = depths[-1]
        elif opcode.name in _GET_OPCODES:
            depths.append(memo[int(argument or 0)])
        elif opcode.name == "MARK":
            depths.append(None)
        else:
            depth = _deepest(depths, opcode) + (opcode.name in _TUPLE_OPCODES)
            if depth > MAX_TUPLE_DEPTH:
                raise pickle.UnpicklingError(f"it nests more than {MAX_TUPLE_DEPTH} tuples")
            depths.extend([depth] * len(opcode.stack_after))


def _deepest(depths: list[int | None], opcode: pickletools.OpcodeInfo) -> int:
    """Take what an opcode takes from the stack; return the greatest depth among it."""
    taken: list[int | None] = [0]
    num_below = len(opcode.stack_before)
    if pickletools.markobject in opcode.stack_before:
        num_below = opcode.stack_before.index(pickletools.markobject)
        while (depth := depths.pop()) is not None:
            taken.append(depth)
    taken += [depths.pop() for _ in range(num_below)]
    return max(depth or 0 for depth in taken)
