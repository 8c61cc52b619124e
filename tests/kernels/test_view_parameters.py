from __future__ import annotations

from dataclasses import fields, replace

import pytest
import torch
from torch import Tensor

from vadsdk.errors import ConfigError
from vadsdk.kernels.augmentation import apply_view
from vadsdk.kernels.augmentation import apply_view_with_gradients as both_views
from vadsdk.kernels.view_parameters import NUM_PACKED, ViewParameters, sample_view
from vadsdk.kernels.view_settings import STRENGTHS, ViewSettings
from vadsdk.kernels.view_sources import IndexedClips, joined_in_time

BLURRED = replace(STRENGTHS["strong"], blur_probability=0.5, blur_sigma=(0.5, 2.0))


def draw(settings: str | ViewSettings, batch: int = 40, seed: int = 0) -> ViewParameters:
    return sample_view(batch, settings, torch.Generator().manual_seed(seed))


def values_of(parameters: ViewParameters) -> dict[str, Tensor | None]:
    return {field.name: getattr(parameters, field.name) for field in fields(parameters)}


def assert_equal(one: ViewParameters, other: ViewParameters) -> None:
    for name, value in values_of(one).items():
        same = values_of(other)[name]
        assert (value is None) == (same is None), name
        assert value is None or (same is not None and torch.equal(value, same)), name


@pytest.mark.parametrize("settings", ["strong", BLURRED])
def test_packed_parameters_are_unpacked_as_they_were(settings: str | ViewSettings) -> None:
    parameters = replace(draw(settings), time_reversed=torch.arange(40) % 3 == 0)
    packed = parameters.packed()
    assert packed.shape == (40, NUM_PACKED + (parameters.blur_sigmas is not None))
    assert_equal(ViewParameters.unpacked(packed), parameters)


def test_a_view_that_blurs_leaves_all_other_draws_as_they_were() -> None:
    sharp, blurred = draw("strong"), draw(BLURRED)
    assert sharp.blur_sigmas is None
    assert_equal(replace(blurred, blur_sigmas=None), sharp)
    sigmas = blurred.blur_sigmas
    assert sigmas is not None
    chosen = sigmas[sigmas > 0]
    assert 0 < len(chosen) < 40
    assert 0.5 <= chosen.min() < chosen.max() <= 2.0


def test_sharp_views_join_blurred_ones_with_no_blur() -> None:
    sharp, blurred = draw("strong", 2), draw(BLURRED, 3)
    both = sharp.joined(blurred)
    assert_equal(both.rows(torch.arange(2, 5)), blurred)
    assert both.blur_sigmas is not None
    assert both.blur_sigmas[:2].tolist() == [0, 0]
    assert sharp.joined(sharp).blur_sigmas is None


def test_a_blur_is_a_gaussian_of_five_pixels() -> None:
    clip = torch.zeros((1, 1, 9, 11, 3), dtype=torch.uint8)
    clip[0, 0, 4, 6] = 255
    parameters = replace(draw("identity", 1), blur_sigmas=torch.tensor([0.8], dtype=torch.float64))
    view = apply_view(clip, parameters, (9, 11))[0, 1, 0]
    bell = torch.exp(-(torch.arange(-2.0, 3.0) ** 2) / (2 * 0.8**2))
    bell = bell / bell.sum()
    torch.testing.assert_close(view[2:7, 4:9], bell[:, None] * bell, rtol=0, atol=1e-5)
    assert view.sum().item() == pytest.approx(1, abs=1e-5)


def test_a_blur_sees_the_store_beyond_the_border_of_a_crop() -> None:
    clip = torch.randint(0, 256, (1, 1, 8, 16, 3), dtype=torch.uint8)
    sigma = torch.tensor([1.2], dtype=torch.float64)
    whole = replace(draw("identity", 1), blur_sigmas=sigma)
    left_half = torch.tensor([[[0.5, 0.0, -0.5], [0.0, 1.0, 0.0]]], dtype=torch.float64)
    crop = replace(whole, affines=left_half)
    expected = apply_view(clip, whole, (8, 16))[..., :8]
    torch.testing.assert_close(apply_view(clip, crop, (8, 8)), expected, rtol=0, atol=1e-5)


def test_sharp_clips_beside_blurred_ones_are_untouched() -> None:
    clips = torch.randint(0, 256, (6, 2, 8, 8, 3), dtype=torch.uint8)
    plain = draw("identity", 6)
    sigmas = torch.tensor([0, 1, 0, 2, 0, 0], dtype=torch.float64)
    sharp = apply_view(clips, plain, (8, 8))
    view = apply_view(clips, replace(plain, blur_sigmas=sigmas), (8, 8))
    changed = (view != sharp).flatten(1).any(1)
    assert changed.tolist() == [False, True, False, True, False, False]


def test_clips_of_a_bank_are_seen_as_the_clips_themselves() -> None:
    bank = torch.randint(0, 256, (9, 8, 10, 3), dtype=torch.uint8)
    indices, parameters = torch.randint(9, (2, 4, 3)), draw(BLURRED, 4)
    clips, successors = bank[indices[0]], bank[indices[1]]
    lying, following = (IndexedClips(bank, part) for part in indices)
    came = apply_view(lying, parameters, (6, 7))
    assert torch.equal(came, apply_view(clips, parameters, (6, 7)))
    together = both_views(lying, following, parameters, (6, 7))
    expected = both_views(clips, successors, parameters, (6, 7))
    assert all(torch.equal(a, b) for a, b in zip(together, expected, strict=True))


def test_clips_of_a_bank_are_cut_and_joined_as_tensors_are() -> None:
    bank = torch.randint(0, 256, (9, 8, 10, 3), dtype=torch.uint8)
    lying, others = (IndexedClips(bank, torch.randint(9, (4, 3))) for _ in range(2))
    clips, others_clips = lying.gathered(), others.gathered()
    assert lying.shape == clips.shape
    assert len(lying) == len(clips)
    assert torch.equal(lying[1:3].gathered(), clips[1:3])
    assert torch.equal(lying[:, -1:].gathered(), clips[:, -1:])
    assert torch.equal(lying[torch.tensor([3, 0])].gathered(), clips[[3, 0]])
    joined = joined_in_time(lying, others)
    assert isinstance(joined, IndexedClips)
    assert torch.equal(joined.gathered(), joined_in_time(clips, others_clips))
    with pytest.raises(ValueError, match="lie in the same bank"):
        joined_in_time(lying, clips)


def test_a_view_comes_in_the_type_and_layout_that_is_asked_for() -> None:
    clips, parameters = torch.randint(0, 256, (2, 3, 8, 8, 3), dtype=torch.uint8), draw("strong", 2)
    layout = torch.channels_last_3d
    view = apply_view(clips, parameters, (8, 8), dtype=torch.bfloat16, memory_format=layout)
    assert view.is_contiguous(memory_format=layout)
    assert torch.equal(view, apply_view(clips, parameters, (8, 8)).bfloat16())


@pytest.mark.parametrize("wrong", [-1, 9])
def test_a_frame_that_a_bank_lacks_is_an_error(wrong: int) -> None:
    bank, indices = torch.zeros((9, 8, 8, 3), dtype=torch.uint8), torch.tensor([[0, wrong]])
    with pytest.raises(IndexError, match=r"a bank of 9 frames lie in \[0, 9\), not in \["):
        apply_view(IndexedClips(bank, indices), draw("identity", 1), (8, 8))


def test_banks_and_indices_of_another_kind_are_refused() -> None:
    bank, indices = torch.zeros((9, 8, 8, 3), dtype=torch.uint8), torch.zeros((1, 2)).long()
    with pytest.raises(ValueError, match=r"a bank's frames are \(N, H, W, 3\) uint8"):
        IndexedClips(bank.float(), indices)
    with pytest.raises(ValueError, match=r"frame indices are \(B, T\) int64"):
        IndexedClips(bank, indices.int())


@pytest.mark.parametrize("sigmas", [(0.0, 1.0), (1.0, 0.5)])
def test_a_range_of_blur_without_sense_is_refused(sigmas: tuple[float, float]) -> None:
    with pytest.raises(ConfigError, match="blur_sigma must be a range of positive numbers"):
        ViewSettings(blur_sigma=sigmas)
