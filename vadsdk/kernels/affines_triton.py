"""Affines of one clip on the card, and what they ask of each pixel.

An affine is six float64 numbers xx, xy, x0, yx, yy, y0; coordinates as in `warping.py`.
"""

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def read_affine(packed: tl.tensor) -> tl.tensor:
    """Return the six numbers of a clip's affine, x first."""
    return (
        tl.load(packed),
        tl.load(packed + 1),
        tl.load(packed + 2),
        tl.load(packed + 3),
        tl.load(packed + 4),
        tl.load(packed + 5),
    )


@triton.jit
def inverse(affine: tl.tensor) -> tl.tensor:
    """Return the affine that undoes this one."""
    xx, xy, x0, yx, yy, y0 = affine
    scale = 1.0 / (xx * yy - xy * yx)
    return (
        yy * scale,
        -xy * scale,
        (xy * y0 - yy * x0) * scale,
        -yx * scale,
        xx * scale,
        (yx * x0 - xx * y0) * scale,
    )


@triton.jit
def product(second: tl.tensor, first: tl.tensor) -> tl.tensor:
    """Return the affine that does `first` and then `second`."""
    xx, xy, x0, yx, yy, y0 = second
    ixx, ixy, ix0, iyx, iyy, iy0 = first
    return (
        xx * ixx + xy * iyx,
        xx * ixy + xy * iyy,
        xx * ix0 + xy * iy0 + x0,
        yx * ixx + yy * iyx,
        yx * ixy + yy * iyy,
        yx * ix0 + yy * iy0 + y0,
    )


@triton.jit
def in_pixels(
    affine: tl.tensor,
    source_height: tl.tensor,
    source_width: tl.tensor,
    height: tl.tensor,
    width: tl.tensor,
) -> tl.tensor:
    """Return x_i, x_j, x_0, y_i, y_j, y_0 in pixels of source and target."""
    xx, xy, x0, yx, yy, y0 = affine
    left = 1.0 / width - 1.0  # the centre of the first column
    top = 1.0 / height - 1.0
    return (
        xx * source_width / width,
        xy * source_width / height,
        (source_width * (xx * left + xy * top + x0 + 1.0) - 1.0) * 0.5,
        yx * source_height / width,
        yy * source_height / height,
        (source_height * (yx * left + yy * top + y0 + 1.0) - 1.0) * 0.5,
    )


@triton.jit
def store_coefficients(
    plan: tl.tensor,
    affine: tl.tensor,
    source_height: tl.tensor,
    source_width: tl.tensor,
    height: tl.tensor,
    width: tl.tensor,
) -> None:
    """Write six coefficients, whole numbers for a copy or a mirror image (`warping._plan`)."""
    xx, xy, x0, yx, yy, y0 = affine
    off_axis = tl.maximum(tl.maximum(tl.abs(xy), tl.abs(x0)), tl.maximum(tl.abs(yx), tl.abs(y0)))
    difference = tl.maximum(tl.abs(tl.abs(xx) - 1.0), tl.abs(yy - 1.0))
    exact = tl.maximum(off_axis, difference) < 1e-9  # warping.SAME_TOLERANCE
    exact = exact & (source_height == height) & (source_width == width)
    x_i, x_j, x_0, y_i, y_j, y_0 = in_pixels(affine, source_height, source_width, height, width)
    mirrored = xx < 0
    tl.store(plan, tl.where(exact, tl.where(mirrored, -1.0, 1.0), x_i).to(tl.float32))
    tl.store(plan + 1, tl.where(exact, 0.0, x_j).to(tl.float32))
    tl.store(plan + 2, tl.where(exact, tl.where(mirrored, width - 1.0, 0.0), x_0).to(tl.float32))
    tl.store(plan + 3, tl.where(exact, 0.0, y_i).to(tl.float32))
    tl.store(plan + 4, tl.where(exact, 1.0, y_j).to(tl.float32))
    tl.store(plan + 5, tl.where(exact, 0.0, y_0).to(tl.float32))
