"""COCO run-length encoding of masks, as text.

Legend: F masks, H, W.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco_mask

_FRAMES_AT_ONCE = 64


@dataclass(frozen=True, kw_only=True, slots=True)
class EncodedMasks:
    """The masks of one tube, small enough to be kept for hours of video."""

    size: tuple[int, int]
    """H and W."""
    counts: tuple[str, ...]
    """F compressed `counts`, one for each frame of the tube; that of an empty mask where it has
    none."""

    def __len__(self) -> int:
        """Return F."""
        return len(self.counts)

    def mask(self, index: int) -> NDArray[np.bool_]:
        """Return the (H, W) mask of the tube's frame number `index`."""
        mask: NDArray[np.bool_] = decode_masks([self.counts[index]], self.size)[0]
        return mask

    @property
    def are_empty(self) -> bool:
        """Whether no pixel is set."""
        nothing = no_pixels(self.size)
        return all(counts == nothing for counts in self.counts)

    @staticmethod
    def of(masks: NDArray[np.bool_]) -> EncodedMasks:
        """Encode (F, H, W) masks."""
        return EncodedMasks(size=masks.shape[1:], counts=tuple(encode_masks(masks)))


def encode_in_parts(
    frame_indices: NDArray[np.int64],
    size: tuple[int, int],
    masks_at: Callable[[NDArray[np.int64]], NDArray[np.bool_]],
) -> EncodedMasks:
    """Encode masks of many frames, a few of which are in memory at a time.

    Args:
        frame_indices: (F,).
        size: H and W.
        masks_at: returns (T, H, W) for some of the frames.
    """
    counts: list[str] = []
    for first in range(0, len(frame_indices), _FRAMES_AT_ONCE):
        counts += encode_masks(masks_at(frame_indices[first : first + _FRAMES_AT_ONCE]))
    return EncodedMasks(size=size, counts=tuple(counts))


def no_pixels(size: tuple[int, int]) -> str:
    """Return the compressed `counts` of an empty (H, W) mask."""
    return encode_masks(np.zeros((1, *size), np.bool_))[0]


def encode_masks(masks: NDArray[np.bool_]) -> list[str]:
    """Return the compressed `counts` of each of (F, H, W) masks."""
    if not len(masks):
        return []
    stacked = np.asfortranarray(masks.transpose(1, 2, 0), np.uint8)  # (H, W, F), as COCO wants it
    return [run["counts"].decode("ascii") for run in coco_mask.encode(stacked)]


def decode_masks(counts: Sequence[str], size: tuple[int, int]) -> NDArray[np.bool_]:
    """Return (F, H, W) masks from their compressed `counts`.

    Written out here, because pycocotools trusts what it decodes and warns under numpy 2.

    Args:
        counts: F strings, as `encode_masks` makes them.
        size: H and W.

    Raises:
        ValueError: the counts do not describe masks of that size.
    """
    height, width = size
    masks = np.zeros((len(counts), height, width), np.bool_)
    for mask, text in zip(masks, counts, strict=True):
        lengths = _run_lengths(text)
        if lengths.sum() != height * width or (lengths < 0).any():
            raise ValueError(f"a mask's runs do not add up to its {height} x {width} pixels")
        values = np.arange(len(lengths)) % 2 == 1  # runs alternate, background first
        mask[:] = np.repeat(values, lengths).reshape(width, height).T  # COCO scans by column
    return masks


def _run_lengths(text: str) -> NDArray[np.int64]:
    """Decode COCO's 5-bit groups, low first; from the fourth run on, relative to two before."""
    lengths: list[int] = []
    value = shift = 0
    for code in text.encode("ascii", "replace"):
        group = code - 48
        if not 0 <= group < 64 or shift > 30:
            raise ValueError(f"a mask's runs hold the unreadable character {chr(code)!r}")
        value |= (group & 31) << shift
        shift += 5
        if group & 32:  # more groups follow
            continue
        if group & 16:  # negative
            value -= 1 << shift
        lengths.append(value + (lengths[-2] if len(lengths) > 2 else 0))
        value = shift = 0
    if shift:
        raise ValueError("a mask's runs end in the middle of a number")
    return np.array(lengths, np.int64)
