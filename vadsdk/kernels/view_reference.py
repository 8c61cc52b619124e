"""The views of `augmentation.py` by torch operations: what runs on a CPU, and the kernels' measure.

Legend: B clips, T frames, H, W the stored clip's size, h, w the view's. Coordinates as in
    `warping.py`.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from vadsdk.kernels.temporal_gradient import temporal_gradient
from vadsdk.kernels.view_parameters import ViewParameters
from vadsdk.kernels.view_sources import PixelFormat
from vadsdk.kernels.warping import warp

LUMA = (0.299, 0.587, 0.114)
"""Weights of R, G, B in brightness (ITU-R BT.601)."""
CUTOUT_GREY = 0.5
"""What a cut-out box is filled with, in [0, 1]."""
BLUR_RADIUS = 2
"""A blur's Gaussian is cut off so many pixels away, and its weights then sum to 1."""


def view_of(
    clips: Tensor, parameters: ViewParameters, size: tuple[int, int], pixels: PixelFormat
) -> Tensor:
    """Return the view (B, 3, T, h, w) of clips (B, T, H, W, 3) uint8 on a CPU."""
    view = _seen(clips, parameters.to("cpu"), size, pixels.mean, pixels.std)
    return view.to(pixels.dtype, memory_format=pixels.memory_format)


def view_and_gradients_of(
    clips: Tensor,
    successors: Tensor,
    parameters: ViewParameters,
    size: tuple[int, int],
    pixels: PixelFormat,
) -> tuple[Tensor, Tensor]:
    """Return the view of clips on a CPU, and that of their temporal gradients."""
    parameters = parameters.to("cpu")
    both = torch.cat((clips, successors), 1)
    both = _seen(both, parameters, size, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
    first, second = both.split((clips.shape[1], successors.shape[1]), dim=2)  # each (B, 3, T, h, w)
    backwards = parameters.time_reversed.to(clips.device).view(-1, 1, 1, 1, 1)
    mean, std = (
        torch.tensor(tuple(values), device=clips.device).view(3, 1, 1, 1)
        for values in (pixels.mean, pixels.std)
    )
    colours, gradients = (
        ((plain - mean) / std).to(pixels.dtype, memory_format=pixels.memory_format)
        for plain in (torch.where(backwards, second, first), temporal_gradient(first, second))
    )
    return colours, gradients


def _seen(
    clips: Tensor,
    parameters: ViewParameters,
    size: tuple[int, int],
    mean: Sequence[float],
    std: Sequence[float],
) -> Tensor:
    """Return (B, 3, T, h, w) float32; parameters on the CPU."""
    batch, frames, height, width, _ = clips.shape
    planes = clips.permute(0, 4, 1, 2, 3).contiguous().float()  # (B, 3, T, H, W), each value once
    planes = reverse_time(planes, parameters.time_reversed, dim=2)
    planes = planes.view(batch, 3 * frames, height, width)
    view = warp(planes, parameters.matrices(), size)  # (B, 3 T, h, w)
    if parameters.blur_sigmas is not None:
        view = _blurred(view, planes, parameters)
    matrix, offset = _colour_transform(clips, parameters, mean, std)
    with torch.autocast(view.device.type, enabled=False):  # 8 bits of a pixel would become 7
        view = torch.baddbmm(offset, matrix, view.view(batch, 3, frames * size[0] * size[1]))
    view = view.view(batch, 3, frames, *size)
    grey = [(CUTOUT_GREY - m) / s for m, s in zip(mean, std, strict=True)]
    _cut_out(view, parameters.cutouts, grey)
    return view


def _blurred(view: Tensor, planes: Tensor, parameters: ViewParameters) -> Tensor:
    """Return the view (B, C, h, w) with the clips that blur smoothed.

    Args:
        view: the sharp view of `planes`.
        planes: (B, C, H, W) of the store.
        parameters: B views.
    """
    assert parameters.blur_sigmas is not None
    rows = parameters.blur_sigmas.nonzero()[:, 0]
    if not len(rows):
        return view
    height, width = view.shape[2:]
    wide = (height + 2 * BLUR_RADIUS, width + 2 * BLUR_RADIUS)
    scale = torch.tensor([wide[1] / width, wide[0] / height, 1.0], dtype=torch.float64)
    seen = warp(planes[rows], parameters.matrices()[rows] * scale, wide)
    distances = torch.arange(-BLUR_RADIUS, BLUR_RADIUS + 1, dtype=torch.float64)
    sigmas = parameters.blur_sigmas[rows, None]
    weights = torch.softmax(-0.5 * (distances / sigmas) ** 2, 1)  # (rows, 2 radius + 1)
    for dim, side in ((2, height), (3, width)):
        taps = (seen.narrow(dim, at, side) for at in range(len(distances)))
        factors = weights.to(seen.device, seen.dtype).unbind(1)
        parts = (f.view(-1, 1, 1, 1) * tap for f, tap in zip(factors, taps, strict=True))
        seen = torch.stack(list(parts)).sum(0)
    blurred = view.clone()
    blurred[rows] = seen
    return blurred


def _colour_transform(
    clips: Tensor, parameters: ViewParameters, mean: Sequence[float], std: Sequence[float]
) -> tuple[Tensor, Tensor]:
    """Fold saturation, contrast, brightness and normalisation into (B, 3, 3) and (B, 3, 1).

    The mean brightness of a clip is taken over every fourth row and column.
    """
    luma = torch.tensor(LUMA, dtype=torch.float64)
    colour_means = clips[:, :, ::4, ::4].float().mean((1, 2, 3)).cpu().double()  # (B, 3)
    mean_luma = (colour_means @ luma)[:, None, None] / 255
    saturation = parameters.saturation[:, None, None]
    contrast = parameters.contrast[:, None, None]
    brightness = parameters.brightness[:, None, None]
    scale = 1 / torch.tensor(std, dtype=torch.float64)[:, None]
    shift = torch.tensor(mean, dtype=torch.float64)[:, None]
    mixing = saturation * torch.eye(3, dtype=torch.float64) + (1 - saturation) * luma
    matrix = brightness * contrast * mixing * scale / 255
    offset = (brightness * (1 - contrast) * mean_luma - shift) * scale
    return matrix.to(clips.device, torch.float32), offset.to(clips.device, torch.float32)


def _cut_out(view: Tensor, cutouts: Tensor, fill: Sequence[float]) -> None:
    height, width = view.shape[-2:]
    pixels = (cutouts * torch.tensor([width, height, width, height])).round().int().tolist()
    colour = torch.tensor(fill, dtype=view.dtype, device=view.device)[:, None, None, None]
    for row, (x0, y0, x1, y1) in enumerate(pixels):
        if x1 > x0 and y1 > y0:
            view[row, :, :, y0:y1, x0:x1] = colour


def reverse_time(values: Tensor, reversed_rows: Tensor, *, dim: int) -> Tensor:
    """Return `values` with the chosen rows' frames reversed along `dim`."""
    if not bool(reversed_rows.any()):
        return values
    chosen = reversed_rows.to(values.device).view(-1, *[1] * (values.ndim - 1))
    return torch.where(chosen, values.flip(dim), values)
