"""PNG masks whose pixels are object numbers, as DAVIS and YouTube-VOS have them.

The number is the index of the palette (or the grey value), not the colour: it is read as stored.

Legend: R boxes, one for each object in each mask of a sequence.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from vadsdk.data.problems import Problem
from vadsdk.errors import DatasetError

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_HEADER = struct.Struct(">8s4x4sIIBB")
_GREY, _PALETTE = 0, 3
_MAX_FILE_BYTES = 64 << 20
_MAX_PIXELS = 1 << 26
VOID = 255
"""Number of the pixels that count for no object, where there are any."""


class MaskKind(StrEnum):
    """What the numbers in a mask mean."""

    BINARY = "binary"
    """All that is not 0 is object 1."""
    NUMBERED = "numbered"
    """The number of the object; 0 is background."""
    NUMBERED_WITH_VOID = "numbered-with-void"
    """The same, and `VOID` is nothing."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class MaskBoxes:
    """Where the objects of one sequence are."""

    height: int
    """Of every mask, in pixels."""
    width: int
    """Of every mask, in pixels."""
    rows: NDArray[np.int32]
    """(R, 6) position of the mask in the sequence, object number, and the tight box x1, y1, x2, y2
    in pixels, max edge exclusive."""


def read_object_ids(path: Path, kind: MaskKind) -> NDArray[np.uint8]:
    """Read the number of the object at each pixel, (H, W); 0 where there is none.

    Raises:
        DatasetError: the file is missing, no PNG, damaged, or in colours instead of numbers.
    """
    try:
        numbers = _decode(path)
    except (OSError, ValueError) as error:
        raise DatasetError(f"{path}: {_reason(error)}") from error
    if kind is MaskKind.BINARY:
        return np.not_equal(numbers, 0).astype(np.uint8)
    if kind is MaskKind.NUMBERED_WITH_VOID:
        return np.where(numbers == VOID, 0, numbers).astype(np.uint8)
    return numbers


def boxes_of_masks(paths: Sequence[Path], kind: MaskKind) -> tuple[MaskBoxes | None, list[Problem]]:
    """Return the tight boxes of a sequence's masks, or None and what is wrong with them.

    Args:
        paths: of the masks, in the order of the frames; at least one.
        kind: what their numbers mean.
    """
    size: tuple[int, ...] | None = None
    rows: list[tuple[int, ...]] = []
    problems: list[Problem] = []
    for position, path in enumerate(paths):
        try:
            object_ids = read_object_ids(path, kind)
        except DatasetError as error:
            problems.append(Problem(str(path), "", str(error).removeprefix(f"{path}: ")))
            continue
        size = size or object_ids.shape
        if object_ids.shape != size:
            message = (
                f"the mask is {_size(object_ids.shape)}, the first of its sequence "
                f"{_size(size)} (width x height); write it again"
            )
            problems.append(Problem(str(path), "", message))
            continue
        rows += [(position, *row) for row in _object_boxes(object_ids)]
    if problems or size is None:
        return None, problems
    found = np.array(rows, np.int32).reshape(-1, 6)
    return MaskBoxes(height=size[0], width=size[1], rows=found), []


def _object_boxes(object_ids: NDArray[np.uint8]) -> list[tuple[int, int, int, int, int]]:
    """Return number and tight box of each object in a mask."""
    present = np.flatnonzero(np.bincount(object_ids.ravel(), minlength=256))
    boxes = []
    for number in present[present > 0].tolist():
        mask = object_ids == number
        columns, rows = np.flatnonzero(mask.any(axis=0)), np.flatnonzero(mask.any(axis=1))
        x1, y1, x2, y2 = columns[0], rows[0], columns[-1] + 1, rows[-1] + 1
        boxes.append((number, int(x1), int(y1), int(x2), int(y2)))
    return boxes


def _decode(path: Path) -> NDArray[np.uint8]:
    """Return the stored numbers, (H, W), or raise a ValueError with the reason."""
    if path.stat().st_size > _MAX_FILE_BYTES:
        raise ValueError(f"the file has over {_MAX_FILE_BYTES >> 20} MiB, which no mask has")
    content = path.read_bytes()
    if len(content) < _HEADER.size or not content.startswith(_SIGNATURE):
        raise ValueError("this is not a PNG file; export the mask as PNG")
    _, chunk, width, height, bits, colour = _HEADER.unpack_from(content)
    if chunk != b"IHDR" or not 0 < width * height <= _MAX_PIXELS:
        raise ValueError(f"a PNG of {width} x {height} pixels is no mask; export it again")
    if colour not in {_GREY, _PALETTE} or bits > 8:
        raise ValueError(
            "the pixels are colours, expected object numbers: a palette or 8 bit grey; "
            "export the mask as an indexed PNG"
        )
    numbers = _decoded_plane(content, is_one_bit_grey=(colour, bits) == (_GREY, 1))
    if colour == _GREY and bits < 8:  # FFmpeg stretches these to 0..255
        numbers = numbers // np.uint8(255 // (2**bits - 1))
    return numbers


def _decoded_plane(content: bytes, *, is_one_bit_grey: bool) -> NDArray[np.uint8]:
    decoder = av.CodecContext.create("png", "r")
    decoder.options = {"err_detect": "explode+crccheck"}
    try:
        frames = [*decoder.decode(av.Packet(content)), *decoder.decode(None)]
    except (av.FFmpegError, EOFError) as error:
        raise ValueError(f"the PNG is damaged ({error}); copy it again") from error
    if not frames:
        raise ValueError("the PNG holds no picture; copy it again")
    frame = frames[0]
    assert isinstance(frame, av.VideoFrame)  # as the decoder is one of pictures
    if is_one_bit_grey:
        frame = frame.reformat(format="gray")
    planes = frame.to_ndarray()
    numbers = planes[0] if isinstance(planes, tuple) else planes
    return np.ascontiguousarray(numbers, np.uint8)


def _reason(error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return "the mask does not exist; unpack it again"
    return str(error)


def _size(shape: tuple[int, ...]) -> str:
    return f"{shape[1]} x {shape[0]}"
