"""A doubling transposed convolution and a smoothing one behind it, as one convolution.

Nothing bends between the two (paper 1's decoder has no ReLU there; dropout only scales channels),
so their kernels multiply out once and the widest maps of the network are never made: instead of
128 channels at full resolution come 8 at half of it, one for each fine pixel of a coarse one.

    along an axis:  fine p = 2 i + k - 1,  out o = p + s - 1 = 2 i + (k + s) - 2

A fine p = -1 is no pixel, but the product of the kernels counts it at o = 0 (k = 0, s = 2, i = 0).
That much is taken off again, for faces, edges and the corner by inclusion and exclusion.

Legend: B clips, I channels in, M channels between, T, H, W of the input; out is 2T, 2H, 2W.
"""

from __future__ import annotations

import itertools

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def upsample_and_smooth(
    x: Tensor, upsample: nn.ConvTranspose3d, smooth: nn.ConvTranspose3d, scales: Tensor
) -> Tensor:
    """Return `smooth(scales * upsample(x))`, (B, 1, 2T, 2H, 2W).

    Args:
        x: (B, I, T, H, W).
        upsample: I to M channels, kernel 3, stride 2, padding 1, output padding 1.
        smooth: M to 1 channel, kernel 3, stride 1, padding 1.
        scales: (B, M) of the channels between, as dropout draws them; (1, M) for all clips alike.
    """
    fine, last = upsample.weight, smooth.weight  # (I, M, 3, 3, 3), (M, 1, 3, 3, 3)
    assert upsample.bias is not None
    assert smooth.bias is not None
    size = [2 * length for length in x.shape[2:]]
    with torch.autocast(x.device.type, enabled=False):
        weighted = scales.mT[:, :, None, None, None] * last  # (M, B, 3, 3, 3)
        through_bias = torch.einsum("m,mbtyx->btyx", upsample.bias, weighted)
        total = _spread_inside(through_bias, size).unsqueeze(1) + smooth.bias
    for axes in itertools.chain.from_iterable(
        itertools.combinations((2, 3, 4), n) for n in range(4)
    ):
        edge, kernels, before = x, fine, weighted
        for axis in axes:
            edge, kernels = edge.narrow(axis, 0, 1), kernels.narrow(axis, 0, 1)
            before = before.narrow(axis, 2, 1)
        with torch.autocast(x.device.type, enabled=False):
            product = F.conv_transpose3d(kernels, before)  # (I, B, 5 or 1 an axis)
        part = _upsampled(edge, product, axes)
        missing = [whole - made for whole, made in zip(size, part.shape[2:], strict=True)]
        part = F.pad(part, [side for rest in reversed(missing) for side in (0, rest)])
        total = total + (-1) ** len(axes) * part
    return total


def _upsampled(x: Tensor, product: Tensor, single: tuple[int, ...]) -> Tensor:
    """Return (B, 1, ...): the transposed convolution by kernels (I, B or 1, ...) with offset 2.

    An axis of `single` has one pixel in and one out; the others double.
    """
    padding = [0 if axis in single else 1 for axis in (2, 3, 4)]
    taps = F.pad(product, [side for room in reversed(padding) for side in (0, room)])
    for axis, doubles in zip((4, 3, 2), reversed(padding), strict=True):
        # Tap k + s = 2 (1 - a) + r gives phase r of o = 2 q + r from i = q + a.
        taps = taps.unflatten(axis, (3, 2) if doubles else (1, 1))
    taps = taps.flip(2, 4, 6).permute(1, 3, 5, 7, 0, 2, 4, 6)  # (B, r, r, r, I, a, a, a)
    kernels = taps.flatten(1, 3)
    if len(kernels) == 1:
        pixels = F.conv3d(x, kernels[0], None, 1, padding)
    else:
        rows = zip(x.split(1), kernels, strict=True)
        pixels = torch.cat([F.conv3d(row, kernel, None, 1, padding) for row, kernel in rows])
    pixels = pixels.unflatten(1, taps.shape[1:4]).permute(0, 4, 1, 5, 2, 6, 3)
    answer: Tensor = pixels.flatten(5, 6).flatten(3, 4).flatten(1, 2).unsqueeze(1)
    return answer


def _spread_inside(kernels: Tensor, size: list[int]) -> Tensor:
    """Return (B, *size): the sum of the taps of (B, 3, 3, 3) whose source pixel exists."""
    spread: Tensor = kernels
    for length in size:
        reach = torch.ones(length, 3, dtype=kernels.dtype, device=kernels.device)
        reach[0, 2] = reach[-1, 0] = 0  # o = p + s - 1 for p in 0 .. length - 1
        spread = torch.tensordot(spread, reach, dims=([1], [1]))  # the next axis moves up
    return spread
