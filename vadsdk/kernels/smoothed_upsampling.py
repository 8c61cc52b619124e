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
from collections.abc import Sequence
from functools import reduce
from typing import Any

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
        convolved = convolved_at_once if x.is_cuda else convolved_one_by_one
        pixels = convolved(x, kernels, padding)
    pixels = pixels.unflatten(1, taps.shape[1:4]).permute(0, 4, 1, 5, 2, 6, 3)
    answer: Tensor = pixels.flatten(5, 6).flatten(3, 4).flatten(1, 2).unsqueeze(1)
    return answer


def convolved_one_by_one(x: Tensor, kernels: Tensor, padding: Sequence[int]) -> Tensor:
    """Return (B, O, ...): each clip (I, ...) convolved with kernels of its own (O, I, a, a, a)."""
    rows = zip(x.split(1), kernels, strict=True)
    return torch.cat([F.conv3d(row, kernel, None, 1, padding) for row, kernel in rows])


def convolved_at_once(x: Tensor, kernels: Tensor, padding: Sequence[int]) -> Tensor:
    """Return the same without a convolution for each clip, which a card is too quick for.

    One product of matrices makes what every tap adds for every pixel; shifted, they add up.
    """
    taps = kernels.shape[3:]
    rows = kernels.permute(0, 3, 4, 5, 1, 2).flatten(1, 4)  # (B, a a a O, I)
    made = torch.bmm(rows, x.flatten(2)).unflatten(2, x.shape[2:]).unflatten(1, (*taps, -1))
    shifted: Tensor = _ShiftedSum.apply(made, tuple(padding))  # type: ignore[no-untyped-call]
    return shifted


class _ShiftedSum(torch.autograd.Function):
    """The sum over taps of (B, a, a, a, O, T, H, W), each moved by its place: (B, O, ...).

    Torch's own gradient would fill a tensor of the input's size for each tap.
    """

    @staticmethod
    def forward(ctx: Any, made: Tensor, padding: tuple[int, ...]) -> Tensor:
        """Return y with y[q] the sum of made[a][q + a - padding]."""
        taps, size = made.shape[1:4], made.shape[5:]
        ctx.taps, ctx.size, ctx.padding = taps, size, padding
        padded = F.pad(made, _on_both_sides(padding))
        lengths = [n + 2 * p - a + 1 for n, p, a in zip(size, padding, taps, strict=True)]
        parts = []
        for t, y, x in itertools.product(*map(range, taps)):
            parts.append(_window(padded[:, t, y, x], (t, y, x), lengths))
        wide = torch.promote_types(made.dtype, torch.float32)
        return reduce(torch.add, parts[1:], parts[0].to(wide)).to(made.dtype)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        """Return what each tap's pixel was added to: gradient[q - a + padding]."""
        taps, size = ctx.taps, ctx.size
        rooms = [a - 1 - p for a, p in zip(taps, ctx.padding, strict=True)]
        padded = F.pad(gradient, _on_both_sides(rooms))
        of_taps = []
        for tap in itertools.product(*map(range, taps)):
            starts = [n - 1 - a for n, a in zip(taps, tap, strict=True)]
            of_taps.append(_window(padded, starts, size))
        return torch.stack(of_taps, 1).unflatten(1, taps), None


def _window(maps: Tensor, starts: Sequence[int], lengths: Sequence[int]) -> Tensor:
    """Return a part of (B, O, T, H, W), of its last three axes."""
    for axis, (start, length) in enumerate(zip(starts, lengths, strict=True), start=2):
        maps = maps.narrow(axis, start, length)
    return maps


def _on_both_sides(rooms: Sequence[int]) -> list[int]:
    """Return `F.pad`'s argument for the last axes, of the first one's room first."""
    return [side for room in reversed(rooms) for side in (room, room)]


def _spread_inside(kernels: Tensor, size: list[int]) -> Tensor:
    """Return (B, *size): the sum of the taps of (B, 3, 3, 3) whose source pixel exists."""
    spread: Tensor = kernels
    for length in size:
        reach = torch.ones(length, 3, dtype=kernels.dtype, device=kernels.device)
        # o = p + s - 1 for p in 0 .. length - 1. (A number to be set would come from the host.)
        reach[0, 2].zero_()
        reach[-1, 0].zero_()
        spread = torch.tensordot(spread, reach, dims=([1], [1]))  # the next axis moves up
    return spread
