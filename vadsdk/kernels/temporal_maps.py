"""Attention maps over time of paper 1: temporal coherence (eq. 4) and gradient smoothness (eq. 6).

    cyclic clip of T = 4:   A0 A1 A2 A3 B2 B1 | A0 A1 ..    A the view, B the other one in A's frame
    window of 3 around A0:  xx          x                   B1, A0, A1

Legend: B clips, T frames, H, W. Maps are probabilities or logits (B, T, H, W); answers carry no
gradient. All sums over time are one matrix product a map: there is no loop over frames.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Literal

import torch
from torch import Tensor

MIN_MAX_EPSILON = 1e-7
"""Added to the range of a map before dividing by it (as released)."""
SNAP_LOW, SNAP_HIGH = 0.2, 0.8
"""Probabilities below the first and above the second are taken for certain (as released)."""


def variance_map(maps: Tensor, augmented: Tensor | None = None, *, window: int = 5) -> Tensor:
    """Return each pixel's population variance over `window` frames around it (eq. 4), (B, T, H, W).

    With the augmented view the clip is closed into a cycle of 2 T - 2 frames ("cyclic variance").
    Without it a window ends where the clip ends, which the paper leaves open.

    Args:
        maps: (B, T, H, W).
        augmented: (B, T, H, W), the other view's answer in the frame of `maps`.
        window: frames, odd.
    """
    frames = check_window(maps, window)
    if augmented is None:
        return _variance(maps, _placed("open", frames, window, maps.device))
    windows = _placed("cyclic", frames, window, maps.device)[:frames]
    return _variance(cyclic_clip(maps, augmented), windows)


def released_variance_map(maps: Tensor, augmented: Tensor, *, window: int = 5) -> Tensor:
    """Return the released form of the cyclic variance, (B, T, H, W) in [0, 1] for each clip.

    The variances of a frame and of its twin in the cycle are added, then the clip's values are
    stretched to [0, 1]. Running the cycle backwards, as the release does too, gives the same map.

    Args:
        maps: (B, T, H, W).
        augmented: (B, T, H, W), the other view's answer in the frame of `maps`.
        window: frames, odd.
    """
    frames = check_window(maps, window)
    windows = _placed("cyclic", frames, window, maps.device)
    variance = _variance(cyclic_clip(maps, augmented), windows)
    twins = -torch.arange(frames, device=maps.device) % (2 * frames - 2)
    return min_max(variance[:, :frames] + variance[:, twins])


def gradient_map(maps: Tensor, *, signed: bool = False) -> Tensor:
    """Return the second difference of each pixel along time (eq. 6), (B, T, H, W).

    Differences are central inside and one-sided at the ends, which the paper leaves open.

    Args:
        maps: (B, T, H, W).
        signed: as the equation reads. By default its size |M| is returned: as a weight of squares a
            signed map would reward disagreement where it is negative.
    """
    table = _placed("curvature", check_window(maps, 1), 1, maps.device)
    curvature = _over_time(table, _as_constant(maps))
    return curvature if signed else curvature.abs_()


def released_gradient_map(probabilities: Tensor) -> Tensor:
    """Return the released form: the signed second difference, stretched to [0, 1] for each clip.

    A pixel that never changes gets neither 0 nor 1, but wherever 0 falls in that range.

    Args:
        probabilities: (B, T, H, W).
    """
    return min_max(gradient_map(probabilities, signed=True))


def snap_confident(probabilities: Tensor, low: float = SNAP_LOW, high: float = SNAP_HIGH) -> Tensor:
    """Return probabilities, 0 where below `low` and 1 where above `high` (a released option)."""
    zeroed = probabilities.detach().masked_fill(probabilities < low, 0.0)
    return zeroed.masked_fill(zeroed > high, 1.0)


def min_max(attention: Tensor) -> Tensor:
    """Return each clip's map stretched to [0, 1] over all its pixels; a constant one becomes 0."""
    lowest, highest = _extremes(attention)
    return (attention - lowest) / (highest - lowest + MIN_MAX_EPSILON)


def cyclic_clip(maps: Tensor, augmented: Tensor) -> Tensor:
    """Return (B, 2 T - 2, H, W): `maps`, then `augmented` backwards without its end frames."""
    return torch.cat((maps, augmented[:, 1:-1].flip(1)), 1)


def check_window(maps: Tensor, window: int) -> int:
    """Return T of `maps` (B, T, H, W); raise ValueError where the window does not fit it."""
    frames = maps.shape[1]
    if frames < 2 or window < 1 or window % 2 == 0 or window > 2 * frames - 2:
        raise ValueError(
            f"need 2 frames or more and an odd window of at most 2 T - 2 frames; "
            f"got maps {tuple(maps.shape)} and a window of {window}"
        )
    return frames


def _as_constant(maps: Tensor) -> Tensor:
    maps = maps.detach()
    return maps if maps.dtype == torch.float64 else maps.float()


def _variance(clip: Tensor, windows: Tensor) -> Tensor:
    """Return (B, R, H, W): variance under each of the R windows (R, N), for a clip (B, N, H, W)."""
    clip = _as_constant(clip)
    clip = clip - clip.mean(1, keepdim=True)  # squares of large logits would eat float32's digits
    means = _over_time(windows, clip)
    return _over_time(windows, clip.square_()).addcmul_(means, means, value=-1).clamp_(min=0)


def _over_time(matrix: Tensor, clip: Tensor) -> Tensor:
    """Return (B, R, H, W): `matrix` (R, N) applied along the frames of `clip` (B, N, H, W)."""
    # A card may be allowed to round factors of float32 to three digits, never those of float64.
    exact = torch.float64 if clip.is_cuda else clip.dtype
    with torch.autocast(clip.device.type, enabled=False):
        product = matrix.to(exact) @ clip.flatten(2).to(exact)
    return product.to(clip.dtype).view(len(clip), -1, *clip.shape[2:])


def cyclic_table(frames: int, window: int) -> Tensor:
    """Return (2 T - 2, 2 T - 2): row t averages the window centred on frame t of the cycle."""
    length = 2 * frames - 2
    position = torch.arange(length)
    distance = (position[:, None] - position[None, :]) % length
    half = window // 2
    return ((distance <= half) | (distance >= length - half)).double() / window


def open_table(frames: int, window: int) -> Tensor:
    """Return (T, T): row t averages the frames at most window // 2 away."""
    position = torch.arange(frames)
    near = ((position[:, None] - position[None, :]).abs() <= window // 2).double()
    return near / near.sum(1, keepdim=True)


def curvature_table(frames: int) -> Tensor:
    """Return (T, T): differences of differences, central inside, one-sided at both ends."""
    matrix = torch.zeros(frames, frames, dtype=torch.float64)
    inside = torch.arange(1, frames - 1)
    matrix[inside, inside + 1], matrix[inside, inside - 1] = 0.5, -0.5
    matrix[0, :2] = matrix[-1, -2:] = torch.tensor([-1.0, 1.0], dtype=torch.float64)
    return matrix @ matrix


@lru_cache(maxsize=32)
def _placed(
    kind: Literal["open", "cyclic", "curvature"], frames: int, window: int, device: torch.device
) -> Tensor:
    """Return a table where the maps are; copied once, as a CUDA graph cannot copy from the host."""
    if kind == "curvature":
        return curvature_table(frames).to(device)
    return (open_table if kind == "open" else cyclic_table)(frames, window).to(device)


def _extremes(attention: Tensor) -> tuple[Tensor, Tensor]:
    flat = attention.flatten(1)
    lowest, highest = flat.aminmax(dim=1)
    return lowest[:, None, None, None], highest[:, None, None, None]
