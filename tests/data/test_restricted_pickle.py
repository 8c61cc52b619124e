from __future__ import annotations

import contextlib
import os
import pickle
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vadsdk.data import restricted_pickle
from vadsdk.data.restricted_pickle import read_pickle
from vadsdk.errors import DatasetError

PYTHON2_ARRAY = (  # protocol 2 of Python 2.7: np.array([[1, 300]], np.uint16)
    b"\x80\x02cnumpy.core.multiarray\n_reconstruct\nq\x01cnumpy\nndarray\nq\x02K\x00\x85q\x03"
    b"U\x01bq\x04\x87q\x05Rq\x06(K\x01K\x01K\x02\x86q\x07cnumpy\ndtype\nq\x08U\x02u2q\tK\x00K\x01"
    b"\x87q\nRq\x0b(K\x03U\x01<q\x0cNNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tq\rb\x89"
    b"U\x04\x01\x00,\x01q\x0etq\x0fb."
)


def written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def same(value: object, other: object) -> bool:
    if isinstance(other, dict):
        assert isinstance(value, dict)
        return list(value) == list(other) and all(same(value[key], other[key]) for key in other)
    if isinstance(other, list | tuple):
        assert type(value) is type(other)
        return len(value) == len(other) and all(map(same, value, other))
    if isinstance(other, np.ndarray | np.generic):
        assert value.dtype.newbyteorder("=") == other.dtype.newbyteorder("=")
        return value.shape == other.shape and bool(np.all(value == other))
    return value == other


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_plain_containers_and_numeric_arrays_come_back(tmp_path: Path, protocol: int) -> None:
    value = {
        "boxes": np.arange(12, dtype=np.uint8).reshape(3, 4),
        "columns": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        "swapped": np.array([1, 300], ">u2"),
        "flags": np.array([[True], [False]]),
        "none": np.zeros((0, 4), np.float32),
        "numf": np.uint16(300),
        "names": np.array(["\xe9", "\U0010ffff\u20ac"]),
        "bytes": np.array([b"ab", b"c"]),
        "name": np.str_("Basketball"),
        "plain": [None, True, -7, 2**80, 0.5, "\xe9\u20ac", b"\x00\xff", b"", (), (1, (2,))],
        "sets": ({1, 2}, frozenset({3})),
        "empty": ({}, [], set()),
    }
    path = written(tmp_path / "a.pkl", pickle.dumps(value, protocol))
    assert same(read_pickle(path), value)


def test_a_pickle_of_python_2_comes_back(tmp_path: Path) -> None:
    array = read_pickle(written(tmp_path / "a.pkl", PYTHON2_ARRAY))
    assert same(array, np.array([[1, 300]], np.uint16))


def test_shared_parts_stay_shared(tmp_path: Path) -> None:
    part = [1]
    first, second = read_pickle(written(tmp_path / "a.pkl", pickle.dumps([part, part])))
    assert first is second


class Exploit:
    def __init__(self, function: object, *arguments: object) -> None:
        self.reduced = function, arguments

    def __reduce__(self) -> tuple[object, ...]:
        return self.reduced


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_global_that_is_not_allowed_is_named_and_never_called(
    tmp_path: Path, protocol: int
) -> None:
    trace = tmp_path / "trace"
    content = pickle.dumps([Exploit(os.mkdir, str(trace))], protocol)
    with pytest.raises(DatasetError, match=r"a\.pkl is not a pickle .*asks for posix\.mkdir\. Get"):
        read_pickle(written(tmp_path / "a.pkl", content))
    assert not trace.exists()


@pytest.mark.parametrize(
    "name", ["builtins eval", "builtins getattr", "numpy load", "numpy.core.multiarray fromfile"]
)
def test_neighbours_of_what_is_allowed_are_refused(tmp_path: Path, name: str) -> None:
    content = f"c{name.replace(' ', chr(10))}\n.".encode()
    with pytest.raises(DatasetError, match=f"asks for {name.replace(' ', '.')}"):
        read_pickle(written(tmp_path / "a.pkl", content))


def crafted_array(code: bytes, shape: bytes, raw: bytes, flags: bytes = b"K\x00") -> bytes:
    """An array whose parts are opcodes; `raw` are its bytes."""
    return (
        b"\x80\x03cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(K\x00tC\x01btR"
        b"(K\x01" + shape + b"cnumpy\ndtype\n(" + code + b"\x89\x88tR"
        b"(K\x03X\x01\x00\x00\x00|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xff" + flags + b"tb\x89"
        b"C" + bytes([len(raw)]) + raw + b"tb."
    )


CRAFTED_UINT8 = b"X\x02\x00\x00\x00u1"


def test_the_crafted_array_is_well_formed_but_for_what_the_tests_change(tmp_path: Path) -> None:
    path = written(tmp_path / "a.pkl", crafted_array(CRAFTED_UINT8, b"(K\x02t", b"\x05\x06"))
    assert same(read_pickle(path), np.array([5, 6], np.uint8))


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (
            crafted_array(b"X\x02\x00\x00\x00O8", b"(K\x01t", b"\x41" * 8),
            "array of 'O8', not of numbers or text",
        ),
        (
            crafted_array(b"X\x02\x00\x00\x00V8", b"(K\x01t", b"\x41" * 8),
            "array of 'V8', not of numbers or text",
        ),
        (crafted_array(b"X\x02\x00\x00\x00??", b"(K\x01t", b"A"), "data type '..' not understood"),
        (crafted_array(b"K\x07", b"(K\x01t", b"A"), "an array of 7, not of numbers"),
        (crafted_array(CRAFTED_UINT8, b"(K\x03t", b"\x05\x06"), r"array \(3,\) of 2 bytes"),
        (crafted_array(CRAFTED_UINT8, b"(J\xff\xff\xff\xfft", b"A"), r"of the shape \(-1,\)"),
        (crafted_array(CRAFTED_UINT8, b"K\x01", b"A"), "of the shape 1"),
        (
            crafted_array(b"X\x02\x00\x00\x00U1", b"(K\x01t", b"\xff" * 4),
            "text that is not Unicode",
        ),
        (crafted_array(b"X\x02\x00\x00\x00S0", b"(K\x09t", b""), "parts without size"),
        (b"cnumpy\nndarray\n(K\x01tR.", "makes an array in an unknown way"),
        (b"cnumpy\ndtype\n}b.", r"changes numpy\.dtype"),
        (b"cnumpy.core.multiarray\nscalar\nN}X\x01\x00\x00\x00aNs\x86b.", "changes numpy.core"),
        (b"c_codecs\nencode\n(X\x01\x00\x00\x00aX\x03\x00\x00\x00rottR.", "something as 'rot'"),
        (
            b"cnumpy\ndtype\n" + CRAFTED_UINT8 + b"\x85R(K\x03X\x01\x00\x00\x00<K\x01tb.",
            "malformed array type",
        ),
        (b"\x80\x05\x82\x01.", "it uses EXT1"),
        (b"Px\n.", "it uses PERSID"),
        (b"(iposix\nsystem\n.", "it uses INST"),
        (b"]r\xff\xff\xff\x7f.", "memo has the place 2147483647 in step 1"),
        (b")" + b"\x85" * 40 + b".", "nests more than 32 tuples"),
        (b"}(" + b")" + b"\x85q\x01h\x01" * 33 + b"N" + b"u.", "nests more than 32 tuples"),
        (b"", "pickle exhausted before seeing STOP"),
        (b"no pickle", "not a pickle"),
        (b"h\x05.", "not a pickle"),
        (b"b.", "not a pickle"),
        (b"]a.", "not a pickle"),
        (b"\x80\xffN.", "unsupported pickle protocol"),
        (b"}]Ns.", "unhashable type"),
        (b"\x8e" + struct.pack("<Q", 1 << 60) + b".", "not a pickle"),
    ],
)
def test_malformed_and_hostile_pickles_are_refused(
    tmp_path: Path, content: bytes, text: str
) -> None:
    with pytest.raises(DatasetError, match=text) as caught:
        read_pickle(written(tmp_path / "a.pkl", content))
    assert str(tmp_path / "a.pkl") in str(caught.value)


def test_a_file_that_is_missing_or_too_large_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(DatasetError, match=r"cannot read .*a\.pkl: No such file"):
        read_pickle(tmp_path / "a.pkl")
    monkeypatch.setattr(restricted_pickle, "MAX_FILE_BYTES", 3)
    with pytest.raises(DatasetError, match=r"a\.pkl is larger than 3 bytes"):
        read_pickle(written(tmp_path / "a.pkl", pickle.dumps([1])))


GOOD = pickle.dumps({"a": [np.arange(3), (1, "x", {2})]}, 2)


@given(st.data())
def test_a_damaged_pickle_raises_nothing_but_a_dataset_error(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    damaged = bytearray(GOOD)
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, len(GOOD) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.getbasetemp() / "damaged.pkl"
    path.write_bytes(bytes(damaged))
    with contextlib.suppress(DatasetError):
        read_pickle(path)
