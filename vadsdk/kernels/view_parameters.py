"""How clips are seen: numbers drawn on the host and carried to any device in one copy.

Legend: B clips, H, W the stored clip's size, h, w the view's. Coordinates as in `warping.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor

from vadsdk.kernels.view_settings import ViewSettings, view_settings

NUM_PACKED = 14
"""Columns of packed parameters without blur: affine 6, time_reversed, brightness, contrast,
saturation, cutout 4; blur adds one. `view_plan_triton.py` reads them in this order."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class ViewParameters:
    """How each clip of a batch is seen; everything is on one device and B long."""

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
    blur_sigmas: Tensor | None = None
    """(B,) float64 in pixels of the view, 0 where a clip stays sharp. None: no clip is blurred,
    which is known without reading a device."""

    def __post_init__(self) -> None:
        count = len(self.affines)
        if self.affines.shape[1:] != (2, 3) or self.cutouts.shape != (count, 4):
            raise ValueError(
                f"affines must be (B, 2, 3) and cutouts (B, 4), not {tuple(self.affines.shape)} "
                f"and {tuple(self.cutouts.shape)}"
            )

    def rows(self, indices: Tensor) -> ViewParameters:
        """Return the parameters of the clips at `indices` (N,)."""
        chosen = indices.to(self.affines.device)
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return ViewParameters(**{n: v[chosen] for n, v in values.items() if v is not None})

    def mirrored(self) -> ViewParameters:
        """Return the parameters of the same views, left and right exchanged."""
        x0, y0, x1, y1 = self.cutouts.unbind(1)
        return replace(
            self,
            affines=torch.cat((-self.affines[:, :, :1], self.affines[:, :, 1:]), 2),
            cutouts=torch.stack((1 - x1, y0, 1 - x0, y1), 1),
        )

    def joined(self, other: ViewParameters) -> ViewParameters:
        """Return these parameters and then the other's, for clips that are joined so."""
        first, second = self, other
        if self.blur_sigmas is not None or other.blur_sigmas is not None:
            first, second = self._with_blur(), other._with_blur()
        return ViewParameters.unpacked(torch.cat((first.packed(), second.packed())))

    def matrices(self) -> Tensor:
        """Return the affines as (B, 3, 3)."""
        last = self.affines.new_zeros(len(self.affines), 1, 3)
        last[:, :, 2] = 1
        return torch.cat((self.affines, last), 1)

    def inverse_matrices(self) -> Tensor:
        """Return (B, 3, 3): store coordinates to view coordinates; waits for no device."""
        inverse: Tensor = torch.linalg.inv_ex(self.matrices()).inverse
        return inverse

    def packed(self) -> Tensor:
        """Return everything in one (B, `NUM_PACKED` or one more) float64 tensor."""
        columns = [
            self.affines.flatten(1),
            self.time_reversed.double()[:, None],
            torch.stack((self.brightness, self.contrast, self.saturation), 1),
            self.cutouts,
        ]
        if self.blur_sigmas is not None:
            columns.append(self.blur_sigmas[:, None])
        return torch.cat(columns, 1)

    @staticmethod
    def unpacked(packed: Tensor) -> ViewParameters:
        """Return the parameters that `packed` holds; all but `time_reversed` are views of it.

        A captured graph unpacks a buffer of its own that each step's parameters are copied into.

        Args:
            packed: (B, `NUM_PACKED` or one more) float64, as `packed` returns it.
        """
        return ViewParameters(
            affines=packed[:, :6].unflatten(1, (2, 3)),
            time_reversed=packed[:, 6] != 0,
            brightness=packed[:, 7],
            contrast=packed[:, 8],
            saturation=packed[:, 9],
            cutouts=packed[:, 10:14],
            blur_sigmas=packed[:, 14] if packed.shape[1] > NUM_PACKED else None,
        )

    def to(self, device: torch.device | str) -> ViewParameters:
        """Return the parameters on `device`: one copy, which only a host is kept waiting for."""
        device = torch.device(device)
        if self.affines.device == device:
            return self
        packed = self.packed()
        if device.type == "cuda" and packed.device.type == "cpu":
            packed = packed.pin_memory()
        return ViewParameters.unpacked(packed.to(device, non_blocking=device.type == "cuda"))

    def _with_blur(self) -> ViewParameters:
        if self.blur_sigmas is not None:
            return self
        return replace(self, blur_sigmas=torch.zeros_like(self.brightness))


def sample_view(
    batch_size: int,
    strength: str | ViewSettings,
    generator: torch.Generator | None = None,
    *,
    aspect_ratio: float = 1.0,
) -> ViewParameters:
    """Draw one view for each clip of a batch, on the CPU.

    Args:
        batch_size: B.
        strength: a name of `STRENGTHS` or settings of one's own.
        generator: on the CPU; every strength takes the same number of draws from it, and one that
            blurs two more for each clip, after all others.
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
        blur_sigmas=_blur_sigmas(settings, batch_size, generator),
    )


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


def _blur_sigmas(
    settings: ViewSettings, batch_size: int, generator: torch.Generator | None
) -> Tensor | None:
    """Return (B,), or None and no draw where the settings never blur."""
    if not settings.blur_probability:
        return None
    draws = torch.rand((batch_size, 2), generator=generator, dtype=torch.float64)
    sigmas = _between(draws[:, 1], *settings.blur_sigma)
    return torch.where(draws[:, 0] < settings.blur_probability, sigmas, 0.0)
