"""Which bytes a view cannot do without: of the stored pixels, those that it shows.

A card moves memory in sectors of 32 bytes, so a pixel that is read brings its sector along.

Legend: B clips, H, W rows and columns of the source, h, w of the target, C bytes of a pixel.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from vadsdk.kernels.view_parameters import ViewParameters
from vadsdk.kernels.warping import sampling_grid

SECTOR_BYTES = 32
LEAST_WEIGHT = 1e-6
"""A neighbour that counts less is rounding, and its pixel is not needed."""


def read_pixels(
    matrices: Tensor, size: tuple[int, int], source_size: tuple[int, int], wanted: Tensor | None
) -> Tensor:
    """Return (B, H, W) bool: the source pixels that the bilinear warp to `size` reads.

    Args:
        matrices: (B, 3, 3) float64 on the CPU, from target to source coordinates.
        size: (h, w) of the target.
        source_size: (H, W) of the source.
        wanted: (B, h, w) bool, the target pixels that are asked for; None: all.
    """
    height, width = source_size
    read = torch.zeros(len(matrices), height * width, dtype=torch.bool)
    for taps, weights in _taps(matrices, size, source_size):
        counts = weights > LEAST_WEIGHT
        if wanted is not None:
            counts &= wanted.flatten(1)
        for row in range(len(matrices)):
            read[row, taps[row, counts[row]]] = True
    return read.unflatten(1, source_size)


def seeing_pixels(matrices: Tensor, size: tuple[int, int], source_size: tuple[int, int]) -> Tensor:
    """Return (B, h, w) bool: the target pixels of the same warp that read any source pixel."""
    sees = torch.zeros(len(matrices), size[0] * size[1], dtype=torch.bool)
    for _, weights in _taps(matrices, size, source_size):
        sees |= weights > LEAST_WEIGHT
    return sees.unflatten(1, size)


def uncut_pixels(parameters: ViewParameters, size: tuple[int, int]) -> Tensor:
    """Return (B, h, w) bool: the pixels of views that no cut-out hides."""
    height, width = size
    boxes = (parameters.cutouts * torch.tensor([width, height, width, height])).round().int()
    seen = torch.ones(len(boxes), height, width, dtype=torch.bool)
    for row, (x0, y0, x1, y1) in enumerate(boxes.tolist()):
        seen[row, y0:y1, x0:x1] = False
    return seen


def brightness_pixels(parameters: ViewParameters, source_size: tuple[int, int]) -> Tensor:
    """Return (B, H, W) bool: every fourth row and column of clips whose contrast changes."""
    read = torch.zeros(len(parameters.contrast), *source_size, dtype=torch.bool)
    read[parameters.contrast != 1, ::4, ::4] = True
    return read


def sector_bytes(pixels: Tensor, pixel_bytes: int) -> int:
    """Return the bytes of the sectors in which some pixels of B frames lie.

    Args:
        pixels: (B, H, W) bool; each frame begins a sector.
        pixel_bytes: C, side by side.
    """
    flat = pixels.flatten(1).repeat_interleave(pixel_bytes, 1)
    flat = F.pad(flat, (0, -flat.shape[1] % SECTOR_BYTES))
    return int(flat.unflatten(1, (-1, SECTOR_BYTES)).any(2).sum()) * SECTOR_BYTES


def _taps(
    matrices: Tensor, size: tuple[int, int], source_size: tuple[int, int]
) -> list[tuple[Tensor, Tensor]]:
    """Return the four neighbours of each target pixel (B, h w), and weights: 0 outside."""
    grid = sampling_grid(matrices, size, device=matrices.device, dtype=torch.float64).flatten(1, 2)
    sides = []  # of x, then of y: neighbours before and after, each with its weight
    for axis, length in ((0, source_size[1]), (1, source_size[0])):
        position = ((grid[..., axis] + 1) * length - 1) / 2
        before = position.floor()
        share = position - before
        found = []
        for place, weight in ((before, 1 - share), (before + 1, share)):
            inside = (place >= 0) & (place < length)
            found.append((place.clamp(0, length - 1).long(), weight * inside))
        sides.append(found)
    return [
        (y * source_size[1] + x, x_weight * y_weight)
        for y, y_weight in sides[1]
        for x, x_weight in sides[0]
    ]
