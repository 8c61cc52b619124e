"""The pixels of a view on the card: gathered, smoothed, coloured and written, P at a time.

Legend: columns of a plan as in `view_plan_triton.py`.
"""

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def find_taps(
    plan: tl.tensor,
    row: tl.tensor,
    column: tl.tensor,
    source_height: tl.tensor,
    source_width: tl.tensor,
    row_stride: tl.tensor,
    column_stride: tl.tensor,
) -> tl.tensor:
    """Return offset and weight of the four source pixels around each target pixel, [P].

    Outside the source the offset is that of a pixel inside, and the weight 0.
    """
    i = column.to(tl.float32)
    j = row.to(tl.float32)
    x = tl.load(plan) * i + tl.load(plan + 1) * j + tl.load(plan + 2)
    y = tl.load(plan + 3) * i + tl.load(plan + 4) * j + tl.load(plan + 5)
    left, has_left, right_share, right, has_right = _neighbours(x, source_width)
    top, has_top, bottom_share, bottom, has_bottom = _neighbours(y, source_height)
    left_weight = tl.where(has_left, 1 - right_share, 0.0)
    right_weight = tl.where(has_right, right_share, 0.0)
    top_weight = tl.where(has_top, 1 - bottom_share, 0.0)
    bottom_weight = tl.where(has_bottom, bottom_share, 0.0)
    left = left * column_stride
    right = right * column_stride
    top = top * row_stride
    bottom = bottom * row_stride
    return (
        (top + left, top_weight * left_weight),
        (top + right, top_weight * right_weight),
        (bottom + left, bottom_weight * left_weight),
        (bottom + right, bottom_weight * right_weight),
    )


@triton.jit
def _neighbours(position: tl.tensor, side: tl.tensor) -> tl.tensor:
    """Return the centre before, if it is inside, the next one's share, that centre, if it is."""
    position = tl.minimum(tl.maximum(position, -2.0), side + 1.0)  # farther out is as black
    low = tl.floor(position)
    share = position - low
    before = low.to(tl.int32)
    after = before + 1
    has_before = (before >= 0) & (before < side)
    has_after = (after >= 0) & (after < side)
    before = tl.minimum(tl.maximum(before, 0), side - 1)
    after = tl.minimum(tl.maximum(after, 0), side - 1)
    return before, has_before, share, after, has_after


@triton.jit
def gather(
    frames_ptr: tl.tensor,
    index: tl.tensor,
    num_stored: tl.tensor,
    frame_stride: tl.tensor,
    channel_stride: tl.tensor,
    taps: tl.tensor,
) -> tl.tensor:
    """Return red, green and blue [P] in 0..255, NaN in frames that are not stored.

    Nothing is masked: every offset lies inside, a frame that is not stored reads the first.
    """
    is_stored = (index >= 0) & (index < num_stored)
    first = frames_ptr + tl.where(is_stored, index, 0) * frame_stride
    red = tl.where(is_stored, 0.0, float("nan"))
    green = red
    blue = red
    for tap in tl.static_range(4):
        offset, weight = taps[tap]
        pointers = first + offset
        red += weight * tl.load(pointers).to(tl.float32)
        green += weight * tl.load(pointers + channel_stride).to(tl.float32)
        blue += weight * tl.load(pointers + 2 * channel_stride).to(tl.float32)
    return red, green, blue


@triton.jit
def smooth(
    plan: tl.tensor, corner: tl.tensor, channel: tl.tensor, wide_width: tl.tensor, seen: tl.tensor
) -> tl.tensor:
    """Return red, green and blue [P]: 5 x 5 pixels of scratch, weighted."""
    red = tl.zeros(seen.shape, dtype=tl.float32)
    green = tl.zeros(seen.shape, dtype=tl.float32)
    blue = tl.zeros(seen.shape, dtype=tl.float32)
    for down in range(5):
        row_weight = tl.load(plan + 27 + tl.abs(down - 2))
        for right in range(5):
            weight = row_weight * tl.load(plan + 27 + tl.abs(right - 2))
            pointers = corner + (down * wide_width + right)
            red += weight * tl.load(pointers, mask=seen, other=0.0)
            green += weight * tl.load(pointers + channel, mask=seen, other=0.0)
            blue += weight * tl.load(pointers + 2 * channel, mask=seen, other=0.0)
    return red, green, blue


@triton.jit
def read_colours(plan: tl.tensor) -> tl.tensor:
    """Return matrix row, offset and grey of R, G and B: read once, as stores end what is known."""
    return (
        (tl.load(plan + 8), tl.load(plan + 9), tl.load(plan + 10), tl.load(plan + 17)),
        (tl.load(plan + 11), tl.load(plan + 12), tl.load(plan + 13), tl.load(plan + 18)),
        (tl.load(plan + 14), tl.load(plan + 15), tl.load(plan + 16), tl.load(plan + 19)),
        (tl.load(plan + 20), tl.load(plan + 21), tl.load(plan + 22)),
    )


@triton.jit
def write_view(
    colours: tl.tensor,
    rgb: tl.tensor,
    place: tl.tensor,
    channel_stride: tl.tensor,
    is_cut: tl.tensor,
    seen: tl.tensor,
) -> None:
    """Write red, green and blue [P], coloured and normalised, or grey where they are cut out."""
    for channel in tl.static_range(3):
        red, green, blue, offset = colours[channel]
        value = offset + red * rgb[0] + green * rgb[1] + blue * rgb[2]
        value = tl.where(is_cut, colours[3][channel], value)
        _write(place + channel * channel_stride, value, seen)


@triton.jit
def write_gradient(
    colours: tl.tensor,
    half: tl.tensor,
    rgb: tl.tensor,
    after: tl.tensor,
    place: tl.tensor,
    channel_stride: tl.tensor,
    is_cut: tl.tensor,
    seen: tl.tensor,
) -> None:
    """Write current minus next, halved, about grey; offsets cancel, what is still is grey."""
    change = (half * (rgb[0] - after[0]), half * (rgb[1] - after[1]), half * (rgb[2] - after[2]))
    for channel in tl.static_range(3):
        red, green, blue, _ = colours[channel]
        grey = colours[3][channel]
        value = grey + red * change[0] + green * change[1] + blue * change[2]
        _write(place + channel * channel_stride, tl.where(is_cut, grey, value), seen)


@triton.jit
def find_cut(plan: tl.tensor, row: tl.tensor, column: tl.tensor) -> tl.tensor:
    """Return whether a cut-out hides each pixel, [P]."""
    beside = (column >= tl.load(plan + 23)) & (column < tl.load(plan + 25))
    return beside & (row >= tl.load(plan + 24)) & (row < tl.load(plan + 26))


@triton.jit
def _write(pointers: tl.tensor, values: tl.tensor, mask: tl.tensor) -> None:
    tl.store(pointers, values.to(pointers.dtype.element_ty), mask=mask)
