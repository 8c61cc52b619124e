from __future__ import annotations

import pytest
import torch
from torch import Tensor

from vadsdk.errors import ConfigError
from vadsdk.kernels.augmentation import apply_view_to_masks
from vadsdk.kernels.boxes_in_views import (
    boxes_in_view,
    from_view_to_view,
    map_boxes,
    transfer_boxes,
)
from vadsdk.kernels.view_parameters import ViewParameters, sample_view
from vadsdk.kernels.view_settings import ViewSettings

SIDE = 200
BOX = torch.tensor([[[0.2, 0.3, 0.5, 0.8]]])


def view(settings: str | ViewSettings, count: int = 1, seed: int = 0) -> ViewParameters:
    return sample_view(count, settings, torch.Generator().manual_seed(seed))


def painted(boxes: Tensor) -> Tensor:
    """Return masks (B, 1, SIDE, SIDE) of one box a clip."""
    masks = torch.zeros(len(boxes), 1, SIDE, SIDE)
    for row, (x0, y0, x1, y1) in enumerate((boxes[:, 0] * SIDE).round().int().tolist()):
        masks[row, :, y0:y1, x0:x1] = 1
    return masks


def test_a_box_lies_around_what_the_view_shows_of_its_pixels() -> None:
    settings = ViewSettings(flip_probability=0.5, zoom=(0.6, 1.2), rotation_degrees=8, shift=0.1)
    parameters = view(settings, 12, seed=3)
    boxes = BOX.expand(12, 1, 4)
    moved, is_seen = boxes_in_view(boxes, parameters, 0.0)
    masks = apply_view_to_masks(painted(boxes), parameters, (SIDE, SIDE))
    assert is_seen.all()
    for row in range(12):
        places = masks[row, 0].nonzero()
        low, high = places.amin(0), places.amax(0) + 1
        expected = torch.stack((low[1], low[0], high[1], high[0])) / SIDE
        torch.testing.assert_close(moved[row, 0], expected, atol=4 / SIDE, rtol=0)  # thin corners


def test_an_unchanged_view_leaves_boxes_bit_for_bit() -> None:
    boxes = torch.rand(2, 5, 4, generator=torch.Generator().manual_seed(0)).sort(-1).values
    moved, _ = boxes_in_view(boxes, view("identity", 2), 0.0)
    assert torch.equal(moved, boxes)


def test_a_mirrored_box_counts_from_the_other_side() -> None:
    moved, _ = boxes_in_view(BOX, view("mirror"), 0.0)
    torch.testing.assert_close(moved, torch.tensor([[[0.5, 0.3, 0.8, 0.8]]]))


@pytest.mark.parametrize(("min_visible_share", "is_kept"), [(0.49, True), (0.51, False)])
def test_a_box_that_a_crop_cuts_needs_a_share_of_its_area(
    min_visible_share: float, is_kept: bool
) -> None:
    half = ViewParameters(  # the middle half of the frame: x and y from 0.25 to 0.75
        affines=torch.tensor([[[0.5, 0, 0], [0, 0.5, 0]]], dtype=torch.float64),
        time_reversed=torch.tensor([False]),
        brightness=torch.ones(1),
        contrast=torch.ones(1),
        saturation=torch.ones(1),
        cutouts=torch.zeros(1, 4),
    )
    boxes = torch.tensor([[[0.15, 0.3, 0.35, 0.7], [0.0, 0.0, 0.2, 0.2]]])
    moved, is_seen = boxes_in_view(boxes, half, min_visible_share)
    torch.testing.assert_close(moved[0, 0], torch.tensor([0.0, 0.1, 0.2, 0.9]))
    assert is_seen.tolist() == [[is_kept, False]]


def test_a_box_without_area_is_never_seen() -> None:
    _, is_seen = boxes_in_view(torch.zeros(1, 2, 4), view("identity"), 0.0)
    assert not is_seen.any()


def test_from_view_to_view_is_the_way_back_and_forth() -> None:
    settings = ViewSettings(flip_probability=0.5, zoom=(0.9, 1.2), shift=0.05)
    first, second = view(settings, 8, seed=1), view(settings, 8, seed=2)
    boxes = torch.tensor([0.4, 0.45, 0.6, 0.55]).expand(8, 1, 4)
    in_first, _ = boxes_in_view(boxes, first, 0.0)
    there, is_seen = transfer_boxes(in_first, first, second, 0.0)
    expected, _ = boxes_in_view(boxes, second, 0.0)
    assert is_seen.all()
    torch.testing.assert_close(there, expected)
    back = map_boxes(there, from_view_to_view(second, first))
    torch.testing.assert_close(back, in_first)


def test_gradients_flow_through_moved_boxes() -> None:
    boxes = BOX.clone().requires_grad_()
    map_boxes(boxes, from_view_to_view(view("identity"), view("mirror"))).sum().backward()
    assert boxes.grad is not None
    torch.testing.assert_close(boxes.grad, torch.tensor([[[-1.0, 1, -1, 1]]]))


def test_a_view_that_reverses_time_is_refused() -> None:
    backwards = view(ViewSettings(time_reversal_probability=1.0))
    for call in (
        lambda: boxes_in_view(BOX, backwards, 0.0),
        lambda: transfer_boxes(BOX, view("identity"), backwards, 0.0),
    ):
        with pytest.raises(ConfigError, match="set its time_reversal_probability to 0"):
            call()
