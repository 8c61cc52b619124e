"""Folders of frames and of masks whose pixels are object numbers, written for real."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import cv2
import numpy as np

GREY, RGB, PALETTE = 0, 2, 3
SHAPE = (24, 32)


def chunk(kind: bytes, content: bytes) -> bytes:
    return (
        struct.pack(">I", len(content))
        + kind
        + content
        + struct.pack(">I", zlib.crc32(kind + content))
    )


def png(rows: list[bytes], width: int, bits: int = 8, colour: int = PALETTE) -> bytes:
    """Return a PNG of packed rows; its palette is all one colour, so that only indexes tell."""
    header = struct.pack(">IIBBBBB", width, len(rows), bits, colour, 0, 0, 0)
    palette = chunk(b"PLTE", bytes([9, 9, 9] * 2**bits)) if colour == PALETTE else b""
    pixels = zlib.compress(b"".join(b"\0" + row for row in rows))
    start = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header)
    return start + palette + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def write_mask(path: Path, object_ids: np.ndarray, colour: int = PALETTE) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [row.tobytes() for row in object_ids.astype(np.uint8)]
    path.write_bytes(png(rows, object_ids.shape[1], colour=colour))
    return path


def write_frames(folder: Path, names: list[str], shape: tuple[int, int] = SHAPE) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        cv2.imwrite(str(folder / f"{name}.jpg"), np.full((*shape, 3), 90, np.uint8))


def squares(**left_of: int) -> np.ndarray:
    """Return a mask with a square of 4 pixels a side at row 8 for each object `o<number>`."""
    mask = np.zeros(SHAPE, np.uint8)
    for name, left in left_of.items():
        mask[8:12, left : left + 4] = int(name.removeprefix("o"))
    return mask
