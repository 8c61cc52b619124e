from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from vadsdk.errors import ConfigError
from vadsdk.kernels.augmentation import (
    apply_view,
    apply_view_to_masks,
    transfer_maps,
    undo_view,
)
from vadsdk.kernels.view_parameters import ViewParameters, sample_view
from vadsdk.kernels.view_settings import STRENGTHS, ViewSettings

GEOMETRY = ViewSettings(flip_probability=0.5, zoom=(0.7, 1.2), rotation_degrees=15, shift=0.1)
SIZE = (48, 64)


def draw(settings: str | ViewSettings, batch: int = 6, seed: int = 0) -> ViewParameters:
    return sample_view(
        batch, settings, torch.Generator().manual_seed(seed), aspect_ratio=SIZE[1] / SIZE[0]
    )


def random_clips(batch: int = 6, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (batch, 3, *SIZE, 3), dtype=torch.uint8, generator=generator)


def smooth_maps(batch: int = 6) -> Tensor:
    """Slow waves, other ones in each clip and frame, (B, 3, H, W)."""
    y = torch.linspace(0, 1, SIZE[0])[:, None]
    x = torch.linspace(0, 1, SIZE[1])[None, :]
    phases = torch.arange(batch * 3.0).view(batch, 3, 1, 1)
    return torch.sin(3 * x + phases) + torch.cos(2 * y - phases)


def seen_by(parameters: ViewParameters, maps: Tensor) -> Tensor:
    """The maps as the view shows them, by way of three equal colour planes."""
    steps = ((maps + 2) / 4 * 255).round().to(torch.uint8)
    view = apply_view(steps[..., None].expand(*maps.shape, 3), parameters, SIZE)
    return view[:, 0] * 4 - 2


GREY_STEP = 4 / 255


def test_identity_is_the_clip_in_0_to_1() -> None:
    clips = random_clips()
    view = apply_view(clips, draw("identity"), SIZE)
    torch.testing.assert_close(view, clips.permute(0, 4, 1, 2, 3) / 255, rtol=0, atol=1e-7)


def test_a_flip_moves_every_bit_exactly_there_and_back() -> None:
    clips, mirror = random_clips(), draw("mirror")
    identity = draw("identity")
    assert torch.equal(apply_view(clips, mirror, SIZE), apply_view(clips, identity, SIZE).flip(-1))
    masks = clips[..., 0] % 2
    assert torch.equal(apply_view_to_masks(masks, mirror, SIZE), masks.flip(-1).float())
    maps = torch.randn((6, 3, *SIZE), generator=torch.Generator().manual_seed(1))
    for moved, valid in (
        undo_view(maps, mirror, SIZE),
        transfer_maps(maps, mirror, identity),
        transfer_maps(maps, identity, mirror),
    ):
        assert torch.equal(moved, maps.flip(-1))
        assert valid.all()


def test_flips_are_exact_beside_clips_that_are_not_flipped() -> None:
    parameters = draw(ViewSettings(flip_probability=0.5))
    flipped = parameters.affines[:, 0, 0] < 0
    assert flipped.any()
    assert not flipped.all()
    clips = random_clips()
    view, plain = (apply_view(clips, p, SIZE) for p in (parameters, draw("identity")))
    expected = torch.where(flipped.view(-1, 1, 1, 1, 1), plain.flip(-1), plain)
    assert torch.equal(view, expected)


def test_two_equal_views_are_compared_bit_for_bit() -> None:
    parameters = draw(GEOMETRY)
    maps = smooth_maps()
    moved, _ = transfer_maps(maps, parameters, parameters)
    assert torch.equal(moved, maps)


def test_a_smooth_map_comes_back_from_a_view_where_it_was_seen() -> None:
    maps, parameters = smooth_maps(), draw(GEOMETRY)
    came, valid = undo_view(seen_by(parameters, maps), parameters, SIZE)
    assert 0.3 < valid.mean() < 1
    # Next to the frame's edge the view mixes in the black around it.
    inner = valid.clone()
    inner[..., [0, 1, -2, -1]] = 0
    inner[..., [0, 1, -2, -1], :] = 0
    assert ((came - maps).abs() * inner).max() < 2 * GREY_STEP


def test_maps_of_one_view_meet_the_other_view_where_both_saw_the_store() -> None:
    maps, first, second = smooth_maps(), draw(GEOMETRY), draw(GEOMETRY, seed=1)
    came, valid = transfer_maps(seen_by(second, maps), second, first)
    wanted = seen_by(first, maps)
    inner = valid * (torch.nn.functional.avg_pool2d(valid, 5, 1, 2) > 0.999)
    assert 0.2 < inner.mean() < 1
    assert ((came - wanted).abs() * inner).max() < 3 * GREY_STEP


def test_transfer_equals_undoing_and_applying_again() -> None:
    maps, first, second = smooth_maps(), draw(GEOMETRY), draw(GEOMETRY, seed=1)
    direct, valid = transfer_maps(maps, second, first)
    in_store, _ = undo_view(maps, second, SIZE)
    inverse_affines = torch.linalg.inv(first.matrices())[:, :2]
    into_first = replace(first, affines=inverse_affines)
    twice, _ = undo_view(in_store, into_first, SIZE)
    inner = valid * (torch.nn.functional.avg_pool2d(valid, 5, 1, 2) > 0.999)
    assert ((direct - twice).abs() * inner).max() < 0.01


def test_validity_is_the_window_that_a_crop_shows() -> None:
    # The middle half of 8 columns, seen as 8 columns: their centres run from 1.75 to 5.25.
    crop = draw("identity", 1)
    crop = replace(crop, affines=torch.tensor([[[0.5, 0, 0], [0, 1.0, 0]]], dtype=torch.float64))
    _, valid = undo_view(torch.zeros(1, 1, 4, 8), crop, (4, 8))
    assert valid[0, 0].tolist() == [[0, 0, 1, 1, 1, 1, 0, 0]] * 4


def test_what_lies_outside_the_store_is_invalid_in_a_transfer() -> None:
    wide = draw("identity", 1)
    wide = replace(wide, affines=torch.tensor([[[2.0, 0, 0], [0, 2.0, 0]]], dtype=torch.float64))
    _, valid = transfer_maps(torch.zeros(1, 1, 4, 8), wide, wide)
    assert valid[0, 0].tolist() == [[0.0] * 8, *[[0.0] * 2 + [1.0] * 4 + [0.0] * 2] * 2, [0.0] * 8]


def test_a_rotation_keeps_lengths_in_pixels() -> None:
    parameters = draw(ViewSettings(rotation_degrees=90), batch=200)
    pixels = torch.tensor([SIZE[1] / 2, SIZE[0] / 2], dtype=torch.float64)  # of one unit of x, y
    right, down = (parameters.affines[:, :, axis] * pixels / pixels[axis] for axis in (0, 1))
    ones = torch.ones(200, dtype=torch.float64)
    torch.testing.assert_close(right.norm(dim=1), ones)
    torch.testing.assert_close(down.norm(dim=1), ones)
    torch.testing.assert_close((right * down).sum(1), 0 * ones)
    assert parameters.affines[:, 1, 0].abs().max() > 1  # and some do turn far


def test_a_crop_stays_inside_the_frame() -> None:
    affines = draw(ViewSettings(zoom=(0.5, 1.0)), batch=500).affines
    reach = affines[:, :, :2].abs().sum(2) + affines[:, :, 2].abs()
    assert reach.max() <= 1 + 1e-12
    assert affines[:, 0, 0].min() < 0.55


def test_time_reversal_is_undone_on_the_maps() -> None:
    parameters = draw(ViewSettings(time_reversal_probability=0.5))
    turned = parameters.time_reversed
    assert turned.any()
    assert not turned.all()
    maps = torch.randn((6, 3, *SIZE), generator=torch.Generator().manual_seed(0))
    expected = torch.where(turned.view(-1, 1, 1, 1), maps.flip(1), maps)
    identity = draw("identity")
    assert torch.equal(undo_view(maps, parameters, SIZE)[0], expected)
    assert torch.equal(transfer_maps(maps, parameters, identity)[0], expected)
    assert torch.equal(transfer_maps(maps, parameters, parameters)[0], maps)
    clips = random_clips()
    view = apply_view(clips, parameters, SIZE)[:, 0]
    assert torch.equal(view[turned], apply_view(clips, identity, SIZE)[:, 0].flip(1)[turned])
    assert torch.equal(apply_view_to_masks(maps > 0, parameters, SIZE), (expected > 0).float())


@pytest.mark.parametrize("size", [(24, 32), (96, 128)])
def test_a_view_may_have_another_size_than_the_store(size: tuple[int, int]) -> None:
    maps, parameters = smooth_maps(), draw("identity")
    steps = ((maps + 2) / 4 * 255).round().to(torch.uint8)
    view = apply_view(steps[..., None].expand(*maps.shape, 3), parameters, size)
    assert view.shape == (6, 3, 3, *size)
    came, valid = undo_view(view[:, 0] * 4 - 2, parameters, SIZE)
    assert valid[..., 2:-2, 2:-2].all()
    assert ((came - maps).abs() * valid)[..., 2:-2, 2:-2].max() < 2 * GREY_STEP


def colour_of(parameters: ViewParameters, rgb: tuple[int, int, int]) -> Tensor:
    clip = torch.tensor(rgb, dtype=torch.uint8).expand(1, 1, 8, 8, 3)
    return apply_view(clip, parameters, (8, 8))[0, :, 0, 0, 0] * 255


def test_photometric_changes_written_out() -> None:
    plain = draw("identity", 1)
    one = torch.ones(1, dtype=torch.float64)
    luma = 0.299 * 100 + 0.587 * 50 + 0.114 * 200
    cases = {
        "brightness": (replace(plain, brightness=1.2 * one), [120.0, 60.0, 240.0]),
        "saturation": (replace(plain, saturation=0 * one), [luma] * 3),
        "contrast": (
            replace(plain, contrast=0.5 * one),
            [(value + luma) / 2 for value in (100, 50, 200)],
        ),
    }
    for name, (parameters, expected) in cases.items():
        came = colour_of(parameters, (100, 50, 200))
        torch.testing.assert_close(came, torch.tensor(expected), msg=name)


def test_normalisation_follows_the_photometric_changes() -> None:
    clips, parameters = random_clips(), draw("strong")
    plain = apply_view(clips, parameters, SIZE)
    mean, std = (0.4, 0.5, 0.6), (0.1, 0.2, 0.3)
    came = apply_view(clips, parameters, SIZE, mean=mean, std=std)
    axes = (1, 3, 1, 1, 1)
    expected = (plain - torch.tensor(mean).view(axes)) / torch.tensor(std).view(axes)
    torch.testing.assert_close(came, expected, rtol=1e-4, atol=1e-4)


def test_a_cutout_is_one_grey_box_in_all_frames() -> None:
    settings = ViewSettings(cutout_probability=1.0, cutout_side=0.5)
    clips = torch.zeros((20, 2, *SIZE, 3), dtype=torch.uint8)
    grey = apply_view(clips, draw(settings, 20), SIZE) == 0.5
    assert torch.equal(grey, grey[:, :1, :1].expand_as(grey))
    shares = grey[:, 0, 0].float().mean((1, 2))
    assert 0 < shares.max() <= 0.26


def test_masks_stay_binary_and_move_with_the_picture() -> None:
    masks = (smooth_maps() > 0.5).to(torch.uint8)
    parameters = draw(GEOMETRY)
    moved = apply_view_to_masks(masks, parameters, SIZE)
    assert set(moved.unique().tolist()) == {0.0, 1.0}
    picture = apply_view(masks[..., None].expand(*masks.shape, 3) * 255, parameters, SIZE)[:, 0]
    sure = (picture - 0.5).abs() > 1e-3
    assert torch.equal((picture > 0.5)[sure], (moved > 0.5)[sure])


def test_gradients_flow_back_through_a_transfer() -> None:
    maps = smooth_maps(2).requires_grad_()
    moved, valid = transfer_maps(maps, draw(GEOMETRY, 2), draw("identity", 2))
    (moved * valid).sum().backward()
    assert maps.grad is not None
    assert maps.grad.sum().item() == pytest.approx(3 * valid.sum().item(), rel=1e-4)


def test_half_precision_maps_are_moved_in_single_precision() -> None:
    maps, parameters = smooth_maps().bfloat16(), draw(GEOMETRY)
    expected, _ = undo_view(maps.float(), parameters, SIZE)
    with torch.autocast("cpu", torch.bfloat16):
        came, _ = undo_view(maps, parameters, SIZE)
    assert torch.equal(came, expected)


def test_autocast_does_not_coarsen_the_pixels() -> None:
    clips, parameters = random_clips(), draw("strong")
    expected = apply_view(clips, parameters, SIZE)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(apply_view(clips, parameters, SIZE), expected)


def test_views_are_repeatable_and_every_strength_draws_as_often() -> None:
    generators = [torch.Generator().manual_seed(5) for _ in STRENGTHS]
    for generator, strength in zip(generators, STRENGTHS, strict=True):
        sample_view(3, strength, generator)
    after = [sample_view(3, "strong", generator).affines for generator in generators]
    assert all(torch.equal(affines, after[0]) for affines in after)


def test_rows_are_chosen_together() -> None:
    parameters = draw("strong")
    chosen = parameters.rows(torch.tensor([4, 1]))
    assert torch.equal(chosen.affines, parameters.affines[[4, 1]])
    assert torch.equal(chosen.cutouts, parameters.cutouts[[4, 1]])


def test_an_unknown_strength_is_answered_with_the_known_ones() -> None:
    with pytest.raises(ConfigError, match=r"'strnog'. Did you mean 'strong'\?"):
        sample_view(1, "strnog")


@pytest.mark.parametrize(
    ("field", "value"),
    [("zoom", (1.2, 0.8)), ("brightness", -0.1), ("flip_probability", 1.5), ("shift", 3.0)],
)
def test_settings_out_of_range_are_refused_by_name(field: str, value: object) -> None:
    with pytest.raises(ConfigError, match=field):
        ViewSettings(**{field: value})  # type: ignore[arg-type]
