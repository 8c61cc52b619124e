"""Views of a clip: applied to clips and masks, undone on the maps that a network answers.

    store frame (H, W) --apply_view--> view (h, w) --network--> maps --undo_view--> store frame
                 maps of view b --transfer_maps, with one interpolation--> the frame of view a

Clips may lie in a bank (`IndexedClips`): a card reads each pixel of a view there, in the same pass.
CUDA tensors take the kernels of `augmentation_triton.py` and `view_maps_triton.py`, which read the
parameters on the device and make nothing wait; parameters that lie elsewhere are copied there.

Legend: B clips, T frames, N frames of a bank, H, W the stored clip's size, h, w the view's.
    Coordinates as in `warping.py`.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from vadsdk.kernels.view_parameters import ViewParameters
from vadsdk.kernels.view_reference import reverse_time, view_and_gradients_of, view_of
from vadsdk.kernels.view_sources import Clips, IndexedClips, PixelFormat, gathered, indexed
from vadsdk.kernels.warping import seen_inside, warp

PLAIN_MEAN, PLAIN_STD = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
"""Leave RGB in [0, 1]."""


def apply_view(
    clips: Clips,
    parameters: ViewParameters,
    size: tuple[int, int],
    *,
    mean: Sequence[float] = PLAIN_MEAN,
    std: Sequence[float] = PLAIN_STD,
    dtype: torch.dtype = torch.float32,
    memory_format: torch.memory_format = torch.contiguous_format,
) -> Tensor:
    """Return the view (B, 3, T, h, w): what lies outside the stored frame is black.

    A blur reads the store beyond the view's border where there is some.

    Args:
        clips: (B, T, H, W, 3) uint8 RGB. A frame that their bank lacks is an IndexError on a CPU;
            a card, which nobody waits for, answers it with NaN.
        parameters: B views.
        size: (h, w).
        mean: subtracted from RGB in [0, 1].
        std: divides what remains.
        dtype: of the view, which is computed in float32.
        memory_format: of the view: contiguous or channels_last_3d.
    """
    pixels = PixelFormat(mean, std, dtype, memory_format)
    if clips.is_cuda:
        return _on_card((indexed(clips),), parameters, size, pixels)[0]
    return view_of(gathered(clips), parameters, size, pixels)


def apply_view_with_gradients(
    clips: Clips,
    successors: Clips,
    parameters: ViewParameters,
    size: tuple[int, int],
    *,
    mean: Sequence[float] = PLAIN_MEAN,
    std: Sequence[float] = PLAIN_STD,
    dtype: torch.dtype = torch.float32,
    memory_format: torch.memory_format = torch.contiguous_format,
) -> tuple[Tensor, Tensor]:
    """Return the view of clips and the same view of their temporal gradients, (B, 3, T, h, w) each.

    The gradient is taken after the view's colours and geometry, which commute with it, so what
    the view adds itself (black around, cut-outs) is still; then it gets the mean and deviation that
    the colours get. In a clip that is seen backwards, a frame and its successor change places.

    Args:
        clips: (B, T, H, W, 3) uint8 RGB, as in `apply_view`.
        successors: (B, T, H, W, 3) uint8, the frame after each.
        parameters: B views; contrast is about the mean brightness of clips and successors.
        size: (h, w).
        mean: subtracted from RGB in [0, 1], and from gradients.
        std: divides what remains.
        dtype: of both answers, which are computed in float32.
        memory_format: of both: contiguous or channels_last_3d.
    """
    pixels = PixelFormat(mean, std, dtype, memory_format)
    if clips.is_cuda:
        sources = (indexed(clips), indexed(successors))
        colours, gradients = _on_card(sources, parameters, size, pixels)
        return colours, gradients
    return view_and_gradients_of(gathered(clips), gathered(successors), parameters, size, pixels)


def apply_view_to_masks(masks: Tensor, parameters: ViewParameters, size: tuple[int, int]) -> Tensor:
    """Return the actors' masks as the view shows them, (B, T, h, w) float32, 0 or 1.

    An actor behind a cut-out stays one. float64 masks take the reference on a card, too.

    Args:
        masks: (B, T, H, W), 0 or 1.
        parameters: B views.
        size: (h, w).
    """
    if masks.is_cuda and masks.dtype != torch.float64:
        from vadsdk.kernels import view_maps_triton as kernels

        return kernels.apply_view_to_masks(masks, parameters, size)
    parameters = parameters.to("cpu")
    planes = reverse_time(masks.float(), parameters.time_reversed, dim=1)
    return (warp(planes, parameters.matrices(), size) >= 0.5).float()


def apply_view_to_frames(values: Tensor, parameters: ViewParameters) -> Tensor:
    """Return (B, T) values, one a frame, in the order in which the view shows the frames."""
    if values.is_cuda:
        reversed_rows = parameters.to(values.device).time_reversed
        chosen = reversed_rows.view(-1, *[1] * (values.ndim - 1))
        return torch.where(chosen, values.flip(1), values)
    return reverse_time(values, parameters.time_reversed, dim=1)


def undo_view(
    maps: Tensor, parameters: ViewParameters, size: tuple[int, int]
) -> tuple[Tensor, Tensor]:
    """Take maps of a view back into the store's frame; float64 ones by the reference everywhere.

    Args:
        maps: (B, T, h, w), at the view's coordinates; gradients flow into them.
        parameters: B views.
        size: (H, W) of the store's frame.

    Returns:
        Maps (B, T, H, W) and validity (B, 1, H, W), 1 where the view saw the pixel, else 0.
    """
    if maps.is_cuda and maps.dtype != torch.float64:
        from vadsdk.kernels import view_maps_triton as kernels

        return kernels.undo_view(maps, parameters, size)
    parameters = parameters.to("cpu")
    to_view = parameters.inverse_matrices()
    moved = warp(maps, to_view, size)
    valid = seen_inside(to_view, size, (maps.shape[-2], maps.shape[-1]), maps.device)
    return reverse_time(moved, parameters.time_reversed, dim=1), valid.to(moved.dtype)


def transfer_maps(
    maps: Tensor, source: ViewParameters, target: ViewParameters
) -> tuple[Tensor, Tensor]:
    """Take maps of one view into another view's frame by one interpolation.

    float64 maps take the reference on a card, too.

    Args:
        maps: (B, T, h, w) of the `source` views; gradients flow into them.
        source: the views that the maps belong to.
        target: the views whose frame they are wanted in.

    Returns:
        Maps (B, T, h, w) and validity (B, 1, h, w): 1 where both views saw the pixel of the store,
        else 0.
    """
    if maps.is_cuda and maps.dtype != torch.float64:
        from vadsdk.kernels import view_maps_triton as kernels

        return kernels.transfer_maps(maps, source, target)
    source, target = source.to("cpu"), target.to("cpu")
    size = (maps.shape[-2], maps.shape[-1])
    target_to_store = target.matrices()
    target_to_source = source.inverse_matrices() @ target_to_store
    moved = warp(maps, target_to_source, size)
    valid = seen_inside(target_to_source, size, size, maps.device)
    valid &= seen_inside(target_to_store, size, size, maps.device)
    moved = reverse_time(moved, source.time_reversed ^ target.time_reversed, dim=1)
    return moved, valid.to(moved.dtype)


def _on_card(
    sources: tuple[IndexedClips, ...],
    parameters: ViewParameters,
    size: tuple[int, int],
    pixels: PixelFormat,
) -> tuple[Tensor, ...]:
    from vadsdk.kernels.augmentation_triton import make_views

    return make_views(sources, parameters, size, pixels)
