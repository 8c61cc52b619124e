"""Views of a clip: drawn, applied to clips and masks, undone on the maps that a network answers.

    store frame (H, W) --apply_view--> view (h, w) --network--> maps --undo_view--> store frame
                 maps of view b --transfer_maps, with one interpolation--> the frame of view a

Legend: B clips, T frames, H, W the stored clip's size, h, w the view's. Coordinates as in
    `warping.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor

from vadsdk.kernels.view_settings import ViewSettings, view_settings
from vadsdk.kernels.warping import MIRROR, seen_inside, warp

LUMA = (0.299, 0.587, 0.114)
"""Weights of R, G, B in brightness (ITU-R BT.601)."""
CUTOUT_GREY = 0.5
"""What a cut-out box is filled with, in [0, 1]."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class ViewParameters:
    """How each clip of a batch is seen; everything is on the CPU and B long."""

    affines: Tensor
    """(B, 2, 3) float64: view coordinates to store coordinates (flip, zoom, rotation, shift)."""
    time_reversed: Tensor
    """(B,) bool: frames in reverse order."""
    brightness: Tensor
    """(B,) float64 gain."""
    contrast: Tensor
    """(B,) float64 gain about the clip's mean brightness."""
    saturation: Tensor
    """(B,) float64: 0 is grey, 1 as it was."""
    cutouts: Tensor
    """(B, 4) float64 x0, y0, x1, y1 of the view in [0, 1]; an empty box cuts nothing."""

    def __post_init__(self) -> None:
        count = len(self.affines)
        if self.affines.shape[1:] != (2, 3) or self.cutouts.shape != (count, 4):
            raise ValueError(
                f"affines must be (B, 2, 3) and cutouts (B, 4), not {tuple(self.affines.shape)} "
                f"and {tuple(self.cutouts.shape)}"
            )

    def rows(self, indices: Tensor) -> ViewParameters:
        """Return the parameters of the clips at `indices` (N,)."""
        chosen = indices.cpu()
        return ViewParameters(**{f.name: getattr(self, f.name)[chosen] for f in fields(self)})

    def mirrored(self) -> ViewParameters:
        """Return the parameters of the same views, left and right exchanged."""
        x0, y0, x1, y1 = self.cutouts.unbind(1)
        return replace(
            self,
            affines=(self.matrices() @ MIRROR)[:, :2],
            cutouts=torch.stack((1 - x1, y0, 1 - x0, y1), 1),
        )

    def joined(self, other: ViewParameters) -> ViewParameters:
        """Return these parameters and then the other's, for clips that are joined so."""
        pairs = {f.name: (getattr(self, f.name), getattr(other, f.name)) for f in fields(self)}
        return ViewParameters(**{name: torch.cat(pair) for name, pair in pairs.items()})

    def matrices(self) -> Tensor:
        """Return the affines as (B, 3, 3)."""
        last = torch.tensor([0.0, 0.0, 1.0], dtype=torch.float64).expand(len(self.affines), 1, 3)
        return torch.cat((self.affines, last), 1)


def sample_view(
    batch_size: int,
    strength: str | ViewSettings,
    generator: torch.Generator | None = None,
    *,
    aspect_ratio: float = 1.0,
) -> ViewParameters:
    """Draw one view for each clip of a batch.

    Args:
        batch_size: B.
        strength: a name of `STRENGTHS` or settings of one's own.
        generator: on the CPU; every strength takes the same number of draws from it.
        aspect_ratio: width / height of the store frame, so that a rotation stays one.
    """
    settings = view_settings(strength)
    draws = torch.rand((batch_size, 14), generator=generator, dtype=torch.float64)
    coins, amounts, box = draws[:, :4], draws[:, 4:11], draws[:, 11:]
    grey = coins[:, 1] < settings.grayscale_probability
    saturation = _between(amounts[:, 6], 1 - settings.saturation, 1 + settings.saturation)
    return ViewParameters(
        affines=_affines(
            settings, coins[:, 0] < settings.flip_probability, amounts[:, :4], aspect_ratio
        ),
        time_reversed=coins[:, 2] < settings.time_reversal_probability,
        brightness=_between(amounts[:, 4], 1 - settings.brightness, 1 + settings.brightness),
        contrast=_between(amounts[:, 5], 1 - settings.contrast, 1 + settings.contrast),
        saturation=torch.where(grey, 0.0, saturation),
        cutouts=_cutouts(settings, coins[:, 3] < settings.cutout_probability, box),
    )


def apply_view(
    clips: Tensor,
    parameters: ViewParameters,
    size: tuple[int, int],
    *,
    mean: Sequence[float] = (0.0, 0.0, 0.0),
    std: Sequence[float] = (1.0, 1.0, 1.0),
) -> Tensor:
    """Return the view (B, 3, T, h, w), float32: what lies outside the stored frame is black.

    Args:
        clips: (B, T, H, W, 3) uint8 RGB.
        parameters: B views.
        size: (h, w).
        mean: subtracted from RGB in [0, 1].
        std: divides what remains.
    """
    batch, frames, height, width, _ = clips.shape
    planes = clips.permute(0, 4, 1, 2, 3).contiguous().float()  # (B, 3, T, H, W), each value once
    planes = _reverse_time(planes, parameters.time_reversed, dim=2)
    planes = warp(
        planes.view(batch, 3 * frames, height, width), parameters.matrices(), size
    )  # (B, 3 T, h, w)
    matrix, offset = _colour_transform(clips, parameters, mean, std)
    with torch.autocast(planes.device.type, enabled=False):  # 8 bits of a pixel would become 7
        view = torch.baddbmm(offset, matrix, planes.view(batch, 3, -1))
    view = view.view(batch, 3, frames, *size)
    grey = [(CUTOUT_GREY - m) / s for m, s in zip(mean, std, strict=True)]
    _cut_out(view, parameters.cutouts, grey)
    return view


def apply_view_to_masks(masks: Tensor, parameters: ViewParameters, size: tuple[int, int]) -> Tensor:
    """Return the actors' masks as the view shows them, (B, T, h, w) float32, 0 or 1.

    An actor behind a cut-out stays one.

    Args:
        masks: (B, T, H, W), 0 or 1.
        parameters: B views.
        size: (h, w).
    """
    planes = _reverse_time(masks.float(), parameters.time_reversed, dim=1)
    return (warp(planes, parameters.matrices(), size) >= 0.5).float()


def apply_view_to_frames(values: Tensor, parameters: ViewParameters) -> Tensor:
    """Return (B, T) values, one a frame, in the order in which the view shows the frames."""
    return _reverse_time(values, parameters.time_reversed, dim=1)


def undo_view(
    maps: Tensor, parameters: ViewParameters, size: tuple[int, int]
) -> tuple[Tensor, Tensor]:
    """Take maps of a view back into the store's frame.

    Args:
        maps: (B, T, h, w), at the view's coordinates; gradients flow into them.
        parameters: B views.
        size: (H, W) of the store's frame.

    Returns:
        Maps (B, T, H, W) and validity (B, 1, H, W), 1 where the view saw the pixel, else 0.
    """
    to_view = torch.linalg.inv(parameters.matrices())
    moved = warp(maps, to_view, size)
    valid = seen_inside(to_view, size, (maps.shape[-2], maps.shape[-1]), maps.device)
    return _reverse_time(moved, parameters.time_reversed, dim=1), valid.to(moved.dtype)


def transfer_maps(
    maps: Tensor, source: ViewParameters, target: ViewParameters
) -> tuple[Tensor, Tensor]:
    """Take maps of one view into another view's frame by one interpolation.

    Args:
        maps: (B, T, h, w) of the `source` views; gradients flow into them.
        source: the views that the maps belong to.
        target: the views whose frame they are wanted in.

    Returns:
        Maps (B, T, h, w) and validity (B, 1, h, w): 1 where both views saw the pixel of the store,
        else 0.
    """
    size = (maps.shape[-2], maps.shape[-1])
    target_to_store = target.matrices()
    target_to_source = torch.linalg.inv(source.matrices()) @ target_to_store
    moved = warp(maps, target_to_source, size)
    valid = seen_inside(target_to_source, size, size, maps.device)
    valid &= seen_inside(target_to_store, size, size, maps.device)
    moved = _reverse_time(moved, source.time_reversed ^ target.time_reversed, dim=1)
    return moved, valid.to(moved.dtype)


def _between(uniform: Tensor, low: float, high: float) -> Tensor:
    return low + (high - low) * uniform


def _affines(
    settings: ViewSettings, flipped: Tensor, amounts: Tensor, aspect_ratio: float
) -> Tensor:
    """Return (B, 2, 3) for flips (B,) and amounts (B, 4): zoom, rotation, x and y of the window."""
    zoom = _between(amounts[:, 0], *settings.zoom)
    limit = torch.deg2rad(torch.tensor(settings.rotation_degrees, dtype=torch.float64)).item()
    angle = _between(amounts[:, 1], -limit, limit)
    cosine, sine = zoom * angle.cos(), zoom * angle.sin()
    sign = torch.where(flipped, -1.0, 1.0)
    reach = (1 - zoom).clamp_min(0) + settings.shift  # a crop may lie anywhere in the frame
    centre = (2 * amounts[:, 2:4] - 1) * reach[:, None]
    x_row = torch.stack((sign * cosine, -sine / aspect_ratio, centre[:, 0]), 1)
    y_row = torch.stack((sign * sine * aspect_ratio, cosine, centre[:, 1]), 1)
    return torch.stack((x_row, y_row), 1)


def _cutouts(settings: ViewSettings, chosen: Tensor, box: Tensor) -> Tensor:
    """Return (B, 4) boxes inside the view for draws (B, 3): side, x, y."""
    side = box[:, :1] * settings.cutout_side * chosen[:, None]
    corner = box[:, 1:] * (1 - side)
    return torch.cat((corner, corner + side), 1)


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


def _reverse_time(values: Tensor, reversed_rows: Tensor, *, dim: int) -> Tensor:
    """Return `values` with the chosen rows' frames reversed along `dim`."""
    if not bool(reversed_rows.any()):
        return values
    chosen = reversed_rows.to(values.device).view(-1, *[1] * (values.ndim - 1))
    return torch.where(chosen, values.flip(dim), values)
