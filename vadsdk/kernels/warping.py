"""Bilinear warps by one affine a clip; a clip that is only copied or mirrored is moved bit for bit.

Legend: B clips, C channels, H, W rows and columns of the source, h, w of the target. Coordinates
are (x, y), -1 to 1 from outer edge to outer edge (torch's align_corners=False): the centre of
column i of w lies at (2 i + 1) / w - 1. Matrices are (B, 3, 3), float64 and on the CPU; they take
target to source coordinates.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

SAME_TOLERANCE = 1e-9
"""Matrices closer than this are the same; far below a thousandth of a pixel, far above float64
rounding."""
EDGE_TOLERANCE_PIXELS = 1e-3
"""A centre that falls so little outside the outermost source centres still counts as seen."""

MIRROR = torch.diag(torch.tensor([-1.0, 1.0, 1.0], dtype=torch.float64))


def warp(planes: Tensor, matrices: Tensor, size: tuple[int, int]) -> Tensor:
    """Return (B, C, h, w): `planes` (B, C, H, W), at least float32, read where `matrices` point.

    Outside the source lie zeros.

    Args:
        planes: (B, C, H, W) floating point; gradients flow into them.
        matrices: (B, 3, 3), from target to source coordinates.
        size: (h, w) of the target.
    """
    planes = planes if planes.dtype == torch.float64 else planes.float()
    moves = _plan(matrices, same_size=tuple(planes.shape[-2:]) == size)
    if len(moves) == 1:
        return moves[0][1](planes, matrices, size)
    target = planes.new_empty(*planes.shape[:2], *size)
    for rows, move in moves:
        target[rows] = move(planes[rows], matrices[rows], size)
    return target


def seen_inside(
    matrices: Tensor, size: tuple[int, int], source_size: tuple[int, int], device: torch.device
) -> Tensor:
    """Return (B, 1, h, w) bool: the target centres that fall between source centres.

    Args:
        matrices: (B, 3, 3), from target to source coordinates.
        size: (h, w) of the target.
        source_size: (H, W) of the source.
        device: where the answer lies.
    """
    grid = sampling_grid(matrices, size, device=device, dtype=torch.float32)  # (B, h, w, 2) as x, y
    height, width = source_size
    limits = [1 - (1 - 2 * EDGE_TOLERANCE_PIXELS) / side for side in (width, height)]
    inside = (grid[..., 0].abs() <= limits[0]) & (grid[..., 1].abs() <= limits[1])
    return inside[:, None]


def sampling_grid(
    matrices: Tensor, size: tuple[int, int], *, device: torch.device, dtype: torch.dtype
) -> Tensor:
    """Return (B, h, w, 2): the source coordinates x, y of every target centre."""
    height, width = size
    rows = matrices[:, :2].to(device=device, dtype=dtype)[:, None, None]  # (B, 1, 1, 2, 3)
    x = _centres(width, device, dtype)[None, None, :, None]
    y = _centres(height, device, dtype)[None, :, None, None]
    return rows[..., 0] * x + (rows[..., 1] * y + rows[..., 2])


Move = Callable[[Tensor, Tensor, tuple[int, int]], Tensor]


def _plan(matrices: Tensor, *, same_size: bool) -> list[tuple[Tensor, Move]]:
    """Return disjoint clip indices and how to move the clips; at least one entry.

    No clips at all are interpolated, as that alone gives them the target's size.
    """
    copied = _is_same(matrices, torch.eye(3, dtype=torch.float64)) & same_size
    mirrored = _is_same(matrices, MIRROR) & same_size
    plan: list[tuple[Tensor, Move]] = [
        (copied.nonzero()[:, 0], _copy),
        (mirrored.nonzero()[:, 0], _mirror),
        ((~(copied | mirrored)).nonzero()[:, 0], _interpolate),
    ]
    return [(rows, move) for rows, move in plan if len(rows)] or plan[-1:]


def _is_same(matrices: Tensor, other: Tensor) -> Tensor:
    return (matrices - other).abs().amax((1, 2)) < SAME_TOLERANCE


def _copy(planes: Tensor, matrices: Tensor, size: tuple[int, int]) -> Tensor:
    return planes


def _mirror(planes: Tensor, matrices: Tensor, size: tuple[int, int]) -> Tensor:
    return planes.flip(-1)


def _interpolate(planes: Tensor, matrices: Tensor, size: tuple[int, int]) -> Tensor:
    grid = sampling_grid(matrices, size, device=planes.device, dtype=planes.dtype)
    return F.grid_sample(planes, grid, mode="bilinear", align_corners=False)


def _centres(count: int, device: torch.device, dtype: torch.dtype) -> Tensor:
    return (2 * torch.arange(count, device=device, dtype=dtype) + 1) / count - 1
